/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_uids.h - uids that nobody else has
 */
#ifndef HOST_LAUNCH_UIDS_H
#define HOST_LAUNCH_UIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct launch;

/*
 * Finds "count" neighbouring uids of the range that no unit, process, staging folder, account, group or subordinate
 * range (subuid(5)) has. -EUSERS when there are none left.
 */
int launch_uids_find(struct launch *launch, size_t count, uint32_t *ret_uids);

/* True when a process with this uid (real, effective, saved or file system) lives. */
bool launch_uids_in_use(uint32_t uid);

/* SIGKILL for all processes with this uid. */
void launch_uids_kill(uint32_t uid);

/* Is one of first .. first + count - 1 inside a range of this subuid(5) text? */
bool launch_uids_in_subids(const char *text, uint32_t first, uint32_t count);

#endif
