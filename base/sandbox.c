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
sandbox_change_ids(uid_t uid, gid_t gid, gid_t group)
{
	size_t n_groups = group == SANDBOX_NO_GROUP ? 0 : 1;

	if (setgroups(n_groups, &group) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	/* A kernel that lets us back would have been asked in vain. */
	if (uid != 0 && setresuid(0, 0, 0) == 0)
		return -EPERM;
	return 0;
}

int
sandbox_become(uid_t uid, gid_t gid)
{
	return sandbox_become_member(uid, gid, SANDBOX_NO_GROUP);
}

int
sandbox_become_member(uid_t uid, gid_t gid, gid_t group)
{
	int error = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	if (geteuid() == 0) {
		if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
			return -EPERM;
		error = sandbox_change_ids(uid, gid, group);
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

static const char *const service_calls[] = {
	"execve",
	"execveat",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"mount",
	"umount2",
	"pivot_root",
	"chroot",
	"setns",
	"unshare",
	"bpf",
	"perf_event_open",
	"keyctl",
	"add_key",
	"request_key",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"reboot",
	"swapon",
	"swapoff",
	"userfaultfd",
	"chmod",
	"fchmod",
	"fchmodat",
	"chown",
	"fchown",
	"lchown",
	"fchownat",
	"mknod",
	"mknodat",
	"rename",
	"renameat",
	"renameat2",
	"unlink",
	"unlinkat",
	"link",
	"linkat",
	"symlink",
	"symlinkat",
	"setuid",
	"setgid",
	"setresuid",
	"setresgid",
	"settimeofday",
	"clock_settime",
	"sethostname",
	"acct",
	"quotactl",
	"io_uring_setup",
};

static int
sandbox_add_denials(scmp_filter_ctx filter, const char *const *names, size_t n_names)
{
	int error = 0;

	for (size_t i = 0; i < n_names && error == 0; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		error = call == __NR_SCMP_ERROR
				? -EINVAL
				: seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 0);
	}
	return error;
}

int
sandbox_deny_service_calls(const char *const *extra, size_t n_extra)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = filter ? 0 : -ENOMEM;

	if (error == 0)
		error = sandbox_add_denials(filter, service_calls,
					    sizeof(service_calls) / sizeof(service_calls[0]));
	if (error == 0)
		error = sandbox_add_denials(filter, extra, n_extra);
	if (error == 0)
		error = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return error;
}
