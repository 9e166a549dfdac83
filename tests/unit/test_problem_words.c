/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_problem_words.c - the codes that users meet have words, others have none
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glib.h>
#include <string.h>

#include "viewer/problem_words.h"

static void
test_problem_words__say_what_to_do(void **state)
{
	static const char *const codes[] = {
		"login.denied",	  "login.expired",   "login.locked",	  "login.limited",
		"login.name",	  "login.unknown",   "login.unavailable", "pool.empty",
		"pool.forbidden", "session.unknown", "ticket.refused",	  "token.invalid",
		"desktop.stuck",  "desktop.moving",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
		const char *words = problem_words_find(codes[i]);

		assert_non_null(words);
		assert_true(g_str_has_suffix(words, "."));
		assert_null(strstr(words, codes[i]));
	}
}

static void
test_problem_words__know_no_other_code(void **state)
{
	static const char *const codes[] = { "", "login", "login.denied.", "request.json" };

	for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
		assert_null(problem_words_find(codes[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_problem_words__say_what_to_do),
		cmocka_unit_test(test_problem_words__know_no_other_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
