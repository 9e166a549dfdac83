/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_launch_options.c - carrel-launch's command line
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/launch_options.h"

#define NEEDED \
	"--run", "/r", "--lib", "/l", "--libexec", "/x", "--hostd-uid", "7", "--hostd-gid", "8"

static void
test_launch_options__table(void **state)
{
	static const struct {
		int expected;
		char *argv[16];
	} table[] = {
		{ 0, { "p", NEEDED, "--uid-range", "200000-465535" } },
		{ 0, { "p", "--help" } },
		{ 0, { "p", "--version" } },
		{ -EINVAL, { "p" } },
		{ -EINVAL, { "p", NEEDED } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "200000" } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "200000-200001" } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "0-465535" } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "200000-4294967295" } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "200000-465535x" } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "200000-465535", "more" } },
		{ -EINVAL, { "p", NEEDED, "--uid-range", "200000-465535", "--qemu", "qemu" } },
		{ -EINVAL, { "p", NEEDED, "--hostd-uid", "0", "--uid-range", "200000-465535" } },
		{ -EINVAL, { "p", "--nonsense" } },
	};
	struct launch_options options;
	enum launch_wish wish;
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *argv[17];
		int argc = 0;

		memcpy(argv, table[i].argv, sizeof(table[i].argv));
		argv[16] = NULL;
		while (argv[argc])
			argc++;
		assert_int_equal(
			launch_options_parse(argc, argv, &options, &wish, text, sizeof(text)),
			table[i].expected);
	}
}

static void
test_launch_options__parts_of_the_range(void **state)
{
	const struct launch_options options = { .uid_first = 200000, .uid_last = 465535 };

	(void)state;
	assert_int_equal(launch_options_first_uid(&options), 200064);
	assert_int_equal(launch_options_last_uid(&options), 399999);
	assert_int_equal(launch_options_build_uid(&options), 400000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launch_options__table),
		cmocka_unit_test(test_launch_options__parts_of_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
