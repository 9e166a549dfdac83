/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_log.c - the budget of log lines, and lines with the time
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "tests/unit/stderr_capture.h"

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

/* What log_step() writes to standard error, for free(). */
static char *
say_step(void)
{
	struct stderr_capture capture;

	stderr_capture_begin(&capture);
	log_step("it is done");
	return stderr_capture_end(&capture);
}

static double
read_step_time(const char *text)
{
	double time;

	assert_int_equal(sscanf(text, "%*[^:]: debug: step at %lf: it is done", &time), 1);
	return time;
}

static void
test_log__step_has_its_time_when_debugging(void **state)
{
	CLEANUP_FREE char *nothing = NULL;
	CLEANUP_FREE char *first = NULL;
	CLEANUP_FREE char *second = NULL;

	(void)state;
	unsetenv("CARREL_DEBUG");
	nothing = say_step();
	assert_string_equal(nothing, "");
	setenv("CARREL_DEBUG", "1", 1);
	first = say_step();
	second = say_step();
	assert_true(read_step_time(first) > 0);
	assert_true(read_step_time(second) >= read_step_time(first));
	unsetenv("CARREL_DEBUG");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log__limit_lets_a_burst_through_and_refills),
		cmocka_unit_test(test_log__step_has_its_time_when_debugging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
