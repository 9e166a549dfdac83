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
#include <glib/gstdio.h>
#include <string.h>

#include "host/desktop_move.h"
#include "tests/unit/move_stage.h"
#include "tests/unit/scratch.h"

static void
test_desktop_move__its_user_finds_it_on_the_other_host(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(move_stage_has(f->exchange, DESKTOP));
	assert_true(move_stage_has(f->lib, "desktops/" DESKTOP "/suspended.json"));
	move_stage_resume(f);
	assert_string_equal(f->stage->events->str, "exported arrived resumed ");
}

/* What its host is asked for when it has begun anew meanwhile. */
static void
test_desktop_move__one_that_was_exported_stays_so(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	move_stage_begin(f, &f->stage->host, GENERATION);
	desktop_export(f->stage->desktop);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	assert_true(move_stage_has(f->exchange, DESKTOP "/suspended.json"));
	assert_string_equal(f->stage->events->str, "exported exported ");
}

/* The exchange folder is not mounted, perhaps: nothing is lost by that. */
static void
test_desktop_move__one_that_is_nowhere_is_not_given_up(void **state)
{
	struct move_stage *f = *state;

	move_stage_begin(f, &f->stage->host, GENERATION);
	desktop_export(f->stage->desktop);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_EXPORTING));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "not known where it is"));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "see that this is mounted"));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "'carrel desktop stop'"));
	assert_string_equal(f->stage->events->str, "");
	desktop_give_up(f->stage->desktop, "an operator stopped it");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
}

static void
check_refused(struct move_stage *f, const char *word)
{
	const char *reason;

	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	reason = desktop_get_reason(f->stage->desktop);
	print_message("%s\n", reason);
	assert_non_null(strstr(reason, word));
	assert_non_null(strstr(reason, "is not taken from there"));
	/* which is told again without where it lies */
	assert_non_null(strstr(desktop_get_refusal(f->stage->desktop), word));
	assert_null(strstr(desktop_get_refusal(f->stage->desktop), "is not taken from there"));
	assert_string_equal(f->stage->events->str, "exported move_failed ");
	assert_true(move_stage_has(f->exchange, DESKTOP "/overlay.qcow2"));
	assert_false(move_stage_has(f->lib, "desktops/" DESKTOP "/origin.json"));
	assert_false(move_stage_has(f->lib, "desktops/" DESKTOP "/arriving"));
}

static void
test_desktop_move__another_version_is_refused_and_it_goes_back(void **state)
{
	struct move_stage *f = *state;
	json_t *file = json_array_get(json_object_get(f->stage->manifest->object, "files"), 0);

	move_stage_start_exported(f);
	json_object_set_new(file, "size", json_integer(2));
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	check_refused(f, "was sealed again");
	json_object_set_new(file, "size", json_integer(1));
	move_stage_begin(f, &f->stage->host, GENERATION);
	move_stage_arrive(f);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_null(desktop_get_refusal(f->stage->desktop));
	move_stage_resume(f);
}

static void
test_desktop_move__another_generation_is_refused(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	move_stage_begin(f, &f->other, GENERATION + 1);
	move_stage_arrive(f);
	check_refused(f, "another generation");
	/* it is told once, and tried no more by itself */
	desktop_refuse_move(f->stage->desktop, "again");
	assert_string_equal(f->stage->events->str, "exported move_failed ");
}

/* Its pool gives it none, whatever the folder says. */
static void
test_desktop_move__a_network_does_not_come_with_it(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	scratch_put(f->exchange, DESKTOP "/network", "passt");
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	check_refused(f, "network");
}

/* A guest that runs when hostd is killed leaves such files, which are out of date. */
static void
test_desktop_move__what_is_not_whole_is_refused(void **state)
{
	struct move_stage *f = *state;
	g_autofree char *path = g_build_filename(f->exchange, DESKTOP, "suspended.json", NULL);
	json_t *mark;

	move_stage_start_exported(f);
	mark = json_load_file(path, 0, NULL);
	assert_string_equal(json_get_text(mark, "phase", ""), "whole");
	json_object_set_new(mark, "phase", json_string("ending"));
	assert_int_equal(json_dump_file(mark, path, 0), 0);
	json_decref(mark);
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	check_refused(f, "is not whole");
}

/* By that it would be suspended the next time, as a fork of who knows what. */
static void
test_desktop_move__another_origin_is_refused(void **state)
{
	struct move_stage *f = *state;
	g_autofree char *path = g_build_filename(f->exchange, DESKTOP, "origin.json", NULL);
	json_t *origin;

	move_stage_start_exported(f);
	origin = json_load_file(path, 0, NULL);
	json_object_set_new(origin, "genid", json_string("00000000000000000000000000000000"));
	assert_int_equal(json_dump_file(origin, path, 0), 0);
	json_decref(origin);
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	check_refused(f, "origin.json");
}

/* A disk that fails has left this of it, and there is no other: whoever can save something of it finds it suspended. */
static void
test_desktop_move__the_only_one_is_kept_however_it_is(void **state)
{
	struct move_stage *f = *state;
	g_autofree char *pages =
		g_build_filename(f->stage->lib, "desktops", DESKTOP, "suspended.pages", NULL);

	move_stage_start_suspended(f);
	move_stage_begin(f, &f->stage->host, GENERATION);
	assert_int_equal(g_unlink(pages), 0);
	move_stage_arrive(f);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	print_message("%s\n", desktop_get_reason(f->stage->desktop));
	assert_non_null(strstr(desktop_get_reason(f->stage->desktop), "suspended.pages"));
	assert_string_equal(f->stage->events->str, "arrived ");
}

static void
test_desktop_move__one_that_cannot_go_stays_suspended(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_suspended(f);
	f->stage->launch->refuse = -EIO;
	desktop_export(f->stage->desktop);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	f->stage->launch->refuse = 0;
	assert_string_equal(f->stage->events->str, "move_failed ");
	assert_string_equal(desktop_get_reason(f->stage->desktop), "");
	desktop_export(f->stage->desktop);
	assert_true(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	desktop_keep_here(f->stage->desktop);
	assert_int_equal(g_rmdir(f->exchange), 0);
	desktop_export(f->stage->desktop);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_string_equal(f->stage->events->str, "move_failed move_failed ");
	move_stage_resume(f);
}

static guint n_changes; /* of its state, as hostd would report them */

static void
note_changed(void *context, struct desktop *desktop)
{
	(void)context, (void)desktop;
	n_changes++;
}

/* A process that could not be ended in time may still write to its files. */
static void
test_desktop_move__one_whose_machine_lives_goes_when_that_has_ended(void **state)
{
	static const char *const argv[] = { "--desktop", DESKTOP, NULL };
	const struct launch_client_spawn wish = {
		.name = DESKTOP, .generation = GENERATION, .role = LAUNCH_ROLE_VMM, .argv = argv
	};
	struct move_stage *f = *state;
	guint kills;

	move_stage_start_suspended(f);
	WAIT_FOR(f->stage->launch->child == 0);
	launch_client_spawn(f->stage->client, &wish, NULL, NULL);
	WAIT_FOR(f->stage->launch->child > 0);
	kills = f->stage->launch->count[LAUNCH_KILL];
	n_changes = 0;
	f->stage->host.changed = note_changed;
	desktop_export(f->stage->desktop);
	assert_true(desktop_is_moving(f->stage->desktop));
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	/* which is told again and again while it lasts */
	assert_int_equal(n_changes, 0);
	assert_false(move_stage_has(f->exchange, DESKTOP));
	assert_string_equal(f->stage->events->str, "");
	WAIT_FOR(f->stage->launch->count[LAUNCH_KILL] > kills && f->stage->launch->child == 0);
	WAIT_FOR((desktop_export(f->stage->desktop), move_stage_is_in(f, DESKTOP_STATE_EXPORTED)));
}

static void
test_desktop_move__one_that_runs_does_not_go(void **state)
{
	struct move_stage *f = *state;

	desktop_stage_fork(f->stage);
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_READY));
	desktop_export(f->stage->desktop);
	assert_true(move_stage_is_in(f, DESKTOP_STATE_READY));
	assert_non_null(strstr(f->stage->events->str, "move_failed "));
}

/* Its guest has run in the end, when it was resumed: its files are not those that were suspended. */
static void
test_desktop_move__one_that_has_run_does_not_go(void **state)
{
	struct move_stage *f = *state;
	struct desktop_stage *stage = f->stage;
	struct engine_template source = { stage->manifest, stage->folder, "user",
					  stage->memory,   NULL,	  FALSE };
	g_autofree char *overlay =
		g_build_filename(stage->lib, "desktops", DESKTOP, "overlay.qcow2", NULL);

	move_stage_start_suspended(f);
	stage->qemu->fault = FAKE_QEMU_REFUSES;
	stage->qemu->command = "cont";
	desktop_resume(stage->desktop, &source);
	SERVE_UNTIL(stage, move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	fake_qemu_die(stage->qemu);
	assert_true(g_file_set_contents(overlay, "written", -1, NULL));
	desktop_export(stage->desktop);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_non_null(strstr(stage->events->str, "move_failed "));
	assert_false(move_stage_has(f->exchange, DESKTOP));
}

static void
test_desktop_move__is_given_up_on_its_way(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_suspended(f);
	desktop_export(f->stage->desktop);
	desktop_retire(f->stage->desktop, "not now");
	assert_true(desktop_stage_is_in(f->stage, DESKTOP_STATE_SUSPENDED));
	WAIT_FOR(desktop_stage_is_in(f->stage, DESKTOP_STATE_EXPORTING));
	desktop_give_up(f->stage->desktop, "an operator stopped it");
	assert_true(desktop_stage_is_in(f->stage, DESKTOP_STATE_EXPORTING));
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_false(move_stage_has(f->exchange, DESKTOP));
	assert_false(move_stage_has(f->stage->lib, "desktops/" DESKTOP));
}

/* It goes to another host: what is not wanted any more is not what lies there. */
static void
test_desktop_move__is_left_to_the_other_host(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	desktop_retire(f->stage->desktop, "the broker does not want it");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_true(move_stage_has(f->exchange, DESKTOP "/suspended.json"));
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
}

#define TEST(name)                                                                   \
	cmocka_unit_test_setup_teardown(test_desktop_move__##name, move_stage_setup, \
					move_stage_teardown)

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
		TEST(is_left_to_the_other_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
