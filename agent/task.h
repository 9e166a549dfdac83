/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * task.h - a request that takes longer: named steps, some of which wait for a program of the guest
 *
 * One task at a time. Its steps are a table, run in order; the first that fails ends it. While it waits, the loop goes
 * on, so hello, resync and ready are answered.
 */
#ifndef AGENT_TASK_H
#define AGENT_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/command.h"
#include "base/json.h"

#define TASK_PROBLEM_SIZE 240

struct agent;
struct task;

enum task_result {
	TASK_DONE,    /* go on with the next step */
	TASK_SKIPPED, /* nothing to do here; go on */
	TASK_WAIT,    /* task->command was started; go on when it has ended well */
	TASK_AGAIN,   /* run it again with the next sample of xwatch, which it has begun */
};

struct task_step {
	const char *name;
	/* An enum task_result, or a negative errno with task->problem filled in. */
	int (*run)(struct agent *agent, struct task *task);
	/* What the command printed; NULL when nobody needs it. 0 or a negative errno with task->problem. */
	int (*finish)(struct agent *agent, struct task *task);
	bool may_fail; /* a command that fails is no failure of the task */
};

struct task_kind {
	const struct task_step *steps;
	size_t n_steps;
	/* Called once at its end; status is 0 or a negative errno. The answer is sent afterwards. */
	void (*ended)(struct agent *agent, struct task *task, int status);
};

struct task {
	const struct task_kind *kind; /* NULL: no task */
	size_t at;
	unsigned int n_again;	/* times that this step was run again */
	uint64_t step_began_ms; /* io_boottime_ms() */
	int64_t id;		/* of the request */
	const char *verb;	/* static text */
	json_t *request;	/* its body */
	json_t *answer;		/* the answer's body */
	json_t *steps;		/* names of the steps that did something */
	struct command command;
	char problem[TASK_PROBLEM_SIZE];
};

void task_init(struct task *task);
void task_done(struct task *task);

/* Begins a task for request "id". Takes references of its own. 0, -EBUSY or -ENOMEM. */
int task_begin(struct agent *agent, const struct task_kind *kind, int64_t id, const char *verb,
	       json_t *request);

/* The command has something to say, or its deadline is over. */
void task_handle_command(struct agent *agent);

/* There is another sample of xwatch. */
void task_handle_sample(struct agent *agent);

/* For steps: starts a command. TASK_WAIT, or a negative errno with task->problem. */
int task_command(struct task *task, const char *const argv[], unsigned int timeout_ms);

/* For steps: fills in task->problem and returns "error". */
int task_fail(struct task *task, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
