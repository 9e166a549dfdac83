/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_agent_record.c - what an agent that is started again believes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent_record.h"
#include "base/io.h"

static void
test_agent_record__reads_what_was_written(void **state)
{
	static const struct agent_record rows[] = {
		{ .generation = 1 },
		{ .generation = INT64_MAX, .user = "ada", .pid = 2, .start_ticks = UINT64_MAX },
		{ .user = "a-b_c.d", .pid = INT32_MAX },
	};
	char path[] = "/tmp/test-record-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_record record;

		assert_int_equal(agent_record_write(path, &rows[i]), 0);
		assert_int_equal(agent_record_read(path, &record), 0);
		assert_int_equal(record.generation, rows[i].generation);
		assert_string_equal(record.user, rows[i].user);
		assert_int_equal(record.pid, rows[i].pid);
		assert_int_equal(record.start_ticks, rows[i].start_ticks);
	}
	unlink(path);
	assert_int_equal(agent_record_read(path, &(struct agent_record){ 0 }), -ENOENT);
}

static void
test_agent_record__refuses_others(void **state)
{
	static const char *const rows[] = {
		"",
		"\n",
		"1 2 3\n",
		"1 2 3 ../x\n",
		"1 2 3 ada more\n",
		"1 1 3 ada\n",
		"1 0 3 ada\n",
		"-1 2 3 ada\n",
		"1 -2 3 -\n",
		"x 2 3 ada\n",
		"1 2 3 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	};
	char path[] = "/tmp/test-record-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct agent_record record = { .pid = 99 };

		assert_int_equal(io_write_file_durably(path, rows[i], strlen(rows[i]), 0600), 0);
		assert_int_equal(agent_record_read(path, &record), -EPROTO);
		assert_int_equal(record.pid, 99);
	}
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent_record__reads_what_was_written),
		cmocka_unit_test(test_agent_record__refuses_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
