/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_contain.h - namespaces of its own for a machine's process that contains itself (carrel-worker)
 */
#ifndef TEMPLATES_JOB_CONTAIN_H
#define TEMPLATES_JOB_CONTAIN_H

#include <sys/types.h>

/* As fork(2), -1 and errno; the child is in user, pid, network, ipc and uts namespaces of its own, where it has no ids yet. */
pid_t job_contain_fork(void);

/*
 * In that child: it is uid and gid again, as its parent is, keeps the one right that base/contain.h needs, and can make no user
 * namespace. Allocates nothing. 0 or a negative errno.
 */
int job_contain_settle(uid_t uid, gid_t gid);

#endif
