/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_quiesce.c - what the agent trims before a seal, and what it is afterwards
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "agent/agent.h"
#include "agent/quiesce.h"

static void
test_quiesce__trims_disks_that_can_be_written(void **state)
{
	static const struct {
		const char *device;
		const char *options;
		bool good;
	} rows[] = {
		{ "/dev/vda", "rw,relatime", true },  { "/dev/mapper/root", "rw", true },
		{ "/dev/vda", "ro,relatime", false }, { "tmpfs", "rw", false },
		{ "devtmpfs", "rw", false },	      { "server:/home", "rw", false },
		{ "/home", "rw,bind", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mntent mount = { .mnt_fsname = (char *)(uintptr_t)rows[i].device,
					.mnt_opts = (char *)(uintptr_t)rows[i].options };

		assert_int_equal(quiesce_is_on_disk(&mount), rows[i].good);
	}
}

static void
test_quiesce__tells_what_cannot_be_trimmed(void **state)
{
	(void)state;
	assert_int_equal(quiesce_trim("/proc"), -EOPNOTSUPP);
	assert_int_equal(quiesce_trim("/nonexistent"), -ENOENT);
}

static void
test_quiesce__only_a_fresh_guest_is_to_be_sealed(void **unused)
{
	static const struct {
		enum agent_state before;
		int status;
		enum agent_state after;
	} rows[] = {
		{ AGENT_STATE_FRESH, 0, AGENT_STATE_QUIESCED },
		{ AGENT_STATE_FRESH, -EIO, AGENT_STATE_FRESH },
		{ AGENT_STATE_QUIESCED, 0, AGENT_STATE_QUIESCED },
		{ AGENT_STATE_IDENTIFIED, 0, AGENT_STATE_IDENTIFIED },
	};
	struct agent agent;

	(void)unused;
	agent_init(&agent);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		agent.state = rows[i].before;
		quiesce_task_kind.ended(&agent, NULL, rows[i].status);
		assert_int_equal(agent.state, rows[i].after);
	}
	agent_done(&agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiesce__trims_disks_that_can_be_written),
		cmocka_unit_test(test_quiesce__tells_what_cannot_be_trimmed),
		cmocka_unit_test(test_quiesce__only_a_fresh_guest_is_to_be_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
