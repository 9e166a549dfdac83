/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vdagent_stream.c - borders between chunks, nonsense, and a message of our own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "display/vdagent_stream.h"

/* A chunk of 3 bytes for the client, an empty one for the server. */
static const uint8_t two[] = { 1, 0, 0, 0, 3, 0, 0, 0, 7, 7, 7, 2, 0, 0, 0, 0, 0, 0, 0 };

static void
test_vdagent_stream__finds_borders(void **state)
{
	struct vdagent_stream stream = { 0 };

	(void)state;
	assert_true(vdagent_stream_at_border(&stream));
	assert_int_equal(vdagent_stream_find_border(&stream, two, sizeof(two)), 11);
	assert_int_equal(vdagent_stream_find_border(&stream, two, 10), 0);
	for (size_t i = 0; i < sizeof(two); i++) {
		assert_int_equal(vdagent_stream_at_border(&stream), i == 0 || i == 11);
		assert_int_equal(vdagent_stream_feed(&stream, two + i, 1), 0);
	}
	assert_true(vdagent_stream_at_border(&stream));
}

static void
test_vdagent_stream__refuses_nonsense(void **state)
{
	static const uint8_t bad[][8] = {
		{ 0, 0, 0, 0, 1, 0, 0, 0 },
		{ 3, 0, 0, 0, 1, 0, 0, 0 },
		{ 1, 0, 0, 0, 1, 0, 0, 8 },
		{ 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vdagent_stream stream = { 0 };

		assert_int_equal(vdagent_stream_feed(&stream, bad[i], 8), -EPROTO);
		assert_int_equal(vdagent_stream_feed(&stream, two, 8), -EPROTO);
		assert_false(vdagent_stream_at_border(&stream));
	}
}

/* As the guest's daemon sends a clipboard: one chunk, however long. */
static void
test_vdagent_stream__follows_a_long_chunk(void **state)
{
	static const uint8_t head[] = { 1, 0, 0, 0, 0, 0, 0, 8 }; /* 128 MiB */
	static const uint8_t part[64 * 1024];
	struct vdagent_stream stream = { 0 };

	(void)state;
	assert_int_equal(vdagent_stream_feed(&stream, head, sizeof(head)), 0);
	for (int i = 0; i < 2048; i++) {
		assert_false(vdagent_stream_at_border(&stream));
		assert_int_equal(vdagent_stream_feed(&stream, part, sizeof(part)), 0);
	}
	assert_true(vdagent_stream_at_border(&stream));
}

static void
test_vdagent_stream__makes_one_whole_chunk(void **state)
{
	struct vdagent_stream stream = { 0 };
	struct heads heads = { .list = { { 0, 1024, 768 }, { 0, 0, 0 }, { 0, 800, 600 } } };
	uint8_t chunk[VDAGENT_MAX_MONITORS_BYTES];
	size_t size;

	(void)state;
	heads_place(&heads);
	size = vdagent_stream_make_monitors(&heads, chunk);
	assert_int_equal(size, 8 + 20 + 8 + 3 * 20);
	assert_int_equal(vdagent_stream_find_border(&stream, chunk, size), size);
	assert_int_equal(chunk[28], 3);
	assert_int_equal(chunk[36] | chunk[37] << 8, 768);
	assert_int_equal(chunk[40] | chunk[41] << 8, 1024);
	/* the second is off, the third stands right of the first */
	assert_int_equal(chunk[56] | chunk[57] << 8, 0);
	assert_int_equal(chunk[76] | chunk[77] << 8, 600);
	assert_int_equal(chunk[80] | chunk[81] << 8, 800);
	assert_int_equal(chunk[88] | chunk[89] << 8, 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vdagent_stream__finds_borders),
		cmocka_unit_test(test_vdagent_stream__refuses_nonsense),
		cmocka_unit_test(test_vdagent_stream__follows_a_long_chunk),
		cmocka_unit_test(test_vdagent_stream__makes_one_whole_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
