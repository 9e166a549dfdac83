/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_process_watch.c - a watch hears of its process' end once, and takes no other process for its own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "host/process_watch.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

struct fixture {
	struct process_watch watch;
	guint ends;
	pid_t child;
	guint fds;
};

static void
note_end(void *context)
{
	struct fixture *f = context;

	assert_false(process_watch_is_on(&f->watch));
	f->ends++;
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->fds = fake_peer_count_fds();
	process_watch_init(&f->watch, note_end, f);
	f->child = fork();
	if (f->child == 0)
		for (;;)
			pause();
	*state = f;
	return 0;
}

static void
end_child(struct fixture *f)
{
	if (f->child > 0) {
		kill(f->child, SIGKILL);
		waitpid(f->child, NULL, 0);
	}
	f->child = 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	process_watch_stop(&f->watch);
	end_child(f);
	assert_int_equal(fake_peer_count_fds(), f->fds);
	g_free(f);
	return 0;
}

static struct launch_process
describe_child(const struct fixture *f)
{
	struct launch_process process = { .pid = f->child };
	guint64 start_ticks;

	assert_int_equal(io_process_start(f->child, &start_ticks), 0);
	process.start_ticks = start_ticks;
	return process;
}

static void
test_process_watch__tells_the_end_once(void **state)
{
	struct fixture *f = *state;
	struct launch_process process = describe_child(f);

	process_watch_begin(&f->watch, process_watch_open(&process));
	fake_peer_settle();
	assert_int_equal(f->ends, 0);
	assert_true(process_watch_is_on(&f->watch));
	kill(f->child, SIGKILL);
	WAIT_FOR(f->ends == 1);
	fake_peer_settle();
	assert_int_equal(f->ends, 1);
}

static void
test_process_watch__that_has_stopped_tells_nothing(void **state)
{
	struct fixture *f = *state;
	struct launch_process process = describe_child(f);

	process_watch_begin(&f->watch, process_watch_open(&process));
	process_watch_stop(&f->watch);
	assert_int_equal(kill(f->child, 0), 0);
	end_child(f);
	fake_peer_settle();
	assert_int_equal(f->ends, 0);
}

static void
test_process_watch__opens_only_the_process_of_the_record(void **state)
{
	struct fixture *f = *state;
	struct launch_process process = describe_child(f);
	struct launch_process younger = process;
	struct launch_process none = { 0 };
	int fd = process_watch_open(&process);

	assert_true(fd >= 0);
	close(fd);
	younger.start_ticks++;
	assert_int_equal(process_watch_open(&younger), -1);
	assert_int_equal(process_watch_open(&none), -1);
	end_child(f);
	assert_int_equal(process_watch_open(&process), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_process_watch__tells_the_end_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_process_watch__that_has_stopped_tells_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_process_watch__opens_only_the_process_of_the_record, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
