/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_identity.c - what the agent takes for a seed, an address, a host name
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "agent/identity.h"

static void
test_identity__mac_table(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "52:54:00:12:34:56", true },
		{ "fe:FF:00:12:34:aB", true },
		{ "", false },
		{ "00:00:00:00:00:00", false },
		{ "01:00:5e:00:00:01", false },
		{ "ff:ff:ff:ff:ff:ff", false },
		{ "52-54-00-12-34-56", false },
		{ "52:54:00:12:34:5", false },
		{ "52:54:00:12:34:56:", false },
		{ "52:54:00:12:34:5g", false },
		{ "5254:00:12:34:056", false },
	};
	uint8_t mac[6];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(identity_parse_mac(rows[i].text, mac), rows[i].good);
	assert_true(identity_parse_mac("52:54:00:12:34:56", mac));
	assert_memory_equal(mac, "\x52\x54\x00\x12\x34\x56", 6);
}

static void
test_identity__hex_table(void **state)
{
	uint8_t bytes[2];

	(void)state;
	assert_true(identity_parse_hex("0aFf", bytes, 2));
	assert_memory_equal(bytes, "\x0a\xff", 2);
	assert_false(identity_parse_hex("0aF", bytes, 2));
	assert_false(identity_parse_hex("0aFff", bytes, 2));
	assert_false(identity_parse_hex("0a g", bytes, 2));
	assert_false(identity_parse_hex("", bytes, 2));
}

static void
test_identity__hostname_table(void **state)
{
	static const char *const good[] = { "d", "d-abc", "desk-7.lab", "0x" };
	static const char *const bad[] = {
		"",
		"-a",
		"a-",
		"a..b",
		".a",
		"a.",
		"A",
		"a b",
		"a\nb",
		"a/b",
		"a.-b",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaa"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(identity_hostname_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(identity_hostname_ok(bad[i]));
}

static void
test_identity__hosts_keeps_other_lines(void **state)
{
	static const struct {
		const char *before;
		const char *after;
	} rows[] = {
		{ "", "127.0.1.1\tdesk\n" },
		{ "127.0.0.1\tlocalhost\n127.0.1.1\told\n::1\tip6\n",
		  "127.0.1.1\tdesk\n127.0.0.1\tlocalhost\n::1\tip6\n" },
		{ "10.0.0.1\tlast", "127.0.1.1\tdesk\n10.0.0.1\tlast\n" },
		{ "\n\n", "127.0.1.1\tdesk\n\n\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = NULL;

		assert_int_equal(identity_make_hosts(rows[i].before, "desk", &text), 0);
		assert_string_equal(text, rows[i].after);
		free(text);
	}
}

/* What is drawn or told before the step that makes it the fork's own is the template's. */
static void
test_identity__steps_are_in_order(void **state)
{
	static const char *const names[] = { "seed",	    "clock",	  "random-seed",
					     "hostname",    "machine-id", "ssh-keys",
					     "ssh-restart", "mac",	  "link" };

	(void)state;
	assert_int_equal(identity_task_kind.n_steps, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < identity_task_kind.n_steps; i++)
		assert_string_equal(identity_task_kind.steps[i].name, names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity__steps_are_in_order),
		cmocka_unit_test(test_identity__mac_table),
		cmocka_unit_test(test_identity__hex_table),
		cmocka_unit_test(test_identity__hostname_table),
		cmocka_unit_test(test_identity__hosts_keeps_other_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
