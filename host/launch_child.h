/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_child.h - what happens between fork(2) and execve(2)
 */
#ifndef HOST_LAUNCH_CHILD_H
#define HOST_LAUNCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_launch.h"

/* What it is in the namespaces in which it already is. */
enum launch_child_kind {
	LAUNCH_CHILD_PLAIN,	/* of the host's user namespace: no rights */
	LAUNCH_CHILD_CONTAINED, /* its uid, and what the program needs to leave the host's files */
	LAUNCH_CHILD_BUILD,	/* root */
};

struct launch_child_plan {
	const char *program;
	char *const *argv;
	char *const *environment;
	uint32_t uid;
	uint32_t gid;
	enum launch_child_kind kind;
	int log;
	int null;
	int gate;    /* the child goes on when it reads one byte from here */
	int failure; /* struct launch_child_failure is written here; close-on-exec tells of success */
	size_t n_fds;
	int fds[LAUNCH_MAX_FDS];
	int targets[LAUNCH_MAX_FDS];
};

enum launch_child_step {
	LAUNCH_CHILD_GATE,
	LAUNCH_CHILD_SIGNALS,
	LAUNCH_CHILD_DESCRIPTORS,
	LAUNCH_CHILD_LIMITS,
	LAUNCH_CHILD_NAMESPACES,
	LAUNCH_CHILD_IDENTITY,
	LAUNCH_CHILD_EXEC,
	LAUNCH_CHILD_STEP_COUNT,
};

struct launch_child_failure {
	int32_t step;
	int32_t error; /* negative errno */
};

/* Never returns. */
void launch_child_run(const struct launch_child_plan *plan) __attribute__((noreturn));

const char *launch_child_step_name(int32_t step);

#endif
