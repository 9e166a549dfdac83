/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_cpuid.c - what this host's KVM can offer its guests of a processor (carrel-vmm at its start, carrel-hostd,
 * carrel-worker)
 */
#include "base/kvm_cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/cpuid_table.h"

int
kvm_cpuid_list(int kvm_fd, struct cpuid_table *ret_table)
{
	CLEANUP_FREE struct kvm_cpuid2 *list =
		calloc(1, sizeof(*list) + CPUID_TABLE_MAX * sizeof(list->entries[0]));

	if (!list)
		return -ENOMEM;
	list->nent = CPUID_TABLE_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, list) < 0)
		return -errno;
	ret_table->n_leaves = list->nent;
	for (size_t i = 0; i < list->nent; i++)
		ret_table->leaves[i] = (struct cpuid_leaf){
			.leaf = list->entries[i].function,
			.subleaf = list->entries[i].index,
			.indexed = list->entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = list->entries[i].eax,
			.ebx = list->entries[i].ebx,
			.ecx = list->entries[i].ecx,
			.edx = list->entries[i].edx,
		};
	return 0;
}
