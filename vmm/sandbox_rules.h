/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_rules.h - the system calls that each kind of carrel-vmm's threads may make once the guest
 * can run
 *
 * The loop's thread has its filter from machine_run() on, a vCPU's thread from its first
 * instruction. The kernel's threads behind io_uring run no code of ours and make no system calls:
 * what they may do stands in disk_io.c's restrictions.
 */
#ifndef VMM_SANDBOX_RULES_H
#define VMM_SANDBOX_RULES_H

#include <stddef.h>

#include "base/sandbox_compile.h"

/* Different calls, as Firecracker has them: a test counts. */
#define SANDBOX_MAX_LOOP_CALLS 50
#define SANDBOX_MAX_VCPU_CALLS 27

extern const struct sandbox_rule sandbox_loop_rules[];
extern const size_t sandbox_n_loop_rules;
extern const struct sandbox_rule sandbox_vcpu_rules[];
extern const size_t sandbox_n_vcpu_rules;

#endif
