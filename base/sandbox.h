/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox.h - give up rights before touching what strangers send
 *
 * All functions return 0 or a negative errno; after an error the process must
 * end, because it is in neither the old nor the new state.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stddef.h>
#include <sys/types.h>

#define SANDBOX_NO_GROUP ((gid_t)-1)

/*
 * From root to uid/gid for good: no supplementary groups, no capabilities (bounding set included), no new privileges
 * (prctl(2) PR_SET_NO_NEW_PRIVS). Called as another user than root it only gives up what is left.
 */
int sandbox_become(uid_t uid, gid_t gid);

/* The same with one supplementary group, for a device that only that may open. */
int sandbox_become_member(uid_t uid, gid_t gid, gid_t group);

/*
 * In a user namespace without a root, whose first process has all capabilities there: to uid/gid as sandbox_become(), but one
 * capability (CAP_*) stays, and is the program's that is executed next.
 */
int sandbox_become_keeping(uid_t uid, gid_t gid, unsigned int capability);

/* Ends that: no capabilities, no new privileges. */
int sandbox_drop_capabilities(void);

/* No core file and no ptrace(2) by the same uid: for processes that hold passwords. */
int sandbox_hide_memory(void);

/* Closes all descriptors from "first" up (close_range(2)). */
int sandbox_close_from(int first);

#endif
