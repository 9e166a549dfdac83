/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * task.c - a request that takes longer, in named steps (carrel-agent, in the guest)
 *
 * How it works: task_begin() runs steps until one starts a command or waits for the guest to rest;
 * task_handle_command() goes on when the command has ended, task_handle_sample() runs the step
 * again. The end, good or bad, calls the kind's ended() and then verbs_answer_task().
 */
#include "agent/task.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/verbs.h"
#include "base/io.h"
#include "base/log.h"

void
task_init(struct task *task)
{
	*task = (struct task){ 0 };
	command_init(&task->command);
}

void
task_done(struct task *task)
{
	command_done(&task->command);
	json_decref(task->request);
	json_decref(task->answer);
	json_decref(task->steps);
	task_init(task);
}

static bool
task_running(const struct task *task)
{
	return task->kind != NULL;
}

int
task_fail(struct task *task, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(task->problem, sizeof(task->problem), format, arguments);
	va_end(arguments);
	return error;
}

int
task_command(struct task *task, const char *const argv[], unsigned int timeout_ms)
{
	int error = command_start(&task->command, argv, timeout_ms);

	if (error < 0)
		return task_fail(task, error, "cannot start '%s': %s", argv[0], strerror(-error));
	return TASK_WAIT;
}

static void
task_end(struct agent *agent, int status)
{
	struct task *task = &agent->task;

	if (status < 0)
		log_error("'%s' failed in step '%s': %s", task->verb,
			  task->kind->steps[task->at].name, task->problem);
	if (task->kind->ended)
		task->kind->ended(agent, task, status);
	verbs_answer_task(agent, task, status);
	task_done(task);
}

/* From a step that did something, or nothing. */
static void
task_end_step(struct task *task, bool is_done)
{
	if (is_done)
		json_array_append_new(task->steps, json_string(task->kind->steps[task->at].name));
	task->at++;
	task->n_again = 0;
	task->step_began_ms = io_boottime_ms();
}

static void
task_go_on(struct agent *agent)
{
	struct task *task = &agent->task;

	while (task->at < task->kind->n_steps) {
		int result = task->kind->steps[task->at].run(agent, task);

		if (result < 0) {
			task_end(agent, result);
			return;
		}
		if (result == TASK_WAIT || result == TASK_AGAIN)
			return;
		task_end_step(task, result == TASK_DONE);
	}
	task_end(agent, 0);
}

int
task_begin(struct agent *agent, const struct task_kind *kind, int64_t id, const char *verb,
	   json_t *request)
{
	struct task *task = &agent->task;

	if (task_running(task))
		return -EBUSY;
	task_init(task);
	task->answer = json_object();
	task->steps = json_array();
	if (!task->answer || !task->steps) {
		task_done(task);
		return -ENOMEM;
	}
	task->kind = kind;
	task->id = id;
	task->verb = verb;
	task->request = json_incref(request);
	task->step_began_ms = io_boottime_ms();
	task_go_on(agent);
	return 0;
}

static int
task_judge_command(struct agent *agent, struct task *task)
{
	const struct task_step *step = &task->kind->steps[task->at];
	char complaint[160];

	if (task->command.status < 0 && !step->may_fail) {
		command_get_complaint(&task->command, complaint, sizeof(complaint));
		return task_fail(task, task->command.status, "%s: %s", step->name,
				 task->command.status == -ETIMEDOUT ? "took too long" : complaint);
	}
	if (task->command.status == 0 && step->finish)
		return step->finish(agent, task);
	return 0;
}

void
task_handle_command(struct agent *agent)
{
	struct task *task = &agent->task;
	int error;

	if (!task_running(task) || !command_handle_ready(&task->command))
		return;
	error = task_judge_command(agent, task);
	if (error < 0) {
		task_end(agent, error);
		return;
	}
	task_end_step(task, true);
	task_go_on(agent);
}

void
task_handle_sample(struct agent *agent)
{
	struct task *task = &agent->task;

	if (!task_running(task) || command_running(&task->command))
		return;
	task->n_again++;
	task_go_on(agent);
}
