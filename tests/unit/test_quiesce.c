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
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

#include "agent/agent.h"
#include "agent/quiesce.h"
#include "base/io.h"
#include "tests/unit/stderr_capture.h"

int __wrap_timerfd_create(clockid_t clock_id, int flags);
int __real_timerfd_create(clockid_t clock_id, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *ret_old);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *ret_old);

static const char *failing = ""; /* which of the wrapped functions */

int
__wrap_timerfd_create(clockid_t clock_id, int flags)
{
	if (strcmp(failing, "timerfd_create") != 0)
		return __real_timerfd_create(clock_id, flags);
	errno = EMFILE;
	return -1;
}

int
__wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value,
		       struct itimerspec *ret_old)
{
	if (strcmp(failing, "timerfd_settime") != 0)
		return __real_timerfd_settime(fd, flags, value, ret_old);
	errno = EINVAL;
	return -1;
}

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

/* The first of that name. */
static const struct task_step *
find_step(const char *name)
{
	for (size_t i = 0; i < quiesce_task_kind.n_steps; i++)
		if (strcmp(quiesce_task_kind.steps[i].name, name) == 0)
			return &quiesce_task_kind.steps[i];
	fail_msg("no step '%s'", name);
	return NULL;
}

/* What comes behind the rest may end it. */
static void
test_quiesce__nothing_long_follows_the_rest(void **state)
{
	const struct task_step *end = quiesce_task_kind.steps + quiesce_task_kind.n_steps;

	(void)state;
	assert_ptr_equal(find_step("rest"), end - 2);
	assert_string_equal(end[-1].name, "sync");
	assert_ptr_equal(end[-1].run, find_step("sync")->run);
	assert_ptr_not_equal(end[-1].run, find_step("trim")->run);
	assert_true(find_step("sync") < find_step("trim"));
}

static void
test_quiesce__waits_until_no_process_begins_or_ends(void **state)
{
	static const struct {
		unsigned int samples;
		unsigned int unchanged;
		uint64_t waited_ms;
		int result;
	} rows[] = {
		{ 0, 0, 0, TASK_AGAIN },  /* nothing was seen yet */
		{ 0, 40, 0, TASK_AGAIN }, /* by somebody before */
		{ 19, 40, 5000, TASK_AGAIN },
		{ 20, 20, 5000, TASK_DONE },
		{ 200, 19, 50000, TASK_AGAIN },
		{ 400, 19, 50000, TASK_AGAIN }, /* many samples are no long time */
		{ 200, 20, 50000, TASK_DONE },
		{ 30, 19, 60000, TASK_SKIPPED }, /* nor few a short one */
		{ 30, 20, 60000, TASK_DONE },
	};
	struct agent agent;

	(void)state;
	agent_init(&agent);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct task task = { .n_again = rows[i].samples,
				     .step_began_ms = io_boottime_ms() - rows[i].waited_ms,
				     .answer = json_object() };
		struct stderr_capture capture;
		char *log;
		int result;

		xwatch_begin(&agent.xwatch);
		agent.xwatch.unchanged = rows[i].unchanged;
		stderr_capture_begin(&capture);
		result = find_step("rest")->run(&agent, &task);
		log = stderr_capture_end(&capture);
		assert_int_equal(result, rows[i].result);
		assert_int_equal(strstr(log, "begin or end") != NULL, result == TASK_SKIPPED);
		free(log);
		assert_int_equal(agent.xwatch.timer_fd >= 0, rows[i].result == TASK_AGAIN);
		assert_int_equal(json_object_size(task.answer), rows[i].result != TASK_AGAIN);
		assert_int_equal(json_get_flag(task.answer, "rests", 0),
				 rows[i].result == TASK_DONE);
		json_decref(task.answer);
	}
	agent_done(&agent);
}

static void
test_quiesce__does_not_wait_without_a_timer(void **state)
{
	static const char *const calls[] = { "timerfd_create", "timerfd_settime" };
	struct agent agent;

	(void)state;
	agent_init(&agent);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct task task = { .step_began_ms = io_boottime_ms(), .answer = json_object() };
		struct stderr_capture capture;
		char *log;
		int result;

		failing = calls[i];
		stderr_capture_begin(&capture);
		result = find_step("rest")->run(&agent, &task);
		log = stderr_capture_end(&capture);
		failing = "";
		assert_int_equal(result, TASK_SKIPPED);
		assert_int_equal(agent.xwatch.timer_fd, -1);
		assert_null(json_object_get(task.answer, "rests"));
		json_decref(task.answer);
		assert_non_null(strstr(log, "cannot make a timer"));
		assert_null(strstr(log, "begin or end"));
		free(log);
	}
	agent_done(&agent);
}

static int
run_thrice(struct agent *agent, struct task *task)
{
	(void)agent;
	if (task->n_again == 0)
		assert_true(io_boottime_ms() - task->step_began_ms < 30000);
	task->step_began_ms = 0; /* the next step has one of its own */
	return task->n_again < 2 ? TASK_AGAIN : TASK_DONE;
}

static void
note_end(struct agent *agent, struct task *task, int status)
{
	(void)agent;
	assert_int_equal(status, 0);
	assert_int_equal(json_array_size(task->steps), 2);
}

static void
test_quiesce__each_sample_is_another_look(void **state)
{
	static const struct task_step steps[] = {
		{ "first", run_thrice, NULL, false },
		{ "second", run_thrice, NULL, false },
	};
	static const struct task_kind kind = { .steps = steps, .n_steps = 2, .ended = note_end };
	struct agent agent;

	(void)state;
	agent_init(&agent);
	assert_int_equal(task_begin(&agent, &kind, 1, "quiesce", NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(agent.task.kind, &kind);
		task_handle_sample(&agent);
	}
	assert_null(agent.task.kind);
	task_handle_sample(&agent);
	agent_done(&agent);
}

static int
run_sleep(struct agent *agent, struct task *task)
{
	static const char *const argv[] = { "/bin/sleep", "60", NULL };

	(void)agent;
	return task_command(task, argv, 60000);
}

/* Somebody asks for ready while a step's command is at work. */
static void
test_quiesce__a_sample_does_not_start_a_command_again(void **state)
{
	static const struct task_step steps[] = { { "sleep", run_sleep, NULL, false } };
	static const struct task_kind kind = { .steps = steps, .n_steps = 1 };
	struct agent agent;
	pid_t pid;

	(void)state;
	agent_init(&agent);
	assert_int_equal(task_begin(&agent, &kind, 1, "quiesce", NULL), 0);
	pid = agent.task.command.pid;
	assert_true(pid > 0);
	task_handle_sample(&agent);
	assert_ptr_equal(agent.task.kind, &kind);
	assert_int_equal(agent.task.n_again, 0);
	assert_int_equal(agent.task.command.pid, pid);
	agent_done(&agent);
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
		cmocka_unit_test(test_quiesce__nothing_long_follows_the_rest),
		cmocka_unit_test(test_quiesce__waits_until_no_process_begins_or_ends),
		cmocka_unit_test(test_quiesce__does_not_wait_without_a_timer),
		cmocka_unit_test(test_quiesce__each_sample_is_another_look),
		cmocka_unit_test(test_quiesce__a_sample_does_not_start_a_command_again),
		cmocka_unit_test(test_quiesce__only_a_fresh_guest_is_to_be_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
