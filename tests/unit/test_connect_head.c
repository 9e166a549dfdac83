/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_connect_head.c - heads that are fine, heads that are not, and what lies behind them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "broker/connect_head.h"

#define TICKET "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrsa"

static const struct {
	const char *text;
	unsigned int status; /* 0: fine */
} table[] = {
	{ "CONNECT " TICKET ":61000 HTTP/1.0\r\nHost: x\r\nUser-Agent: GLib/2.74\r\n\r\n", 0 },
	{ "CONNECT " TICKET ":1 HTTP/1.1\r\n\r\n", 0 },
	{ "CONNECT " TICKET ":1 HTTP/1.1\n\n", 0 },
	{ "CONNECT short:1 HTTP/1.1\r\n\r\n", 403 },
	{ "CONNECT " TICKET "a:1 HTTP/1.1\r\n\r\n", 403 },
	{ "GET / HTTP/1.1\r\n\r\n", 405 },
	{ "connect x:1 HTTP/1.1\r\n\r\n", 400 },
	{ "CONNECT " TICKET " HTTP/1.1\r\n\r\n", 400 },
	{ "CONNECT " TICKET ": HTTP/1.1\r\n\r\n", 400 },
	{ "CONNECT " TICKET ":123456 HTTP/1.1\r\n\r\n", 400 },
	{ "CONNECT " TICKET ":1 HTTP/2.0\r\n\r\n", 400 },
	{ "CONNECT " TICKET ":1 HTTP/1.1 and more than fits\r\n\r\n", 400 },
	{ "CONNECT " TICKET ":1 HTTP/1.1\r\n\rx", 400 },
	{ "\x16\x03\x01", 400 },
};

static void
test_connect_head__judges_whole_and_bytewise(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t size = strlen(table[i].text);

		for (size_t step = 1; step <= size; step += size - 1) {
			struct connect_head head = { 0 };

			for (size_t at = 0; at < size; at += step)
				connect_head_feed(&head, table[i].text + at, step);
			assert_int_equal(head.state,
					 table[i].status ? CONNECT_HEAD_FAILED : CONNECT_HEAD_DONE);
			assert_int_equal(head.status, table[i].status);
			if (table[i].status == 0)
				assert_string_equal(head.ticket, TICKET);
		}
	}
}

static void
test_connect_head__leaves_what_is_behind(void **state)
{
	static const char text[] = "CONNECT " TICKET ":1 HTTP/1.0\r\n\r\n\x16\x03\x01";
	struct connect_head head = { 0 };

	(void)state;
	assert_int_equal(connect_head_feed(&head, text, sizeof(text) - 1), sizeof(text) - 4);
	assert_int_equal(head.state, CONNECT_HEAD_DONE);
	assert_int_equal(connect_head_feed(&head, text, 1), 0);
}

static void
test_connect_head__refuses_too_much(void **state)
{
	struct connect_head head = { 0 };
	static const char start[] = "CONNECT " TICKET ":1 HTTP/1.0\r\n";

	(void)state;
	connect_head_feed(&head, start, sizeof(start) - 1);
	for (int i = 0; i < 5000; i++)
		connect_head_feed(&head, "x", 1);
	assert_int_equal(head.state, CONNECT_HEAD_FAILED);
	assert_int_equal(head.status, 431);
	assert_int_equal(head.bytes, CONNECT_HEAD_MAX_BYTES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_head__judges_whole_and_bytewise),
		cmocka_unit_test(test_connect_head__leaves_what_is_behind),
		cmocka_unit_test(test_connect_head__refuses_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
