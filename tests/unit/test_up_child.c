/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_up_child.c - how long a service of "carrel up" waits before it starts again
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/up_child.h"

static void
test_up_child__doubles_the_pause_up_to_its_limit(void **state)
{
	static const guint wanted_ms[] = {
		100, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000
	};

	for (guint i = 0; i < G_N_ELEMENTS(wanted_ms); i++)
		assert_int_equal(up_child_backoff_ms(i), wanted_ms[i]);
	assert_int_equal(up_child_backoff_ms(4000000000u), 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_child__doubles_the_pause_up_to_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
