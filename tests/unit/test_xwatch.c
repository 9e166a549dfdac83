/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_xwatch.c - when a guest counts as being at rest
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/xwatch.h"

static void
test_xwatch__stat_table(void **state)
{
	static const char good[] = "cpu  10 1 5 900 3 0 1 2 0 0\ncpu0 1 1 1 1 1 1 1 1\nintr 5\n"
				   "ctxt 7\nbtime 9\nprocesses 321\nprocs_running 1\n";
	static const char *const bad[] = { "", "cpu", "cpu 1 2 3\nprocesses 4\n",
					   "cpu 1 2 3 4 5 6 7 8\n",
					   "cpu 1 2 3 4 5 6 7 8\nprocesses x\n" };
	struct xwatch_sample sample;

	(void)state;
	assert_true(xwatch_parse_stat(good, &sample));
	assert_int_equal(sample.total, 922);
	assert_int_equal(sample.busy, 20);
	assert_int_equal(sample.processes, 321);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(xwatch_parse_stat(bad[i], &sample));
}

static void
test_xwatch__rest_table(void **state)
{
	static const struct {
		struct xwatch_sample before;
		struct xwatch_sample after;
		bool rest;
	} rows[] = {
		{ { 0, 0, 0, 0 }, { 10, 1000, 50, 9 }, false }, /* the first sample says nothing */
		{ { 10, 1000, 50, 9 }, { 10, 1050, 50, 9 }, true },
		{ { 10, 1000, 50, 9 }, { 12, 1050, 50, 9 }, true },
		{ { 10, 1000, 50, 9 }, { 13, 1050, 50, 9 }, false },
		{ { 10, 1000, 50, 9 }, { 10, 1050, 51, 9 }, false }, /* something was started */
		{ { 10, 1000, 50, 9 }, { 10, 1050, 50, 8 }, false }, /* something has ended */
		{ { 10, 1000, 50, 9 }, { 10, 1000, 50, 9 }, false }, /* no time has passed */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(xwatch_at_rest(&rows[i].before, &rows[i].after), rows[i].rest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xwatch__stat_table),
		cmocka_unit_test(test_xwatch__rest_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
