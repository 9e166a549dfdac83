/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_port.c - frames in, nonsense in, and how a resync ends a loss
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/port.h"
#include "base/io.h"

#define RESYNC "{\"v\":1,\"id\":9,\"verb\":\"resync\",\"body\":{\"nonce\":\"0123456789\"}}"
#define HELLO  "{\"v\":1,\"id\":1,\"verb\":\"hello\"}"

struct seen {
	int frames;
	int resyncs;
};

static void
test_count(void *context, const char *text, size_t size)
{
	struct seen *seen = context;

	seen->frames++;
	if (memmem(text, size, "\"resync\"", 8))
		seen->resyncs++;
}

static size_t
test_put_frame(uint8_t *target, const char *text)
{
	size_t size = strlen(text);

	for (int i = 0; i < 4; i++)
		target[i] = (uint8_t)(size >> (8 * i));
	memcpy(target + 4, text, size);
	return size + 4;
}

/* Feeds the bytes "step" at a time. */
static struct seen
test_feed(const uint8_t *data, size_t size, size_t step)
{
	struct seen seen = { 0 };
	struct port port;

	port_init(&port);
	for (size_t at = 0; at < size; at += step)
		port_take_bytes(&port, data + at, size - at < step ? size - at : step, test_count,
				&seen);
	port_done(&port);
	return seen;
}

static void
test_answer(void *context, const char *text, size_t size)
{
	assert_int_equal(port_send(context, text, size), 0);
}

/* Linux lets bytes of the host be read before its end is said to be open. */
static void
test_port__an_answer_outlives_a_host_that_is_not_seen_yet(void **state)
{
	struct port port;
	uint8_t data[512] = { 0 };
	size_t size = test_put_frame(data, RESYNC);
	int ends[2];

	(void)state;
	assert_int_equal(io_socketpair(SOCK_STREAM, ends), 0);
	port_init(&port);
	assert_int_equal(port_adopt(&port, ends[0], true), 0);
	while (write(ends[0], data, sizeof(data)) > 0) /* it takes no answer yet */
		continue;
	assert_int_equal(write(ends[1], data, size), size);
	assert_int_equal(shutdown(ends[1], SHUT_WR), 0);

	assert_int_equal(port_handle_ready(&port, test_answer, &port), 0);
	assert_int_equal(port.output_size, size);
	/* another wake-up, and still nothing is seen of it */
	assert_int_equal(port_handle_ready(&port, test_answer, &port), 0);
	assert_int_equal(port.output_size, size);
	port_done(&port);
	close(ends[1]);
}

static void
test_port__frames_in_any_pieces(void **state)
{
	uint8_t data[512];
	size_t size = test_put_frame(data, HELLO);

	(void)state;
	size += test_put_frame(data + size, RESYNC);
	size += test_put_frame(data + size, HELLO);
	for (size_t step = 1; step <= size; step++) {
		struct seen seen = test_feed(data, size, step);

		assert_int_equal(seen.frames, 3);
		assert_int_equal(seen.resyncs, 1);
	}
}

static void
test_port__resync_ends_any_nonsense(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} before[] = {
		{ "\x00\x00\x00\x00", 4 },		    /* an empty frame */
		{ "\xff\xff\xff\xff", 4 },		    /* 4 GiB */
		{ "\x00\x10\x00\x00{\"v\":1,\"id\":", 14 }, /* half a frame, as a fork may leave */
		{ "\x20\x00\x00", 3 },			    /* not even a head */
		{ "GET / HTTP/1.0\r\n\r\n", 18 },	    /* another protocol */
		{ "{\"verb\":\"resync\"}", 17 },	    /* no head */
		{ "\x40\x00\x00\x00{\"verb\":\"resync\"", 20 }, /* half a resync */
	};
	uint8_t data[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		size_t size = before[i].size;

		memcpy(data, before[i].bytes, size);
		size += test_put_frame(data + size, RESYNC);
		size += test_put_frame(data + size, HELLO);
		for (size_t step = 1; step <= size; step++) {
			struct seen seen = test_feed(data, size, step);

			assert_int_equal(seen.resyncs, 1);
			assert_int_equal(seen.frames, 2);
		}
	}
}

static void
test_port__nonsense_alone_gives_nothing_and_stays_small(void **state)
{
	struct seen seen = { 0 };
	struct port port;
	uint8_t data[4096];

	(void)state;
	memset(data, 0xee, sizeof(data));
	port_init(&port);
	for (int i = 0; i < 1000; i++)
		port_take_bytes(&port, data, sizeof(data), test_count, &seen);
	assert_true(port.lost);
	assert_int_equal(seen.frames, 0);
	assert_true(port.reader.capacity < 32 * 1024);
	port_done(&port);
}

static void
test_port__send_is_bounded_when_nobody_reads(void **state)
{
	static char text[FRAME_MAX_BYTES];
	struct port port;
	int ends[2];
	int error = 0;
	int sent;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(io_socketpair(SOCK_STREAM, ends), 0);
	port_init(&port);
	assert_int_equal(port_adopt(&port, ends[0], false), 0);
	for (sent = 0; sent < 1000 && error == 0; sent++)
		error = port_send(&port, text, sizeof(text));
	assert_int_equal(error, -ENOBUFS);
	port_drop_output(&port);
	assert_int_equal(port_send(&port, text, sizeof(text) + 1), -EMSGSIZE);
	close(ends[1]);
	assert_int_equal(port_handle_ready(&port, test_count, NULL), -EPIPE);
	port_done(&port);
}

static void
test_port__refuses_to_open_what_is_not_there(void **state)
{
	struct port port;

	(void)state;
	port_init(&port);
	assert_int_equal(port_open(&port, "/nonexistent/port"), -ENOENT);
	port_done(&port);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port__frames_in_any_pieces),
		cmocka_unit_test(test_port__resync_ends_any_nonsense),
		cmocka_unit_test(test_port__nonsense_alone_gives_nothing_and_stays_small),
		cmocka_unit_test(test_port__send_is_bounded_when_nobody_reads),
		cmocka_unit_test(test_port__an_answer_outlives_a_host_that_is_not_seen_yet),
		cmocka_unit_test(test_port__refuses_to_open_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
