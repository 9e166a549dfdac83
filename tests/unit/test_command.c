/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_command.c - programs that end well, badly, late, or talk too much
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>

#include "agent/command.h"

static void
test_run(struct command *command, const char *const argv[], unsigned int timeout_ms)
{
	command_init(command);
	assert_int_equal(command_start(command, argv, timeout_ms), 0);
	do {
		struct pollfd fds[] = { { .fd = command->pidfd, .events = POLLIN },
					{ .fd = command->output_fd, .events = POLLIN } };

		assert_true(poll(fds, 2, (int)timeout_ms) >= 0);
	} while (!command_handle_ready(command));
	assert_false(command_running(command));
}

static void
test_command__result_table(void **state)
{
	static const struct {
		const char *const argv[4];
		unsigned int timeout_ms;
		int status;
		const char *complaint;
	} rows[] = {
		{ { "/bin/echo", "fine", NULL }, 10000, 0, "fine" },
		{ { "/bin/true", NULL }, 10000, 0, "no message" },
		{ { "/bin/false", NULL }, 10000, -EIO, "no message" },
		{ { "/bin/sh", "-c", "echo one; echo two >&2; exit 3", NULL }, 10000, -EIO, "two" },
		{ { "/bin/sh", "-c", "kill -9 $$", NULL }, 10000, -EIO, "no message" },
		{ { "/bin/sleep", "60", NULL }, 100, -ETIMEDOUT, "no message" },
	};
	struct command command;
	char complaint[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_run(&command, rows[i].argv, rows[i].timeout_ms);
		assert_int_equal(command.status, rows[i].status);
		command_get_complaint(&command, complaint, sizeof(complaint));
		assert_string_equal(complaint, rows[i].complaint);
		command_done(&command);
	}
}

static void
test_command__output_is_cut_and_drained(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c",
					    "head -c 1000000 /dev/zero | tr '\\0' x", NULL };
	struct command command;

	(void)state;
	test_run(&command, argv, 20000);
	assert_int_equal(command.status, 0);
	assert_int_equal(command.output_size, COMMAND_MAX_OUTPUT);
	command_done(&command);
}

static void
test_command__missing_program_is_an_error(void **state)
{
	static const char *const argv[] = { "/nonexistent/program", NULL };
	struct command command;

	(void)state;
	command_init(&command);
	assert_int_equal(command_start(&command, argv, 1000), -ENOENT);
	assert_false(command_running(&command));
	command_done(&command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command__result_table),
		cmocka_unit_test(test_command__output_is_cut_and_drained),
		cmocka_unit_test(test_command__missing_program_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
