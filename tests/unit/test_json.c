/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_json.c - strict JSON against tables
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/json.h"

static void
test_json__parses_only_the_plain_form(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} table[] = {
		{ "{}", true },
		{ "{\"a\": [1, {\"b\": \"]]]]}}}\"}]}", true },
		{ "", false },
		{ "{", false },
		{ "{} {}", false },
		{ "{\"a\":1,\"a\":2}", false },
		{ "{\"a\":\"\\u0000\"}", false },
		{ "{\"a\":\"\xff\"}", false },
		{ "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", true },
		{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", false },
	};
	struct json_problem problem;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *value =
			json_parse_strict(table[i].text, strlen(table[i].text), 1000, &problem);

		assert_int_equal(value != NULL, table[i].good);
		json_decref(value);
	}
	assert_null(json_parse_strict("{}    ", 6, 5, &problem));
	assert_non_null(strstr(problem.text, "at most 5"));
}

static const struct json_field fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, 8 },	{ "size", JSON_KIND_INTEGER, 0, 1, 100 },
	{ "flag", JSON_KIND_BOOLEAN, 1, 0, 0 }, { "list", JSON_KIND_ARRAY, 1, 0, 2 },
	{ "more", JSON_KIND_OBJECT, 1, 0, 0 },
};

static void
test_json__checks_an_object_against_its_table(void **state)
{
	static const struct {
		const char *text;
		const char *problem; /* NULL: good */
	} table[] = {
		{ "{\"name\":\"x\",\"size\":1}", NULL },
		{ "{\"name\":\"x\",\"size\":1,\"flag\":true,\"list\":[],\"more\":{}}", NULL },
		{ "[]", "must be a JSON object" },
		{ "{\"name\":\"x\"}", "'size' is missing" },
		{ "{\"name\":\"x\",\"size\":1,\"siez\":2}", "unknown key 'siez'" },
		{ "{\"name\":1,\"size\":1}", "must be a string" },
		{ "{\"name\":\"\",\"size\":1}", "out of range" },
		{ "{\"name\":\"123456789\",\"size\":1}", "out of range" },
		{ "{\"name\":\"x\",\"size\":101}", "out of range" },
		{ "{\"name\":\"x\",\"size\":1.5}", "must be an integer" },
		{ "{\"name\":\"x\",\"size\":1,\"flag\":1}", "must be true or false" },
		{ "{\"name\":\"x\",\"size\":1,\"list\":[1,2,3]}", "out of range" },
	};
	struct json_problem problem;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *value =
			json_parse_strict(table[i].text, strlen(table[i].text), 1000, &problem);
		int result;

		assert_non_null(value);
		result = json_check_object(value, "the test", fields,
					   sizeof(fields) / sizeof(fields[0]), &problem);
		assert_int_equal(result, table[i].problem ? -EINVAL : 0);
		if (table[i].problem)
			assert_non_null(strstr(problem.text, table[i].problem));
		json_decref(value);
	}
}

static void
test_json__getters_fall_back(void **state)
{
	json_t *value = json_pack("{s:s, s:i, s:b}", "t", "text", "i", 7, "b", 1);

	(void)state;
	assert_string_equal(json_get_text(value, "t", "-"), "text");
	assert_string_equal(json_get_text(value, "i", "-"), "-");
	assert_int_equal(json_get_integer(value, "i", 0), 7);
	assert_int_equal(json_get_integer(value, "none", 9), 9);
	assert_true(json_get_flag(value, "b", 0));
	assert_true(json_get_flag(value, "none", 1));
	json_decref(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__parses_only_the_plain_form),
		cmocka_unit_test(test_json__checks_an_object_against_its_table),
		cmocka_unit_test(test_json__getters_fall_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
