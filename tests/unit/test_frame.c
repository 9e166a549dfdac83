/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_frame.c - frames of the agent port, whole, in pieces and broken
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"

static void
test_frame__comes_out_as_it_went_in(void **state)
{
	struct frame_reader reader = { 0 };
	const char *text;
	uint8_t *frame;
	size_t size;

	(void)state;
	assert_int_equal(frame_encode("{\"v\":1}", 7, &frame, &size), 0);
	assert_int_equal(size, 11);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(frame_reader_next(&reader, &text, &(size_t){ 0 }), 0);
		assert_int_equal(frame_reader_feed(&reader, frame + i, 1), 0);
	}
	assert_int_equal(frame_reader_next(&reader, &text, &size), 1);
	assert_int_equal(size, 7);
	assert_memory_equal(text, "{\"v\":1}", 7);
	assert_int_equal(frame_reader_next(&reader, &text, &size), 0);
	frame_reader_done(&reader);
	free(frame);
}

static void
test_frame__two_in_one_read(void **state)
{
	static const uint8_t bytes[] = { 1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b', 'c' };
	struct frame_reader reader = { 0 };
	const char *text;
	size_t size;

	(void)state;
	assert_int_equal(frame_reader_feed(&reader, bytes, sizeof(bytes)), 0);
	assert_int_equal(frame_reader_next(&reader, &text, &size), 1);
	assert_int_equal(text[0], 'a');
	assert_int_equal(frame_reader_next(&reader, &text, &size), 1);
	assert_memory_equal(text, "bc", 2);
	frame_reader_done(&reader);
}

static void
test_frame__refuses_impossible_lengths(void **state)
{
	static const uint8_t heads[][4] = { { 0, 0, 0, 0 },
					    { 1, 0, 1, 0 },
					    { 0xff, 0xff, 0xff, 0xff } };

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct frame_reader reader = { 0 };
		const char *text;
		size_t size;

		assert_int_equal(frame_reader_feed(&reader, heads[i], 4), 0);
		assert_int_equal(frame_reader_next(&reader, &text, &size), -EMSGSIZE);
		frame_reader_done(&reader);
	}
}

static void
test_frame__memory_stays_bounded(void **state)
{
	struct frame_reader reader = { 0 };
	uint8_t block[4096];
	int error = 0;
	int blocks;

	(void)state;
	memset(block, 1, sizeof(block));
	for (blocks = 0; blocks < 1000 && error == 0; blocks++)
		error = frame_reader_feed(&reader, block, sizeof(block));
	assert_int_equal(error, -ENOBUFS);
	assert_true(blocks < 100);
	frame_reader_done(&reader);
}

static void
test_frame__encode_refuses_empty_and_too_long(void **state)
{
	static const char text[FRAME_MAX_BYTES + 1];
	uint8_t *frame;
	size_t size;

	(void)state;
	assert_int_equal(frame_encode(text, 0, &frame, &size), -EMSGSIZE);
	assert_int_equal(frame_encode(text, sizeof(text), &frame, &size), -EMSGSIZE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame__comes_out_as_it_went_in),
		cmocka_unit_test(test_frame__two_in_one_read),
		cmocka_unit_test(test_frame__refuses_impossible_lengths),
		cmocka_unit_test(test_frame__memory_stays_bounded),
		cmocka_unit_test(test_frame__encode_refuses_empty_and_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
