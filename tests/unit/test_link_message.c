/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_link_message.c - SPICE link messages, and where the server's messages end
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "display/link_message.h"

/* As spice-gtk 0.42 sends it for its main channel. */
static const uint8_t good[] = { 'R', 'E', 'D', 'Q', 2, 0, 0,  0, 2, 0, 0,  0, 26, 0,
				0,   0,	  0,   0,   0, 0, 1,  0, 1, 0, 0,  0, 1,  0,
				0,   0,	  18,  0,   0, 0, 13, 0, 0, 0, 15, 0, 0,  0 };

static void
test_link_message__reads_a_good_one(void **state)
{
	struct link_message message;
	uint32_t bytes;

	(void)state;
	assert_int_equal(link_message_parse_head(good, &bytes), 0);
	assert_int_equal(bytes, 26);
	assert_int_equal(link_message_parse(good + LINK_HEAD_BYTES, bytes, &message), 0);
	assert_int_equal(message.connection_id, 0);
	assert_int_equal(message.channel_type, LINK_CHANNEL_MAIN);
	assert_true(message.mini_header);
}

/* One byte of the good one changed. */
static const struct {
	size_t at;
	uint8_t value;
} broken[] = {
	{ 0, 'X' }, { 4, 1 },  { 12, 17 }, { 13, 0xff }, { 22, 65 },
	{ 22, 3 },  { 25, 1 }, { 29, 9 },  { 30, 19 },	 { 33, 1 },
};

static void
test_link_message__refuses_broken_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		uint8_t copy[sizeof(good)];
		struct link_message message;
		uint32_t bytes = 26;

		memcpy(copy, good, sizeof(good));
		copy[broken[i].at] = broken[i].value;
		assert_true(link_message_parse_head(copy, &bytes) == -EPROTO ||
			    link_message_parse(copy + LINK_HEAD_BYTES, bytes, &message) == -EPROTO);
	}
}

static void
test_link_message__finds_the_server_messages_ends(void **state)
{
	/* Reply of 3 bytes, result, DRAW_COPY (304) of 2 bytes, an empty message. */
	static const uint8_t sent[] = { 'R', 'E', 'D', 'Q', 2, 0, 0, 0, 2, 0, 0,    0, 3,
					0,   0,	  0,   7,   7, 7, 0, 0, 0, 0, 0x30, 1, 2,
					0,   0,	  0,   9,   9, 5, 0, 0, 0, 0, 0 };
	static const size_t ends[] = { 19, 23, 31, 37 };

	(void)state;
	for (size_t step = 1; step <= sizeof(sent); step++) {
		struct link_scan scan = { .mini_header = true };
		size_t at = 0;

		for (size_t i = 0; i < 4; i++) {
			while (at < ends[i]) {
				size_t size = step < sizeof(sent) - at ? step : sizeof(sent) - at;
				size_t used = link_scan_next(&scan, sent + at, size);

				assert_true(used > 0 && at + used <= ends[i]);
				at += used;
			}
			assert_int_equal(scan.draws, i == 2);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_message__reads_a_good_one),
		cmocka_unit_test(test_link_message__refuses_broken_ones),
		cmocka_unit_test(test_link_message__finds_the_server_messages_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
