/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_service.c - a system call filter that denies what no service of ours needs (carrel-display, carrel-gateway): a door to
 * libseccomp
 *
 * Beside sandbox.c, so that carrel-vmm, which has filters of its own, does not load libseccomp.
 */
#include "base/sandbox_service.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>

#include "base/sandbox_filter.h"

static const char *const service_calls[] = {
	"fork",
	"vfork",
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
sandbox_service_add_denials(scmp_filter_ctx filter, uint32_t action, const char *const *names,
			    size_t n_names)
{
	int error = 0;

	for (size_t i = 0; i < n_names && error == 0; i++) {
		int call = seccomp_syscall_resolve_name(names[i]);

		error = call == __NR_SCMP_ERROR ? -EINVAL
						: seccomp_rule_add(filter, action, call, 0);
	}
	return error;
}

/* Threads, but no processes. clone3(2) has its flags in memory, where no filter sees them; the C library goes on with clone(2). */
static int
sandbox_service_add_clone(scmp_filter_ctx filter, uint32_t action)
{
	int error = seccomp_rule_add(filter, action, SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));

	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return error;
}

static int
sandbox_service_load(uint32_t action, const char *const *extra, size_t n_extra)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = filter ? 0 : -ENOMEM;

	if (error == 0)
		error = sandbox_service_add_denials(filter, action, service_calls,
						    sizeof(service_calls) /
							    sizeof(service_calls[0]));
	if (error == 0)
		error = sandbox_service_add_denials(filter, action, extra, n_extra);
	if (error == 0)
		error = sandbox_service_add_clone(filter, action);
	if (error == 0)
		error = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return error;
}

int
sandbox_service_deny_calls(const char *const *extra, size_t n_extra)
{
	return sandbox_service_load(SCMP_ACT_KILL_PROCESS, extra, n_extra);
}

int
sandbox_service_refuse_calls(const char *const *extra, size_t n_extra)
{
	return sandbox_service_load(SCMP_ACT_ERRNO(SANDBOX_FILTER_REFUSED), extra, n_extra);
}
