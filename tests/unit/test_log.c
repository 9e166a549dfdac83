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
#include <sys/mman.h>
#include <unistd.h>

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

/* What log_step() writes to standard error; its length. */
static size_t
say_step(char *text, size_t size)
{
	int kept = dup(STDERR_FILENO);
	int fd = memfd_create("log", MFD_CLOEXEC);
	ssize_t length;

	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_step("it is done");
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(kept);
	length = pread(fd, text, size - 1, 0);
	close(fd);
	assert_true(length >= 0);
	text[length] = '\0';
	return (size_t)length;
}

static void
test_log__step_has_its_time_when_debugging(void **state)
{
	char text[256];
	double first, second;

	(void)state;
	unsetenv("CARREL_DEBUG");
	assert_int_equal(say_step(text, sizeof(text)), 0);
	setenv("CARREL_DEBUG", "1", 1);
	assert_true(say_step(text, sizeof(text)) > 0);
	assert_int_equal(sscanf(text, "%*[^:]: debug: step at %lf: it is done", &first), 1);
	assert_true(say_step(text, sizeof(text)) > 0);
	assert_int_equal(sscanf(text, "%*[^:]: debug: step at %lf: it is done", &second), 1);
	assert_true(first > 0 && second >= first);
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
