/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_engine_qemu.c - engine qemu's operations with a QEMU that does not start, refuses, goes silent or dies
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "tests/unit/fake_qemu.h"
#include "tests/unit/wait_for.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"

static const char *const template_files[] = { "disk.img", "kernel", "initrd", "qemu/user/state" };

struct outcome {
	guint times;
	GError *error;
	int fd;
};

struct fixture {
	struct fake_qemu *qemu;
	char *folder; /* of the template */
	char *overlay;
	struct manifest *manifest;
	int memory;
	struct engine_vm *vm;
	guint events[ENGINE_EVENT_COUNT];
	gboolean lacks_space; /* the last ENGINE_EVENT_STOPPED */
	guint fds;
};

static void
note_event(void *context, enum engine_event event, gint64 value)
{
	struct fixture *f = context;

	f->events[event]++;
	if (event == ENGINE_EVENT_STOPPED)
		f->lacks_space = value != 0;
}

static void
note_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct outcome *outcome = data;

	(void)source;
	outcome->times++;
	steps_finish(result, &outcome->error);
	outcome->fd = steps_take_fd(result);
}

static void
outcome_clear(struct outcome *outcome)
{
	g_clear_error(&outcome->error);
	if (outcome->fd > 0)
		close(outcome->fd);
	memset(outcome, 0, sizeof(*outcome));
}

#define SERVE_UNTIL(f, condition) WAIT_FOR((fake_qemu_serve((f)->qemu), (condition)))

static void
make_template(struct fixture *f)
{
	g_autofree char *state = NULL;
	char block[512] = "";

	f->folder = g_dir_make_tmp("test-engine-XXXXXX", NULL);
	f->overlay = g_build_filename(f->folder, "overlay.qcow2", NULL);
	state = g_build_filename(f->folder, "qemu", "user", NULL);
	assert_int_equal(g_mkdir_with_parents(state, 0700), 0);
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->folder, template_files[i], NULL);

		assert_true(g_file_set_contents(path, block, sizeof(block), NULL));
	}
	f->manifest = manifest_parse(fake_qemu_manifest, strlen(fake_qemu_manifest), NULL);
	assert_non_null(f->manifest);
	f->memory = memfd_create("test", MFD_CLOEXEC);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->fds = fake_peer_count_fds();
	f->qemu = fake_qemu_new();
	make_template(f);
	f->vm = engine_qemu_ops.vm_new(DESKTOP, 1, &f->qemu->place, note_event, f);
	*state = f;
	return 0;
}

static void
remove_template(struct fixture *f)
{
	static const char *const folders[] = { "qemu/user", "qemu", "" };

	g_unlink(f->overlay);
	for (gsize i = 0; i < G_N_ELEMENTS(template_files); i++) {
		g_autofree char *path = g_build_filename(f->folder, template_files[i], NULL);

		g_unlink(path);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(f->folder, folders[i], NULL);

		assert_int_equal(g_rmdir(path), 0);
	}
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	engine_qemu_ops.vm_free(f->vm);
	fake_qemu_free(f->qemu);
	remove_template(f);
	manifest_free(f->manifest);
	close(f->memory);
	fake_peer_settle();
	assert_int_equal(fake_peer_count_fds(), f->fds);
	g_free(f->overlay);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
start_fork(struct fixture *f, GCancellable *cancellable, struct outcome *outcome)
{
	int root = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct engine_template source = { f->manifest, root, "user", f->memory, NULL, FALSE };
	struct steps_call call = { cancellable, note_end, outcome };

	engine_qemu_ops.fork(f->vm, &source, f->overlay, &call);
	close(root);
}

static void
run_fork(struct fixture *f)
{
	struct outcome outcome = { 0 };

	start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times == 1 && f->events[ENGINE_EVENT_RUNNING] == 1);
	assert_null(outcome.error);
	outcome_clear(&outcome);
}

/* A simple operation from its start to its end. */
static void
run_simple(struct fixture *f, void (*operation)(struct engine_vm *, const struct steps_call *),
	   struct outcome *outcome)
{
	struct steps_call call = { NULL, note_end, outcome };

	operation(f->vm, &call);
	SERVE_UNTIL(f, outcome->times > 0);
}

/* Whatever went wrong: the end of what is left is told, once. */
static void
die_and_check(struct fixture *f)
{
	gboolean ran = f->qemu->spawns > 0 && f->qemu->fault != FAKE_QEMU_NO_SPAWN;

	fake_qemu_die(f->qemu);
	WAIT_FOR(!ran || f->events[ENGINE_EVENT_GONE] > 0);
	fake_peer_settle();
	assert_int_equal(f->events[ENGINE_EVENT_GONE], ran ? 1 : 0);
}

static const struct {
	enum fake_qemu_fault fault;
	const char *command;
	const char *step; /* the error begins with it */
	const char *reason;
} fork_faults[] = {
	{ FAKE_QEMU_NO_SPAWN, NULL, "start the process: ", "no such program" },
	{ FAKE_QEMU_DIES, NULL, "connect to it: ", "log says why" },
	{ FAKE_QEMU_NONSENSE, NULL, "connect to it: ", "log says why" },
	{ FAKE_QEMU_REFUSES, "qmp_capabilities", "connect to it: ", "log says why" },
	{ FAKE_QEMU_DIES, "qmp_capabilities", "connect to it: ", "log says why" },
	{ FAKE_QEMU_REFUSES, "migrate-set-capabilities", "connect to it: ", "not today" },
	{ FAKE_QEMU_OTHER, "query-version", "compare its version: ", "here it is" },
	{ FAKE_QEMU_OTHER, "query-cpu-model-expansion", "compare its CPU: ", "here it is" },
	{ FAKE_QEMU_DIES, "migrate-set-capabilities", "connect to it: ", "log says why" },
	{ FAKE_QEMU_REFUSES, "getfd", "hand over the state: ", "not today" },
	{ FAKE_QEMU_NONSENSE, "getfd", "hand over the state: ", "log says why" },
	{ FAKE_QEMU_DIES, "getfd", "hand over the state: ", "log says why" },
	{ FAKE_QEMU_REFUSES, "migrate-incoming", "load the state: ", "not today" },
	{ FAKE_QEMU_FAILS, "migrate-incoming", "load the state: ", "log says why" },
	{ FAKE_QEMU_DIES, "migrate-incoming", "load the state: ", "log says why" },
	{ FAKE_QEMU_NONSENSE, "migrate-incoming", "load the state: ", "log says why" },
	{ FAKE_QEMU_REFUSES, "cont", "run: ", "not today" },
	{ FAKE_QEMU_DIES, "cont", "run: ", "log says why" },
};

static void
test_engine_qemu__a_fork_that_fails_gives_one_error(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(fork_faults); i++) {
		struct outcome outcome = { 0 };
		void *state = NULL;
		struct fixture *f;

		setup(&state);
		f = state;
		f->qemu->fault = fork_faults[i].fault;
		f->qemu->command = fork_faults[i].command;
		start_fork(f, NULL, &outcome);
		SERVE_UNTIL(f, outcome.times > 0);
		assert_non_null(outcome.error);
		print_message("%s\n", outcome.error->message);
		assert_true(g_str_has_prefix(outcome.error->message, fork_faults[i].step));
		assert_non_null(strstr(outcome.error->message, fork_faults[i].reason));
		die_and_check(f);
		assert_int_equal(outcome.times, 1);
		outcome_clear(&outcome);
		teardown(&state);
	}
}

static void
test_engine_qemu__forks(void **state)
{
	struct fixture *f = *state;

	run_fork(f);
	assert_string_equal(f->qemu->commands->str,
			    "qmp_capabilities migrate-set-capabilities query-version "
			    "query-cpu-model-expansion getfd migrate-incoming cont ");
	assert_int_equal(f->qemu->peer.n_fds, 1); /* the state's file */
	die_and_check(f);
}

static void
test_engine_qemu__a_second_fork_says_that_it_is_done(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_fork(f);
	start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	assert_int_equal(f->qemu->spawns, 1);
	outcome_clear(&outcome);
	die_and_check(f);
}

static void
test_engine_qemu__names_what_a_fork_lacks(void **state)
{
	struct fixture *f = *state;
	g_autofree char *kernel = g_build_filename(f->folder, "kernel", NULL);
	struct outcome outcome = { 0 };

	/* An overlay that exists belongs to somebody. */
	assert_true(g_file_set_contents(f->overlay, "x", 1, NULL));
	start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_non_null(strstr(outcome.error->message, f->overlay));
	outcome_clear(&outcome);
	g_unlink(f->overlay);
	g_unlink(kernel);
	start_fork(f, NULL, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_non_null(strstr(outcome.error->message, "publish it again"));
	outcome_clear(&outcome);
	assert_int_equal(f->qemu->spawns, 0);
	die_and_check(f);
}

static void
test_engine_qemu__a_fork_can_be_cancelled(void **state)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	f->qemu->fault = FAKE_QEMU_SILENT;
	f->qemu->command = "migrate-incoming";
	start_fork(f, cancellable, &outcome);
	SERVE_UNTIL(f, strstr(f->qemu->commands->str, "migrate-incoming"));
	g_cancellable_cancel(cancellable);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_true(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	die_and_check(f);
	assert_int_equal(outcome.times, 1);
	outcome_clear(&outcome);
}

/* The spawner answers after the fork was given up: nobody owns that process, so it must end. */
static void
test_engine_qemu__a_process_that_comes_too_late_is_killed(void **state)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	f->qemu->hold_spawn = TRUE;
	start_fork(f, cancellable, &outcome);
	g_cancellable_cancel(cancellable);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_true(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	outcome_clear(&outcome);
	fake_qemu_release(f->qemu);
	assert_true(fake_qemu_ends(f->qemu));
	assert_int_equal(f->events[ENGINE_EVENT_GONE], 0);
}

static void
test_engine_qemu__death_in_use_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct outcome waiting = { 0 };
	struct outcome after = { 0 };
	struct steps_call call = { NULL, note_end, &waiting };

	run_fork(f);
	f->qemu->fault = FAKE_QEMU_SILENT;
	f->qemu->command = "system_powerdown";
	engine_qemu_ops.powerdown(f->vm, &call);
	SERVE_UNTIL(f, strstr(f->qemu->commands->str, "system_powerdown"));
	fake_qemu_die(f->qemu);
	SERVE_UNTIL(f, waiting.times == 1 && f->events[ENGINE_EVENT_GONE] == 1);
	assert_true(g_error_matches(waiting.error, G_IO_ERROR, G_IO_ERROR_CLOSED));
	run_simple(f, engine_qemu_ops.powerdown, &after);
	assert_string_equal(after.error->message, "system_powerdown: the machine does not run");
	die_and_check(f);
	assert_int_equal(waiting.times, 1);
	outcome_clear(&waiting);
	outcome_clear(&after);
}

/* QMP alone is lost: the process lives, and only the pidfd may say otherwise. */
static void
test_engine_qemu__a_lost_connection_is_no_death(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_fork(f);
	fake_peer_done(&f->qemu->peer);
	do {
		outcome_clear(&outcome);
		run_simple(f, engine_qemu_ops.powerdown, &outcome);
	} while (!strstr(outcome.error->message, "does not run"));
	assert_int_equal(f->events[ENGINE_EVENT_GONE], 0);
	outcome_clear(&outcome);
	die_and_check(f);
}

static void
test_engine_qemu__display_hands_out_one_end(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	run_fork(f);
	run_simple(f, engine_qemu_ops.display_source, &outcome);
	assert_null(outcome.error);
	assert_true(outcome.fd > 0);
	assert_int_equal(f->qemu->peer.n_fds, 2);
	outcome_clear(&outcome);
	/* Refused: no descriptor is left over (teardown counts them). */
	f->qemu->fault = FAKE_QEMU_REFUSES;
	f->qemu->command = "add_client";
	run_simple(f, engine_qemu_ops.display_source, &outcome);
	assert_string_equal(outcome.error->message, "attach the display: QEMU refused: not today");
	outcome_clear(&outcome);
	die_and_check(f);
}

static void
test_engine_qemu__link_needs_a_network_process(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };
	struct steps_call call = { NULL, note_end, &outcome };
	int ends[2];

	run_fork(f);
	engine_qemu_ops.set_link(f->vm, TRUE, -1, &call);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_true(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED));
	outcome_clear(&outcome);
	g_string_truncate(f->qemu->commands, 0);
	assert_int_equal(io_socketpair(SOCK_STREAM, ends), 0);
	engine_qemu_ops.set_link(f->vm, TRUE, ends[0], &call);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	assert_string_equal(f->qemu->commands->str,
			    "set_link netdev_del netdev_del getfd netdev_add netdev_add set_link ");
	outcome_clear(&outcome);
	close(ends[0]);
	close(ends[1]);
	die_and_check(f);
}

static void
start_adopt(struct fixture *f, struct outcome *outcome)
{
	struct steps_call call = { NULL, note_end, outcome };
	pid_t pid = fork();
	int pidfd;

	if (pid == 0)
		for (;;)
			pause();
	f->qemu->child = pid;
	f->qemu->spawns = 1;
	assert_int_equal(io_pidfd_open(pid, &pidfd), 0);
	if (f->qemu->fault == FAKE_QEMU_DIES && !f->qemu->command)
		fake_qemu_die(f->qemu);
	engine_qemu_ops.adopt(f->vm, pidfd, &call);
}

static void
test_engine_qemu__adopts_what_runs(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	start_adopt(f, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	outcome_clear(&outcome);
	die_and_check(f);
}

static void
test_engine_qemu__adopting_a_dead_one_fails(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	f->qemu->fault = FAKE_QEMU_DIES;
	start_adopt(f, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_non_null(strstr(outcome.error->message, "log says why"));
	outcome_clear(&outcome);
	die_and_check(f);
}

static void
test_engine_qemu__a_seal_ends_when_the_disk_is_full(void **state)
{
	static const char bad_sector[] = "{\"event\": \"BLOCK_IO_ERROR\", \"data\": {\"action\": "
					 "\"stop\", \"nospace\": false}}\r\n";
	struct fixture *f = *state;
	const struct engine_seal request = { .folder = f->folder,
					     .kind = "user",
					     .accelerator = "tcg",
					     .cpus = 1,
					     .ram_mib = 16,
					     .command_line = "quiet" };
	struct outcome outcome = { 0 };
	const struct steps_call call = { NULL, note_end, &outcome };

	f->vm->ops->seal(f->vm, &request, &call);
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_RUNNING] == 1);
	fake_peer_say(&f->qemu->peer, bad_sector);
	fake_peer_say(&f->qemu->peer, "{\"event\": \"STOP\"}\r\n");
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_STOPPED] == 1);
	assert_int_equal(outcome.times, 0);
	fake_peer_say(&f->qemu->peer, FAKE_QEMU_STANDS);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_true(g_error_matches(outcome.error, G_IO_ERROR, G_IO_ERROR_NO_SPACE));
	assert_string_equal(outcome.error->message,
			    "boot until the agent answers: the guest's disk cannot grow: "
			    "No space left on device");
	outcome_clear(&outcome);
}

/* Its machine tries again and again, until the guest has run for a while. */
static void
expect_to_go_on(struct fixture *f)
{
	guint running = f->events[ENGINE_EVENT_RUNNING];
	guint stopped = f->events[ENGINE_EVENT_STOPPED];

	assert_true(f->lacks_space);
	f->qemu->full = TRUE;
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_STOPPED] == stopped + 1);
	assert_true(f->lacks_space);
	f->qemu->full = FALSE;
	g_string_truncate(f->qemu->commands, 0);
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_RUNNING] > running);
	assert_string_equal(f->qemu->commands->str, "cont ");
	assert_int_equal(f->events[ENGINE_EVENT_RUNNING], running + 1);
	assert_int_equal(f->events[ENGINE_EVENT_STOPPED], stopped + 1);
}

static void
test_engine_qemu__a_full_disk_is_told_until_there_is_room(void **state)
{
	struct fixture *f = *state;

	run_fork(f);
	fake_peer_say(&f->qemu->peer, "{\"event\": \"STOP\"}\r\n");
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_STOPPED] == 1);
	assert_false(f->lacks_space);
	fake_peer_say(&f->qemu->peer, FAKE_QEMU_STANDS);
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_STOPPED] == 2);
	expect_to_go_on(f);
	die_and_check(f);
}

/* Nobody looks while there is no hostd. */
static void
test_engine_qemu__an_adopted_one_that_lacks_room_goes_on(void **state)
{
	struct fixture *f = *state;
	struct outcome outcome = { 0 };

	f->qemu->full = TRUE;
	start_adopt(f, &outcome);
	SERVE_UNTIL(f, outcome.times == 1);
	assert_null(outcome.error);
	outcome_clear(&outcome);
	assert_int_equal(f->events[ENGINE_EVENT_STOPPED], 1);
	expect_to_go_on(f);
	die_and_check(f);
}

static void
test_engine_qemu__a_lost_connection_ends_the_wait_for_room(void **state)
{
	struct fixture *f = *state;

	run_fork(f);
	fake_peer_say(&f->qemu->peer, FAKE_QEMU_STANDS);
	SERVE_UNTIL(f, f->events[ENGINE_EVENT_STOPPED] == 1);
	assert_non_null(g_main_context_find_source_by_user_data(NULL, f->vm));
	die_and_check(f);
	assert_null(g_main_context_find_source_by_user_data(NULL, f->vm));
	assert_int_equal(f->events[ENGINE_EVENT_RUNNING], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_engine_qemu__##name, setup, teardown)
		cmocka_unit_test(test_engine_qemu__a_fork_that_fails_gives_one_error),
		TEST(forks),
		TEST(a_second_fork_says_that_it_is_done),
		TEST(names_what_a_fork_lacks),
		TEST(a_fork_can_be_cancelled),
		TEST(a_process_that_comes_too_late_is_killed),
		TEST(death_in_use_is_told_once),
		TEST(a_lost_connection_is_no_death),
		TEST(display_hands_out_one_end),
		TEST(link_needs_a_network_process),
		TEST(a_seal_ends_when_the_disk_is_full),
		TEST(a_full_disk_is_told_until_there_is_room),
		TEST(an_adopted_one_that_lacks_room_goes_on),
		TEST(a_lost_connection_ends_the_wait_for_room),
		TEST(adopts_what_runs),
		TEST(adopting_a_dead_one_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
