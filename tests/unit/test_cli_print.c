/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cli_print.c - values as people read them in a table
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cli.h"

static void
test_cli_print__formats_values_by_kind_and_key(void **state)
{
	static const struct {
		const char *key;
		const char *json;
		const char *text;
	} cases[] = {
		{ "name", "\"office\"", "office" },
		{ "error", "\"\"", "-" },
		{ "session", "null", "-" },
		{ "size", "7", "7" },
		{ "current", "true", "yes" },
		{ "current", "false", "no" },
		{ "users", "[]", "-" },
		{ "users", "[\"ada\",\"grace\"]", "ada,grace" },
		{ "engines", "[{\"name\":\"qemu\",\"usable\":true},{\"name\":\"kvm\"}]",
		  "qemu,kvm" },
		{ "odd", "[1,{}]", "?," },
		{ "capacity", "{\"cpus\":2}", "{\"cpus\":2}" },
		{ "created_ms", "1700000000000", "2023-11-14 22:13:20" },
		{ "created_ms", "0", "0" },
		{ "seen_ms", "9223372036854775807", "-" },
		{ "idle_ms", "1500", "1500" },
		{ "created", "1700000000000", "1700000000000" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		g_autofree char *text = NULL;

		assert_non_null(value);
		text = cli_format_value(cases[i].key, value);
		assert_string_equal(text, cases[i].text);
		json_decref(value);
	}
}

static void
test_cli_print__formats_a_missing_value(void **state)
{
	g_autofree char *text = cli_format_value("name", NULL);

	assert_string_equal(text, "-");
}

static void
test_cli_print__finds_a_list_in_both_forms(void **state)
{
	json_t *list = json_pack("[i]", 1);
	json_t *object = json_pack("{s:O}", "pools", list);

	assert_ptr_equal(cli_get_list(list, "pools"), list);
	assert_ptr_equal(cli_get_list(object, "pools"), list);
	assert_null(cli_get_list(object, "jobs"));
	json_decref(object);
	json_decref(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cli_print__formats_values_by_kind_and_key),
		cmocka_unit_test(test_cli_print__formats_a_missing_value),
		cmocka_unit_test(test_cli_print__finds_a_list_in_both_forms),
	};

	g_setenv("TZ", "UTC", TRUE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
