/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_sandbox.h - contains carrel-vmm: it keeps nothing but its descriptors, and its threads have
 * system call filters
 *
 * What launch has done before: a uid of the machine's own, in user, pid, network, ipc and uts
 * namespaces of its own (host/launch_child.c). Everything is tried out before the guest starts
 * (base/forbidden_acts.h). A call that is not allowed by sandbox_rules.h kills the process with
 * SIGSYS: the kernel's audit log has the call's number, and hostd sees how the process ended.
 */
#ifndef VMM_VMM_SANDBOX_H
#define VMM_VMM_SANDBOX_H

struct vmm_sandbox;

/*
 * Contains the whole process, which has one thread, by contain_enter(); a child begins to try out whether it is contained, and its
 * filters. 0; -EPERM when launch has left no right to; or -errno. Failures are logged.
 */
int vmm_sandbox_new(struct vmm_sandbox **ret_sandbox);
/*
 * Waits for that child: before another process is made, before anything is read that a stranger can have made, and before a guest
 * runs. -EPERM when the process, or a thread under its filter, still could what it must not; -errno; what is found is
 * logged. Without a sandbox (NULL), or once more, 0.
 */
int vmm_sandbox_confirm(struct vmm_sandbox *sandbox);
/* NULL is allowed. */
void vmm_sandbox_free(struct vmm_sandbox *sandbox);

/* The calling thread, for good. 0 or -errno; without a sandbox (NULL) nothing is done. */
int vmm_sandbox_enter_loop(const struct vmm_sandbox *sandbox);
int vmm_sandbox_enter_vcpu(const struct vmm_sandbox *sandbox);

#endif
