/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_sandbox.h - contains carrel-vmm's threads: system call filters by sandbox_rules.h, tried out before the guest starts
 *
 * What launch has done before: a uid of the machine's own, no capabilities, no new privileges, empty network and ipc
 * namespaces (host/launch_child.c). A call that is not allowed kills the process with SIGSYS: the kernel's audit log has the
 * call's number, and hostd sees how the process ended.
 */
#ifndef VMM_VMM_SANDBOX_H
#define VMM_VMM_SANDBOX_H

struct vmm_sandbox;

/* Compiles the filters and tries them out: -EPERM when they let through what they must not, which is logged; or -errno. */
int vmm_sandbox_new(struct vmm_sandbox **ret_sandbox);
/* NULL is allowed. */
void vmm_sandbox_free(struct vmm_sandbox *sandbox);

/* The calling thread, for good. 0 or -errno; without a sandbox (NULL) nothing is done. */
int vmm_sandbox_enter_loop(const struct vmm_sandbox *sandbox);
int vmm_sandbox_enter_vcpu(const struct vmm_sandbox *sandbox);

#endif
