/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_fd_watch.c - what is wanted is reported, and nothing else
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/fd_watch.h"

struct seen {
	struct fd_watch *watch;
	guint reads;
	guint writes;
	gboolean free_at_once;
};

static void
note(int fd, gboolean readable, gboolean writable, void *context)
{
	struct seen *seen = context;
	char byte;

	if (readable && recv(fd, &byte, 1, MSG_DONTWAIT) == 0)
		fd_watch_set(seen->watch, 0);
	seen->reads += readable;
	seen->writes += writable;
	if (seen->free_at_once)
		fd_watch_free(g_steal_pointer(&seen->watch));
}

static void
run_all(void)
{
	for (int i = 0; i < 20; i++)
		g_main_context_iteration(NULL, FALSE);
}

static void
test_fd_watch__reports_what_is_wanted(void **state)
{
	struct seen seen = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	seen.watch = fd_watch_new(pair[0], 0, note, &seen);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	run_all();
	assert_int_equal(seen.reads + seen.writes, 0);
	fd_watch_set(seen.watch, G_IO_IN);
	run_all();
	assert_int_equal(seen.reads, 1);
	assert_int_equal(seen.writes, 0);
	fd_watch_set(seen.watch, G_IO_OUT);
	run_all();
	assert_in_range(seen.writes, 1, 20);
	fd_watch_set(seen.watch, 0);
	seen.writes = 0;
	close(pair[1]); /* a hang-up that nobody waits for */
	run_all();
	assert_int_equal(seen.reads + seen.writes, 1);
	fd_watch_set(seen.watch, G_IO_IN);
	run_all();
	assert_int_equal(seen.reads, 2); /* once: it was unset at the end of the stream */
	fd_watch_free(seen.watch);
	close(pair[0]);
}

static void
test_fd_watch__may_be_freed_by_its_callback(void **state)
{
	struct seen seen = { .free_at_once = TRUE };
	int pair[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	seen.watch = fd_watch_new(pair[0], G_IO_OUT, note, &seen);
	run_all();
	assert_int_equal(seen.writes, 1);
	assert_null(seen.watch);
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd_watch__reports_what_is_wanted),
		cmocka_unit_test(test_fd_watch__may_be_freed_by_its_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
