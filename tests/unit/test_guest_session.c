/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_guest_session.c - which log-ins the agent takes, and the name of their unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "agent/guest_session.h"

static void
test_guest_session__unit_is_escaped(void **state)
{
	static const struct {
		const char *user;
		const char *unit;
	} rows[] = {
		{ "ada", "carrel-session@ada.service" },
		{ "a-b", "carrel-session@a\\x2db.service" },
		{ "x.y_z", "carrel-session@x.y_z.service" },
	};
	char unit[GUEST_SESSION_UNIT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		guest_session_make_unit(rows[i].user, unit);
		assert_string_equal(unit, rows[i].unit);
	}
	guest_session_make_unit("a-------------------------------", unit);
	assert_string_equal(unit + strlen(unit) - 8, ".service");
}

static int
test_check(const char *text)
{
	struct json_problem problem;
	json_t *body = json_parse_strict(text, strlen(text), 4096, &problem);
	int result;

	assert_non_null(body);
	result = guest_session_check_request(body, &problem);
	json_decref(body);
	return result;
}

static void
test_guest_session__request_table(void **state)
{
	static const struct {
		const char *more;
		int result;
	} rows[] = {
		{ "", 0 },
		{ ", \"groups\": [\"audio\", \"lab-7\"]", 0 },
		{ ", \"groups\": [\"a,b\"]", -22 },
		{ ", \"groups\": [1]", -22 },
		{ ", \"keyboard\": {\"layout\": \"de\", \"variant\": \"nodeadkeys\"}", 0 },
		{ ", \"keyboard\": {\"layout\": \"de,us\"}", 0 },
		{ ", \"keyboard\": {}", -22 },
		{ ", \"keyboard\": {\"layout\": \"de us\"}", -22 },
		{ ", \"keyboard\": {\"layout\": \"de\", \"option\": \"x\"}", -22 },
		{ ", \"locale\": \"de_DE.UTF-8@euro\"", 0 },
		{ ", \"locale\": \"C\\nPATH=/tmp\"", -22 },
		{ ", \"locale\": \"../x\"", -22 },
		{ ", \"timezone\": \"America/Argentina/Buenos_Aires\"", 0 },
		{ ", \"timezone\": \"../../etc/shadow\"", -22 },
		{ ", \"timezone\": \"/etc/shadow\"", -22 },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "{\"user\": \"ada\", \"uid\": 1500%s}", rows[i].more);
		assert_int_equal(test_check(text), rows[i].result);
	}
	assert_int_equal(test_check("{\"user\": \"-rf\", \"uid\": 1500}"), -22);
	assert_int_equal(test_check("{\"user\": \"a b\", \"uid\": 1500}"), -22);
	assert_int_equal(test_check("{\"user\": \"ada\", \"uid\": 65534}"), -22);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_session__unit_is_escaped),
		cmocka_unit_test(test_guest_session__request_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
