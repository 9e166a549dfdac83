/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_log.c - the budget of log lines
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

static void
test_log__limit_lets_a_burst_through_and_refills(void **state)
{
	struct log_limit limit = { .burst = 3, .every_ms = 100 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(log_limit_allow(&limit, 1000));
	assert_false(log_limit_allow(&limit, 1000));
	assert_false(log_limit_allow(&limit, 1099));
	assert_int_equal(limit.dropped, 2);
	assert_true(log_limit_allow(&limit, 1100));
	assert_false(log_limit_allow(&limit, 1100));
	for (int i = 0; i < 3; i++)
		assert_true(log_limit_allow(&limit, 999999));
	assert_false(log_limit_allow(&limit, 999999));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log__limit_lets_a_burst_through_and_refills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
