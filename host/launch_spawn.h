/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_spawn.h - start, end and bury processes
 */
#ifndef HOST_LAUNCH_SPAWN_H
#define HOST_LAUNCH_SPAWN_H

#include <stdint.h>

struct launch;
struct launch_exited;
struct launch_unit;
struct seq_message;

/* LAUNCH_SPAWN: checks everything, then starts the program; descriptors stay the message's. */
int launch_spawn_handle(void *launch, struct seq_message *message);

/* LAUNCH_KILL */
int launch_spawn_handle_kill(void *launch, struct seq_message *message);

/* Called when the process's pidfd is readable: reaps it, forgets it, and says how it ended. */
void launch_spawn_reap(struct launch *launch, struct launch_unit *unit, uint32_t role,
		       struct launch_exited *ret_exited);

#endif
