/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quiesce.h - a guest that is about to be sealed comes to rest: the verb quiesce
 *
 * docs/PROTOCOL.md, "Agent frames"; docs/ARCHITECTURE.md, "A fork".
 */
#ifndef AGENT_QUIESCE_H
#define AGENT_QUIESCE_H

#include <mntent.h>
#include <stdbool.h>

#include "agent/task.h"

extern const struct task_kind quiesce_task_kind;

/* A file system on a disk of the machine's own that can be written. */
bool quiesce_is_on_disk(const struct mntent *mount);

/* Tells the disk what the file system mounted there does not use. 0 or a negative errno; -EOPNOTSUPP when it cannot be told. */
int quiesce_trim(const char *folder);

#endif
