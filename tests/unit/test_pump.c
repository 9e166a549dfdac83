/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pump.c - bytes from one stream to another
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/pump.h"
#include "tests/unit/wait_for.h"

struct ends {
	GIOStream *in;	/* the pump reads here */
	GIOStream *out; /* and writes there */
	int source;
	int target;
	struct pump *pump;
	guint ended;
	guint measured;
};

static GIOStream *
wrap(int fd)
{
	g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, NULL);

	return G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
}

/* Three bytes at a time. */
static gsize
measure(void *context, const uint8_t *data, gsize size)
{
	struct ends *ends = context;

	assert_non_null(data);
	ends->measured++;
	return MIN(size, 3);
}

static void
note_end(void *context)
{
	((struct ends *)context)->ended++;
}

static const struct pump_events plain = { .ended = note_end };
static const struct pump_events measured = { .measure = measure, .ended = note_end };

static void
ends_open(struct ends *ends, const struct pump_events *events)
{
	int a[2], b[2];

	memset(ends, 0, sizeof(*ends));
	assert_int_equal(io_socketpair(SOCK_STREAM, a), 0);
	assert_int_equal(io_socketpair(SOCK_STREAM, b), 0);
	ends->source = a[0];
	ends->in = wrap(a[1]);
	ends->out = wrap(b[0]);
	ends->target = b[1];
	io_set_nonblocking(ends->target, true);
	io_set_nonblocking(ends->source, true);
	ends->pump = pump_start(g_io_stream_get_input_stream(ends->in),
				g_io_stream_get_output_stream(ends->out), events, ends);
}

static void
ends_close(struct ends *ends)
{
	pump_stop(ends->pump);
	while (g_main_context_iteration(NULL, FALSE))
		;
	close(ends->source);
	close(ends->target);
	g_object_unref(ends->in);
	g_object_unref(ends->out);
}

static void
expect_bytes(struct ends *ends, const char *text)
{
	char got[64];
	size_t size = 0;

	while (size < strlen(text)) {
		ssize_t part = recv(ends->target, got + size, sizeof(got) - size, 0);

		if (part > 0)
			size += (size_t)part;
		else
			g_main_context_iteration(NULL, TRUE);
	}
	assert_int_equal(size, strlen(text));
	assert_memory_equal(got, text, size);
}

static void
test_pump__carries_in_measured_parts(void **state)
{
	struct ends ends;

	(void)state;
	ends_open(&ends, &measured);
	assert_int_equal(send(ends.source, "0123456789", 10, 0), 10);
	expect_bytes(&ends, "0123456789");
	assert_int_equal(ends.measured, 4);
	assert_int_equal(send(ends.source, "ab", 2, 0), 2);
	expect_bytes(&ends, "ab");
	assert_int_equal(ends.ended, 0);
	ends_close(&ends);
}

/* A reader that takes nothing stops the writer: one buffer and what the kernel holds, and not more. */
static void
test_pump__stops_a_writer(void **state)
{
	static const char block[4096];
	struct ends ends;
	size_t total = 0;
	ssize_t sent;

	(void)state;
	ends_open(&ends, &plain);
	do {
		while (g_main_context_iteration(NULL, FALSE))
			;
		sent = send(ends.source, block, sizeof(block), 0);
		total += sent > 0 ? (size_t)sent : 0;
		assert_in_range(total, 0, 4 * 1024 * 1024);
	} while (sent > 0 || g_main_context_pending(NULL));
	assert_int_equal(ends.ended, 0);
	ends_close(&ends);
}

static void
test_pump__tells_the_end_once(void **state)
{
	struct ends ends;

	(void)state;
	ends_open(&ends, &plain);
	shutdown(ends.source, SHUT_RDWR);
	WAIT_FOR(ends.ended != 0);
	assert_int_equal(ends.ended, 1);
	ends_close(&ends);
	assert_int_equal(ends.ended, 1);
}

static void
test_pump__stopped_says_nothing(void **state)
{
	struct ends ends;

	(void)state;
	ends_open(&ends, &plain);
	pump_stop(g_steal_pointer(&ends.pump));
	shutdown(ends.source, SHUT_RDWR);
	ends_close(&ends);
	assert_int_equal(ends.ended, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pump__carries_in_measured_parts),
		cmocka_unit_test(test_pump__stops_a_writer),
		cmocka_unit_test(test_pump__tells_the_end_once),
		cmocka_unit_test(test_pump__stopped_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
