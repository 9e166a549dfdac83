/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_state.h - what carrel-launch knows: the desktops and jobs ("units") and their processes
 */
#ifndef HOST_LAUNCH_STATE_H
#define HOST_LAUNCH_STATE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/proto_launch.h"
#include "host/launch_cgroup.h"
#include "host/launch_options.h"

struct launch_child {
	int32_t pid; /* 0: none */
	uint64_t start_ticks;
	int pidfd;
};

/* A desktop or a job. A free place in the table has an empty name. */
struct launch_unit {
	char name[ID_SIZE];
	uint64_t generation;		    /* 0 for jobs */
	uint32_t uids[2];		    /* 0: none */
	int listeners[LAUNCH_SOCKET_COUNT]; /* -1: none */
	struct launch_child children[LAUNCH_ROLE_COUNT];
};

/* What goes back to hostd; descriptors stay launch's own. */
struct launch_answer {
	const void *payload;
	uint32_t size;
	int fds[LAUNCH_SOCKET_COUNT];
	size_t n_fds;
};

struct launch {
	struct launch_options options;
	struct launch_cgroup cgroup;
	int listener;
	int peer; /* hostd's connection; -1: none */
	int signals;
	int lock;
	struct log_limit strangers;
	struct launch_unit units[LAUNCH_MAX_RECORDS];
	/* of the request that is being answered */
	struct launch_answer answer;
	struct launch_refusal refusal;
	union {
		struct launch_desktop_made made;
		struct launch_spawned spawned;
		struct launch_record records[LAUNCH_MAX_RECORDS];
	} payload;
};

struct launch_unit *launch_state_find(struct launch *launch, const char *name);

/* A free place, named and otherwise empty; NULL when all LAUNCH_MAX_RECORDS are taken. */
struct launch_unit *launch_state_add(struct launch *launch, const char *name);

/* Closes what it holds and makes the place free. */
void launch_state_drop(struct launch_unit *unit);
void launch_state_close_listeners(struct launch_unit *unit);
bool launch_state_alive(const struct launch_unit *unit);

/* Sets the refusal's text and returns "error", so that a check is one line. */
int launch_state_refuse(struct launch *launch, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "<run>/desktops/<id>" or "<run>/jobs/<id>"; "<lib>/desktops/<id>" or "<lib>/staging/<id>". */
int launch_state_run_path(const struct launch *launch, const char *name, const char *file,
			  char *ret_path, size_t size);
int launch_state_lib_path(const struct launch *launch, const char *name, char *ret_path,
			  size_t size);

/* Writes the unit's record durably; reads all records back at start. */
int launch_state_save(struct launch *launch, const struct launch_unit *unit);
int launch_state_load(struct launch *launch);

#endif
