/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_cgroup.h - cgroup v2 limits, where a tree is ours to use
 *
 * <own cgroup>/carrel-desktops.slice/<id>/<role>. Where there is no writable cgroup v2 all of this does nothing and
 * succeeds, launch_cgroup_fence() excepted: limits are an extra, uids and pidfds are what holds.
 */
#ifndef HOST_LAUNCH_CGROUP_H
#define HOST_LAUNCH_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct launch_cgroup {
	char slice[256]; /* "": no cgroup */
	bool memory;	 /* memory.max is there */
};

/* Finds or makes the slice and logs what can be limited. */
void launch_cgroup_init(struct launch_cgroup *ret_cgroup);

/* Moves "pid" into the unit's group of this role; memory_max_bytes 0 is no limit. */
int launch_cgroup_enter(const struct launch_cgroup *cgroup, const char *unit, const char *role,
			pid_t pid, uint64_t memory_max_bytes);

/*
 * The role's processes will reach outward only (launch_fence.h): before launch_cgroup_enter(), which must then be called.
 * Unlike limits this is no extra: -ENOTSUP where there is no cgroup v2.
 */
int launch_cgroup_fence(const struct launch_cgroup *cgroup, const char *unit, const char *role);

/* SIGKILL for all in the group; -ENOENT where that cannot be done. */
int launch_cgroup_kill(const struct launch_cgroup *cgroup, const char *unit, const char *role);

/* Removes the unit's groups, which are empty by now. */
void launch_cgroup_remove(const struct launch_cgroup *cgroup, const char *unit);

#endif
