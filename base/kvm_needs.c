/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_needs.c - what carrel-vmm needs of a host's KVM (carrel-vmm at its start, carrel-hostd, carrel-worker)
 *
 * How it works: capability_table has every capability that any file of vmm/ relies on, so that a host that lacks one is
 * refused before anything is made, and by name.
 */
#include "base/kvm_needs.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

static const struct {
	int number;
	int least;
	const char *name;
} capability_table[] = {
	{ KVM_CAP_IRQCHIP, 1, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_ADJUST_CLOCK, 1, "KVM_CAP_ADJUST_CLOCK" },
	{ KVM_CAP_USER_MEMORY, 1, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_NR_MEMSLOTS, KVM_NEEDS_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS" },
	{ KVM_CAP_SET_TSS_ADDR, 1, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_EXT_CPUID, 1, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_MP_STATE, 1, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_PIT2, 1, "KVM_CAP_PIT2" },
	{ KVM_CAP_PIT_STATE2, 1, "KVM_CAP_PIT_STATE2" },
	{ KVM_CAP_IOEVENTFD, 1, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1, "KVM_CAP_IOEVENTFD_ANY_LENGTH" },
	{ KVM_CAP_SIGNAL_MSI, 1, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_IMMEDIATE_EXIT, 1, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_VCPU_EVENTS, 1, "KVM_CAP_VCPU_EVENTS" },
	{ KVM_CAP_DEBUGREGS, 1, "KVM_CAP_DEBUGREGS" },
	{ KVM_CAP_XSAVE, 1, "KVM_CAP_XSAVE" },
	{ KVM_CAP_XCRS, 1, "KVM_CAP_XCRS" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1, "KVM_CAP_TSC_DEADLINE_TIMER" },
};

int
kvm_needs_check(int kvm_fd, char ret_problem[KVM_NEEDS_PROBLEM_BYTES])
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	size_t used = 0;

	if (version < 0) {
		snprintf(ret_problem, KVM_NEEDS_PROBLEM_BYTES, "descriptor %d is not /dev/kvm",
			 kvm_fd);
		return -ENOTTY;
	}
	if (version != KVM_API_VERSION) {
		snprintf(ret_problem, KVM_NEEDS_PROBLEM_BYTES,
			 "KVM's interface is version %d, not %d", version, KVM_API_VERSION);
		return -ENOTSUP;
	}
	for (size_t i = 0; i < sizeof(capability_table) / sizeof(capability_table[0]); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, capability_table[i].number) >=
		    capability_table[i].least)
			continue;
		used += (size_t)snprintf(ret_problem + used, KVM_NEEDS_PROBLEM_BYTES - used, "%s%s",
					 used ? ", " : "this host's KVM lacks ",
					 capability_table[i].name);
		if (used >= KVM_NEEDS_PROBLEM_BYTES)
			return -ENOTSUP;
	}
	if (used == 0)
		return 0;
	snprintf(ret_problem + used, KVM_NEEDS_PROBLEM_BYTES - used,
		 ": boot a newer kernel, or use engine qemu");
	return -ENOTSUP;
}
