/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_launch_client.c - requests to carrel-launch
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/launch_client.h"
#include "tests/unit/fake_launch.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"

struct log {
	guint ups;
	guint downs;
	guint exits;
	int wait_status;
	guint answers;
	int code; /* of the last error; -1: none */
	char text[300];
	gsize n_fds;
	gsize n_records;
	guint32 vm_uid;
	gint32 pid;
};

struct fixture {
	struct fake_launch *launch;
	struct launch_client *client;
	struct log log;
};

static void
note_link(void *context, gboolean up)
{
	struct fixture *f = context;

	if (up)
		f->log.ups++;
	else
		f->log.downs++;
}

static void
note_exit(void *context, const struct launch_exited *exited)
{
	struct fixture *f = context;

	f->log.exits++;
	f->log.wait_status = exited->wait_status;
}

static const struct launch_client_events events = { note_link, note_exit };

static void
note_answer(void *data, const struct launch_answer *answer)
{
	struct fixture *f = data;

	f->log.answers++;
	f->log.code = answer->error ? answer->error->code : -1;
	g_strlcpy(f->log.text, answer->error ? answer->error->message : "", sizeof(f->log.text));
	f->log.n_fds = answer->n_fds;
	f->log.n_records = answer->n_records;
	f->log.vm_uid = answer->made ? answer->made->vm_uid : 0;
	f->log.pid = answer->spawned ? answer->spawned->pid : 0;
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->launch = fake_launch_new();
	f->client = launch_client_new(f->launch->path, &events, f);
	fake_launch_run_until(&f->log.ups, 1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	launch_client_free(f->client);
	fake_launch_free(f->launch);
	g_free(f);
	return 0;
}

static void
spawn(struct fixture *f)
{
	const char *const argv[] = { "--desktop", DESKTOP, NULL };
	const int target = 3;
	const int fd = STDERR_FILENO;
	const struct launch_client_spawn wish = { .name = DESKTOP,
						  .generation = 1,
						  .role = LAUNCH_ROLE_DISPLAY,
						  .argv = argv,
						  .fds = &fd,
						  .targets = &target,
						  .n_fds = 1 };

	launch_client_spawn(f->client, &wish, note_answer, f);
}

static void
test_launch_client__asks_and_hears(void **state)
{
	struct fixture *f = *state;

	launch_client_make_desktop(f->client, DESKTOP, 1, note_answer, f);
	assert_int_equal(f->log.answers, 0);
	fake_launch_run_until(&f->log.answers, 1);
	assert_int_equal(f->log.code, -1);
	assert_int_equal(f->log.n_fds, LAUNCH_SOCKET_COUNT);
	assert_int_equal(f->log.vm_uid, 70001);
	launch_client_list(f->client, note_answer, f);
	fake_launch_run_until(&f->log.answers, 2);
	assert_int_equal(f->log.n_records, 2);
	launch_client_commit_stage(f->client, "j-aaaaaaaaaaaaaaaaaaaa", "debian", 2, FALSE,
				   note_answer, f);
	launch_client_remove_stage(f->client, "j-aaaaaaaaaaaaaaaaaaaa", note_answer, f);
	launch_client_remove_desktop(f->client, DESKTOP, 1, note_answer, f);
	fake_launch_run_until(&f->log.answers, 5);
	assert_int_equal(f->log.code, -1);
	assert_string_equal(f->launch->commit.name, "debian");
	assert_int_equal(f->launch->commit.version, 2);
}

static void
test_launch_client__spawns_and_tells_the_end(void **state)
{
	struct fixture *f = *state;

	spawn(f);
	fake_launch_run_until(&f->log.answers, 1);
	assert_int_equal(f->log.pid, f->launch->child);
	assert_int_equal(f->log.n_fds, 1);
	assert_string_equal(f->launch->argv, "--desktop " DESKTOP);
	launch_client_kill(f->client, DESKTOP, LAUNCH_ROLE_DISPLAY, NULL, NULL);
	fake_launch_run_until(&f->log.exits, 1);
	assert_int_equal(WTERMSIG(f->log.wait_status), SIGKILL);
}

static void
test_launch_client__passes_a_refusal_on(void **state)
{
	struct fixture *f = *state;

	f->launch->refuse = -EEXIST;
	spawn(f);
	fake_launch_run_until(&f->log.answers, 1);
	assert_int_equal(f->log.code, G_IO_ERROR_EXISTS);
	assert_string_equal(f->log.text, "cannot start a process of '" DESKTOP "': no such luck");
}

static void
test_launch_client__fails_what_waits_and_comes_back(void **state)
{
	struct fixture *f = *state;

	f->launch->silent = TRUE;
	spawn(f);
	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 1);
	fake_launch_stop(f->launch);
	fake_launch_run_until(&f->log.downs, 1);
	assert_int_equal(f->log.answers, 1);
	assert_int_equal(f->log.code, G_IO_ERROR_NOT_CONNECTED);
	assert_false(launch_client_is_up(f->client));
	launch_client_list(f->client, note_answer, f);
	assert_int_equal(f->log.answers, 1);
	fake_launch_run_until(&f->log.answers, 2);
	assert_int_equal(f->log.code, G_IO_ERROR_NOT_CONNECTED);
	fake_launch_listen(f->launch);
	fake_launch_run_until(&f->log.ups, 2);
	launch_client_list(f->client, note_answer, f);
	fake_launch_run_until(&f->log.answers, 3);
	assert_int_equal(f->log.code, -1);
}

static void
test_launch_client__kills_a_process_that_nobody_waits_for(void **state)
{
	struct fixture *f = *state;

	f->launch->silent = TRUE;
	spawn(f);
	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 1);
	launch_client_forget(f->client, f);
	fake_launch_answer_kept(f->launch);
	fake_launch_run_until(&f->log.exits, 1);
	assert_int_equal(f->log.answers, 0);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 1);
}

static void
test_launch_client__drops_a_launch_that_answers_wrongly(void **state)
{
	struct fixture *f = *state;
	struct seq_header head = { .type = LAUNCH_LIST, .id = 0 };

	f->launch->silent = TRUE;
	spawn(f);
	fake_launch_run_until(&f->launch->count[LAUNCH_SPAWN], 1);
	head.id = f->launch->kept_id;
	assert_int_equal(seq_source_send(f->launch->client, &head, NULL, NULL, 0), 0);
	fake_launch_run_until(&f->log.downs, 1);
	assert_int_equal(f->log.code, G_IO_ERROR_NOT_CONNECTED);
	fake_launch_run_until(&f->log.ups, 2);
}

static void
test_launch_client__refuses_too_long_arguments_itself(void **state)
{
	struct fixture *f = *state;
	g_autofree char *longest = g_strnfill(LAUNCH_MAX_ARGV_BYTES, 'x');
	const char *const argv[] = { longest, NULL };
	const struct launch_client_spawn wish = { .name = DESKTOP, .argv = argv };

	launch_client_spawn(f->client, &wish, note_answer, f);
	fake_launch_run_until(&f->log.answers, 1);
	assert_int_equal(f->log.code, G_IO_ERROR_INVALID_ARGUMENT);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_launch_client__asks_and_hears, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_launch_client__spawns_and_tells_the_end, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_launch_client__passes_a_refusal_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_launch_client__fails_what_waits_and_comes_back,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_launch_client__kills_a_process_that_nobody_waits_for, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_launch_client__drops_a_launch_that_answers_wrongly, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_launch_client__refuses_too_long_arguments_itself, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
