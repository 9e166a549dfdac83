/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_contain.c - namespaces of its own for a machine's process that contains itself (carrel-worker)
 *
 * What carrel-launch does as root for a desktop's machine a worker does as its own uid: a user namespace may be made by anybody
 * where the kernel allows it (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces), with no id but one's own.
 */
#include "templates/job_contain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sandbox.h"

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

pid_t
job_contain_fork(void)
{
	return (pid_t)syscall(SYS_clone, (unsigned long)(NAMESPACES | SIGCHLD), NULL, NULL, NULL,
			      NULL);
}

static int
job_contain_write(const char *path, const char *text)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_full(fd, text, strlen(text));
}

static int
job_contain_map(const char *path, unsigned int id)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u 1\n", id, id);
	return job_contain_write(path, text);
}

int
job_contain_settle(uid_t uid, gid_t gid)
{
	int error = job_contain_map("/proc/self/uid_map", uid);

	if (error == 0)
		error = job_contain_write("/proc/self/setgroups", "deny");
	if (error == 0)
		error = job_contain_map("/proc/self/gid_map", gid);
	if (error == 0)
		error = job_contain_write("/proc/sys/user/max_user_namespaces", "0");
	return error < 0 ? error : sandbox_become_keeping(uid, gid, CAP_SYS_ADMIN);
}
