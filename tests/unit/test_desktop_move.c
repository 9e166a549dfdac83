/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_move.c - a suspended desktop leaves one host and comes to another, or stays where it is
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "host/desktop_move.h"
#include "host/move_clear.h"
#include "tests/unit/desktop_stage.h"
#include "tests/unit/fake_exchange.h"
#include "tests/unit/scratch.h"

#define IDENTIFY  1
#define LOGIN	  2
#define CLOCK	  4
#define RAM_BYTES (1024 * 1024)

struct fixture {
	struct desktop_stage *stage;
	char *root;
	char *exchange;
	char *lib;		   /* of the other host */
	struct desktop_host other; /* with the same launch and QEMU */
	struct move_clear *clear;
};

static gboolean
discard(const struct move_files *files, gboolean *ret_found, GError **error)
{
	fake_exchange_wait();
	return move_files_discard(files, ret_found, error);
}

static guint n_changes; /* of its state, as hostd would report them */

static void
note_changed(void *context, struct desktop *desktop)
{
	(void)context, (void)desktop;
	n_changes++;
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	g_autofree char *house = NULL; /* which launch makes */
	void *stage = NULL;

	desktop_stage_setup(&stage);
	f->stage = stage;
	f->root = scratch_new();
	f->exchange = g_build_filename(f->root, "exchange", NULL);
	f->lib = g_build_filename(f->root, "lib", NULL);
	assert_int_equal(g_mkdir(f->exchange, 0700), 0);
	f->clear = move_clear_new(f->exchange, discard);
	f->stage->host.changed = note_changed;
	f->stage->host.exchange = f->exchange;
	f->stage->host.clear = f->clear;
	f->other = f->stage->host;
	f->other.lib = f->lib;
	house = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	assert_int_equal(g_mkdir_with_parents(house, 0700), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	void *stage = f->stage;

	fake_exchange_set_down(FALSE);
	desktop_stage_teardown(&stage);
	move_clear_free(f->clear);
	scratch_remove(f->root);
	g_free(f->exchange);
	g_free(f->lib);
	g_free(f->root);
	g_free(f);
	return 0;
}

static gboolean
is_in(const struct fixture *f, enum desktop_state state)
{
	return desktop_stage_is_in(f->stage, state) && !desktop_is_held(f->stage->desktop);
}

static gboolean
has(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
start_suspended(struct fixture *f)
{
	struct desktop_stage *stage = f->stage;

	desktop_stage_fork(stage);
	desktop_stage_log_in(stage);
	SERVE_UNTIL(stage, desktop_stage_is_in(stage, DESKTOP_STATE_ASSIGNED));
	desktop_suspend(stage->desktop, RAM_BYTES, 0);
	SERVE_UNTIL(stage, is_in(f, DESKTOP_STATE_SUSPENDED));
	g_string_truncate(stage->events, 0);
}

static void
start_exported(struct fixture *f)
{
	start_suspended(f);
	desktop_export(f->stage->desktop);
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	assert_true(has(f->exchange, DESKTOP "/suspended.json"));
	assert_false(has(f->stage->lib, "desktops/" DESKTOP "/suspended.json"));
}

/* A hostd begins, which knows nothing of it. */
static void
begin(struct fixture *f, const struct desktop_host *host, guint64 generation)
{
	desktop_free(f->stage->desktop);
	f->stage->desktop = desktop_new(host, DESKTOP, generation);
}

static void
arrive(struct fixture *f)
{
	const struct engine_template source = { f->stage->manifest, f->stage->folder, "user", -1,
						NULL };

	desktop_arrive(f->stage->desktop, &source, FALSE, 0);
	assert_true(desktop_stage_is_in(f->stage, DESKTOP_STATE_ARRIVING));
}

static void
resume(struct fixture *f)
{
	struct desktop_stage *stage = f->stage;
	struct engine_template source = { stage->manifest, stage->folder, "user", stage->memory,
					  NULL };

	desktop_resume(stage->desktop, &source);
	SERVE_UNTIL(stage, desktop_stage_is_in(stage, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(stage->said[IDENTIFY], 1);
	assert_int_equal(stage->said[LOGIN], 1);
	assert_int_equal(stage->said[CLOCK], 1);
	assert_string_equal(desktop_get_session(stage->desktop), SESSION);
}

static void
test_desktop_move__its_user_finds_it_on_the_other_host(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	begin(f, &f->other, GENERATION);
	arrive(f);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(has(f->exchange, DESKTOP));
	assert_true(has(f->lib, "desktops/" DESKTOP "/suspended.json"));
	resume(f);
	assert_string_equal(f->stage->events->str, "exported arrived resumed ");
}

/* What its host is asked for when it has begun anew meanwhile. */
static void
test_desktop_move__one_that_was_exported_stays_so(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	begin(f, &f->stage->host, GENERATION);
	desktop_export(f->stage->desktop);
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	assert_true(has(f->exchange, DESKTOP "/suspended.json"));
	assert_string_equal(f->stage->events->str, "exported exported ");
}

/* The exchange folder is not mounted, perhaps: nothing is lost by that. */
static void
test_desktop_move__one_that_is_nowhere_is_not_given_up(void **state)
{
	struct fixture *f = *state;

	begin(f, &f->stage->host, GENERATION);
	desktop_export(f->stage->desktop);
	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTING));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "not known where it is"));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "see that this is mounted"));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "'carrel desktop stop'"));
	assert_string_equal(f->stage->events->str, "");
	desktop_give_up(f->stage->desktop, "an operator stopped it");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
}

static void
check_refused(struct fixture *f, const char *word)
{
	const char *reason;

	WAIT_FOR(is_in(f, DESKTOP_STATE_EXPORTED));
	reason = desktop_get_reason(f->stage->desktop);
	print_message("%s\n", reason);
	assert_non_null(strstr(reason, word));
	assert_non_null(strstr(reason, "is not taken from there"));
	/* which is told again without where it lies */
	assert_non_null(strstr(desktop_get_refusal(f->stage->desktop), word));
	assert_null(strstr(desktop_get_refusal(f->stage->desktop), "is not taken from there"));
	assert_string_equal(f->stage->events->str, "exported move_failed ");
	assert_true(has(f->exchange, DESKTOP "/overlay.qcow2"));
	assert_false(has(f->lib, "desktops/" DESKTOP "/origin.json"));
	assert_false(has(f->lib, "desktops/" DESKTOP "/arriving"));
}

static void
test_desktop_move__another_version_is_refused_and_it_goes_back(void **state)
{
	struct fixture *f = *state;
	json_t *file = json_array_get(json_object_get(f->stage->manifest->object, "files"), 0);

	start_exported(f);
	json_object_set_new(file, "size", json_integer(2));
	begin(f, &f->other, GENERATION);
	arrive(f);
	check_refused(f, "was sealed again");
	json_object_set_new(file, "size", json_integer(1));
	begin(f, &f->stage->host, GENERATION);
	arrive(f);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_null(desktop_get_refusal(f->stage->desktop));
	resume(f);
}

static void
test_desktop_move__another_generation_is_refused(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	begin(f, &f->other, GENERATION + 1);
	arrive(f);
	check_refused(f, "another generation");
	/* it is told once, and tried no more by itself */
	desktop_refuse_move(f->stage->desktop, "again");
	assert_string_equal(f->stage->events->str, "exported move_failed ");
}

/* Its pool gives it none, whatever the folder says. */
static void
test_desktop_move__a_network_does_not_come_with_it(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	scratch_put(f->exchange, DESKTOP "/network", "passt");
	begin(f, &f->other, GENERATION);
	arrive(f);
	check_refused(f, "network");
}

/* A guest that runs when hostd is killed leaves such files, which are out of date. */
static void
test_desktop_move__what_is_not_whole_is_refused(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->exchange, DESKTOP, "suspended.json", NULL);
	json_t *mark;

	start_exported(f);
	mark = json_load_file(path, 0, NULL);
	assert_string_equal(json_get_text(mark, "phase", ""), "whole");
	json_object_set_new(mark, "phase", json_string("ending"));
	assert_int_equal(json_dump_file(mark, path, 0), 0);
	json_decref(mark);
	begin(f, &f->other, GENERATION);
	arrive(f);
	check_refused(f, "is not whole");
}

/* By that it would be suspended the next time, as a fork of who knows what. */
static void
test_desktop_move__another_origin_is_refused(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->exchange, DESKTOP, "origin.json", NULL);
	json_t *origin;

	start_exported(f);
	origin = json_load_file(path, 0, NULL);
	json_object_set_new(origin, "genid", json_string("00000000000000000000000000000000"));
	assert_int_equal(json_dump_file(origin, path, 0), 0);
	json_decref(origin);
	begin(f, &f->other, GENERATION);
	arrive(f);
	check_refused(f, "origin.json");
}

/* A disk that fails has left this of it, and there is no other: whoever can save something of it finds it suspended. */
static void
test_desktop_move__the_only_one_is_kept_however_it_is(void **state)
{
	struct fixture *f = *state;
	g_autofree char *pages =
		g_build_filename(f->stage->lib, "desktops", DESKTOP, "suspended.pages", NULL);

	start_suspended(f);
	begin(f, &f->stage->host, GENERATION);
	assert_int_equal(g_unlink(pages), 0);
	arrive(f);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	print_message("%s\n", desktop_get_reason(f->stage->desktop));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "suspended.pages"));
	assert_string_equal(f->stage->events->str, "arrived ");
}

static void
test_desktop_move__one_that_cannot_go_stays_suspended(void **state)
{
	struct fixture *f = *state;

	start_suspended(f);
	f->stage->launch->refuse = -EIO;
	desktop_export(f->stage->desktop);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	f->stage->launch->refuse = 0;
	assert_string_equal(f->stage->events->str, "move_failed ");
	assert_string_equal(desktop_get_reason(f->stage->desktop), "");
	desktop_export(f->stage->desktop);
	assert_true(is_in(f, DESKTOP_STATE_SUSPENDED));
	desktop_keep_here(f->stage->desktop);
	assert_int_equal(g_rmdir(f->exchange), 0);
	desktop_export(f->stage->desktop);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_string_equal(f->stage->events->str, "move_failed move_failed ");
	resume(f);
}

/* A process that could not be ended in time may still write to its files. */
static void
test_desktop_move__one_whose_machine_lives_goes_when_that_has_ended(void **state)
{
	static const char *const argv[] = { "--desktop", DESKTOP, NULL };
	const struct launch_client_spawn wish = {
		.name = DESKTOP, .generation = GENERATION, .role = LAUNCH_ROLE_VMM, .argv = argv
	};
	struct fixture *f = *state;
	guint kills;

	start_suspended(f);
	WAIT_FOR(f->stage->launch->child == 0);
	launch_client_spawn(f->stage->client, &wish, NULL, NULL);
	WAIT_FOR(f->stage->launch->child > 0);
	kills = f->stage->launch->count[LAUNCH_KILL];
	n_changes = 0;
	desktop_export(f->stage->desktop);
	assert_true(desktop_is_moving(f->stage->desktop));
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	/* which is told again and again while it lasts */
	assert_int_equal(n_changes, 0);
	assert_false(has(f->exchange, DESKTOP));
	assert_string_equal(f->stage->events->str, "");
	WAIT_FOR(f->stage->launch->count[LAUNCH_KILL] > kills && f->stage->launch->child == 0);
	WAIT_FOR((desktop_export(f->stage->desktop), is_in(f, DESKTOP_STATE_EXPORTED)));
}

static void
test_desktop_move__one_that_runs_does_not_go(void **state)
{
	struct fixture *f = *state;

	desktop_stage_fork(f->stage);
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_READY));
	desktop_export(f->stage->desktop);
	assert_true(is_in(f, DESKTOP_STATE_READY));
	assert_non_null(strstr(f->stage->events->str, "move_failed "));
}

/* Its guest has run in the end, when it was resumed: its files are not those that were suspended. */
static void
test_desktop_move__one_that_has_run_does_not_go(void **state)
{
	struct fixture *f = *state;
	struct desktop_stage *stage = f->stage;
	struct engine_template source = { stage->manifest, stage->folder, "user", stage->memory,
					  NULL };
	g_autofree char *overlay =
		g_build_filename(stage->lib, "desktops", DESKTOP, "overlay.qcow2", NULL);

	start_suspended(f);
	stage->qemu->fault = FAKE_QEMU_REFUSES;
	stage->qemu->command = "cont";
	desktop_resume(stage->desktop, &source);
	SERVE_UNTIL(stage, is_in(f, DESKTOP_STATE_SUSPENDED));
	fake_qemu_die(stage->qemu);
	assert_true(g_file_set_contents(overlay, "written", -1, NULL));
	desktop_export(stage->desktop);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_non_null(strstr(stage->events->str, "move_failed "));
	assert_false(has(f->exchange, DESKTOP));
}

static void
test_desktop_move__is_given_up_on_its_way(void **state)
{
	struct fixture *f = *state;

	start_suspended(f);
	desktop_export(f->stage->desktop);
	desktop_retire(f->stage->desktop, "not now");
	assert_true(desktop_stage_is_in(f->stage, DESKTOP_STATE_SUSPENDED));
	WAIT_FOR(desktop_stage_is_in(f->stage, DESKTOP_STATE_EXPORTING));
	desktop_give_up(f->stage->desktop, "an operator stopped it");
	assert_true(desktop_stage_is_in(f->stage, DESKTOP_STATE_EXPORTING));
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_false(has(f->exchange, DESKTOP));
	assert_false(has(f->stage->lib, "desktops/" DESKTOP));
}

/* It goes to another host: what is not wanted any more is not what lies there. */
static void
test_desktop_move__is_left_to_the_other_host(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	desktop_retire(f->stage->desktop, "the broker does not want it");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_true(has(f->exchange, DESKTOP "/suspended.json"));
	begin(f, &f->other, GENERATION);
	arrive(f);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
}

/* hostd ended when it was in both folders. */
static void
start_twofold(struct fixture *f)
{
	start_suspended(f);
	scratch_put(f->exchange, DESKTOP "/suspended.json", "old");
	scratch_put(f->exchange, DESKTOP ".part/origin.json", "half");
	desktop_stage_find(f->stage, NULL);
	assert_true(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(has(f->exchange, DESKTOP));
}

static void
test_desktop_move__is_given_up_with_its_copy(void **state)
{
	struct fixture *f = *state;

	start_twofold(f);
	desktop_give_up(f->stage->desktop, "an operator stopped it");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(has(f->exchange, DESKTOP));
	assert_false(has(f->exchange, DESKTOP ".part"));
	assert_false(has(f->stage->lib, "desktops/" DESKTOP));
}

/* It has left and comes back, and shall go, while what it has left behind is cleared away. */
static void
test_desktop_move__is_given_up_after_it_has_left(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	f->stage->launch->refuse = -EBUSY;
	desktop_retire(f->stage->desktop, "the broker does not want it");
	desktop_forget_copy(f->stage->desktop);
	desktop_give_up(f->stage->desktop, "the broker wants it gone");
	f->stage->launch->refuse = 0;
	SERVE_UNTIL(f->stage, is_in(f, DESKTOP_STATE_GONE) && !has(f->exchange, DESKTOP));
}

static void
test_desktop_move__a_copy_goes_when_it_is_found_here(void **state)
{
	struct fixture *f = *state;

	start_twofold(f);
	/* not before it is known that it is not another host's */
	desktop_forget_copy(f->stage->desktop);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_true(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(has(f->exchange, DESKTOP));
	assert_false(has(f->exchange, DESKTOP ".part"));
	resume(f);
}

/* It may be the better one. */
static void
test_desktop_move__a_copy_of_one_that_is_not_whole_stays(void **state)
{
	struct fixture *f = *state;
	g_autofree char *pages =
		g_build_filename(f->stage->lib, "desktops", DESKTOP, "suspended.pages", NULL);

	start_twofold(f);
	assert_int_equal(g_unlink(pages), 0);
	desktop_forget_copy(f->stage->desktop);
	assert_true(move_clear_drop(f->clear, DESKTOP));
	assert_true(has(f->exchange, DESKTOP "/suspended.json"));
}

/* The folder's server is down, and hostd has begun anew: what is suspended goes on, and goes. */
static void
test_desktop_move__nothing_but_a_move_waits_for_a_folder_that_hangs(void **state)
{
	struct fixture *f = *state;

	start_twofold(f);
	fake_exchange_set_down(TRUE);
	desktop_forget_copy(f->stage->desktop);
	assert_false(move_clear_drop(f->clear, DESKTOP));
	desktop_export(f->stage->desktop);
	assert_true(is_in(f, DESKTOP_STATE_SUSPENDED));
	resume(f);
	desktop_give_up(f->stage->desktop, "its user has logged off");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_true(has(f->exchange, DESKTOP));
	fake_exchange_set_down(FALSE);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(has(f->exchange, DESKTOP));
}

/* What was about to be removed is not what the move puts there. */
static void
test_desktop_move__goes_when_the_folder_answers_again(void **state)
{
	struct fixture *f = *state;

	start_twofold(f);
	fake_exchange_set_down(TRUE);
	desktop_forget_copy(f->stage->desktop);
	desktop_export(f->stage->desktop);
	assert_true(is_in(f, DESKTOP_STATE_SUSPENDED));
	fake_exchange_set_down(FALSE);
	WAIT_FOR((desktop_export(f->stage->desktop), is_in(f, DESKTOP_STATE_EXPORTED)));
	assert_true(has(f->exchange, DESKTOP "/overlay.qcow2"));
	assert_string_equal(f->stage->events->str, "exported ");
}

/* It was not mounted when hostd began: later, when the user logs off, it is. */
static void
test_desktop_move__a_copy_that_could_not_be_removed_is_not_forgotten(void **state)
{
	struct fixture *f = *state;

	start_twofold(f);
	assert_int_equal(g_chmod(f->exchange, 0720), 0);
	desktop_forget_copy(f->stage->desktop);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_int_equal(g_chmod(f->exchange, 0700), 0);
	/* that is tried again after a while */
	desktop_forget_copy(f->stage->desktop);
	assert_true(move_clear_drop(f->clear, DESKTOP));
	assert_true(has(f->exchange, DESKTOP));
	desktop_give_up(f->stage->desktop, "its user has logged off");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(has(f->exchange, DESKTOP));
}

/* A folder in it that is nobody's business keeps it there, as a server that fails would. */
static void
test_desktop_move__a_copy_that_stayed_when_it_came_goes_later(void **state)
{
	struct fixture *f = *state;
	g_autofree char *strange = g_build_filename(f->exchange, DESKTOP, "strange", NULL);

	start_exported(f);
	assert_int_equal(g_mkdir(strange, 0700), 0);
	begin(f, &f->other, GENERATION);
	arrive(f);
	WAIT_FOR(is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(has(f->exchange, DESKTOP));
	assert_int_equal(g_rmdir(strange), 0);
	desktop_forget_copy(f->stage->desktop);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(has(f->exchange, DESKTOP));
}

/* Its pool has shrunk before it was forked here, mostly: it has gone, and what may lie there of it goes when it can. */
static void
test_desktop_move__an_unknown_one_does_not_wait_for_a_folder_that_hangs(void **state)
{
	struct fixture *f = *state;

	start_exported(f);
	begin(f, &f->other, GENERATION);
	fake_exchange_set_down(TRUE);
	desktop_give_up(f->stage->desktop, "the broker wants it gone");
	SERVE_UNTIL(f->stage, is_in(f, DESKTOP_STATE_GONE));
	assert_true(has(f->exchange, DESKTOP));
	fake_exchange_set_down(FALSE);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(has(f->exchange, DESKTOP));
}

/* It was about to be forgotten when its user logged off: nobody tries that again. */
static void
test_desktop_move__a_copy_that_stays_when_it_has_gone_is_told(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->root, "told", NULL);
	g_autofree char *told = NULL;
	int kept = dup(STDERR_FILENO);
	int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(kept >= 0 && file >= 0);
	start_twofold(f);
	fake_exchange_set_down(TRUE);
	desktop_forget_copy(f->stage->desktop);
	desktop_give_up(f->stage->desktop, "its user has logged off");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_int_equal(g_chmod(f->exchange, 0720), 0);
	dup2(file, STDERR_FILENO);
	fake_exchange_set_down(FALSE);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(file);
	assert_true(has(f->exchange, DESKTOP));
	assert_true(g_file_get_contents(path, &told, NULL, NULL));
	print_message("%s", told);
	assert_non_null(strstr(told, "is not removed"));
	assert_non_null(strstr(told, "remove it there"));
	assert_null(strstr(told, "tried again"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_desktop_move__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_user_finds_it_on_the_other_host),
		TEST(one_that_was_exported_stays_so),
		TEST(one_that_is_nowhere_is_not_given_up),
		TEST(another_version_is_refused_and_it_goes_back),
		TEST(another_generation_is_refused),
		TEST(a_network_does_not_come_with_it),
		TEST(what_is_not_whole_is_refused),
		TEST(another_origin_is_refused),
		TEST(the_only_one_is_kept_however_it_is),
		TEST(one_that_cannot_go_stays_suspended),
		TEST(one_whose_machine_lives_goes_when_that_has_ended),
		TEST(one_that_runs_does_not_go),
		TEST(one_that_has_run_does_not_go),
		TEST(is_given_up_on_its_way),
		TEST(is_given_up_with_its_copy),
		TEST(is_given_up_after_it_has_left),
		TEST(is_left_to_the_other_host),
		TEST(a_copy_goes_when_it_is_found_here),
		TEST(a_copy_of_one_that_is_not_whole_stays),
		TEST(nothing_but_a_move_waits_for_a_folder_that_hangs),
		TEST(goes_when_the_folder_answers_again),
		TEST(a_copy_that_could_not_be_removed_is_not_forgotten),
		TEST(a_copy_that_stayed_when_it_came_goes_later),
		TEST(an_unknown_one_does_not_wait_for_a_folder_that_hangs),
		TEST(a_copy_that_stays_when_it_has_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
