/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox.c - give up rights before touching what strangers send (all processes)
 */
#include "base/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
sandbox_change_ids(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	/* A kernel that lets us back would have been asked in vain. */
	if (uid != 0 && setresuid(0, 0, 0) == 0)
		return -EPERM;
	return 0;
}

int
sandbox_become(uid_t uid, gid_t gid)
{
	int error = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	if (geteuid() == 0) {
		if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
			return -EPERM;
		error = sandbox_change_ids(uid, gid);
	}
	if (error < 0)
		return error;
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int
sandbox_hide_memory(void)
{
	static const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

int
sandbox_close_from(int first)
{
	return syscall(SYS_close_range, (unsigned int)first, ~0U, 0) < 0 ? -errno : 0;
}

int
sandbox_deny_calls(const char *const *names, size_t n_names)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_names && error == 0; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		error = call == __NR_SCMP_ERROR
				? -EINVAL
				: seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0);
	}
	if (error == 0)
		error = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return error;
}
