/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_login_limit.c - guessing is slowed down by address, never by user alone
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/login_limit.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define START  (1000 * SECOND)

static void
test_login_limit__pair_rests_after_ten(void **state)
{
	struct login_limit *limit = login_limit_new();
	guint wait_s;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(login_limit_check(limit, "a", "ada", START), 0);
		login_limit_count_failure(limit, "a", "ada", START);
	}
	wait_s = login_limit_check(limit, "a", "ada", START);
	assert_int_equal(wait_s, 36);
	assert_int_equal(login_limit_check(limit, "a", "bob", START), 0);
	assert_int_equal(login_limit_check(limit, "b", "ada", START), 0);
	assert_int_equal(login_limit_check(limit, "a", "ada", START + 35 * SECOND), 1);
	assert_int_equal(login_limit_check(limit, "a", "ada", START + wait_s * SECOND), 0);
	login_limit_count_failure(limit, "a", "ada", START + wait_s * SECOND);
	assert_true(login_limit_check(limit, "a", "ada", START + wait_s * SECOND) > 0);
	login_limit_free(limit);
}

static void
test_login_limit__address_rests_after_sixty(void **state)
{
	struct login_limit *limit = login_limit_new();

	(void)state;
	for (int i = 0; i < 60; i++) {
		g_autofree char *user = g_strdup_printf("user%d", i);

		assert_int_equal(login_limit_check(limit, "a", user, START), 0);
		login_limit_count_failure(limit, "a", user, START);
	}
	assert_true(login_limit_check(limit, "a", "ada", START) > 0);
	assert_int_equal(login_limit_check(limit, "b", "ada", START), 0);
	assert_int_equal(login_limit_check(limit, "a", "ada", START + 3600 * SECOND), 0);
	login_limit_free(limit);
}

static void
test_login_limit__full_table_lets_nobody_new_in(void **state)
{
	struct login_limit *limit = login_limit_new();

	(void)state;
	for (int i = 0; i < 32768; i++) {
		g_autofree char *remote = g_strdup_printf("address%d", i);

		login_limit_count_failure(limit, remote, "ada", START);
	}
	assert_true(login_limit_check(limit, "new", "ada", START) > 0);
	assert_int_equal(login_limit_check(limit, "new", "ada", START + 40 * SECOND), 0);
	login_limit_free(limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_limit__pair_rests_after_ten),
		cmocka_unit_test(test_login_limit__address_rests_after_sixty),
		cmocka_unit_test(test_login_limit__full_table_lets_nobody_new_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
