/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process_watch.h - the end of one process, told by its pidfd (pidfd_open(2)): whoever its parent is
 */
#ifndef HOST_PROCESS_WATCH_H
#define HOST_PROCESS_WATCH_H

#include <glib.h>

#include "base/proto_launch.h"

struct process_watch {
	int pidfd; /* -1: no process */
	guint source;
	void (*ended)(void *context);
	void *context;
	char *memory_events; /* of its group; NULL: none */
	gboolean ran_out;    /* in ended(): the kernel ended it for lack of memory */
};

/* No process yet. ended() is told once for each; then there is none again, and the watch may be freed. */
void process_watch_init(struct process_watch *watch, void (*ended)(void *context), void *context);

/* Takes the pidfd over. */
void process_watch_begin(struct process_watch *watch, int pidfd);

/* Lets go of the process, which runs on. */
void process_watch_stop(struct process_watch *watch);

/* There is a process, and its end was not told yet. */
gboolean process_watch_is_on(const struct process_watch *watch);

/* The pidfd of a process that launch lists, while it is still that one; else -1. The caller's. */
int process_watch_open(const struct launch_process *process);

#endif
