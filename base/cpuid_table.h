/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cpuid_table.h - what the CPUID instruction answers: the form in which base/kvm_cpuid.c lists what
 * KVM can do, base/cpu_model.c says what the guest shall see, and vmm/vcpu_state.c hands that to KVM
 */
#ifndef BASE_CPUID_TABLE_H
#define BASE_CPUID_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPUID_TABLE_MAX 256

struct cpuid_leaf {
	uint32_t leaf;
	uint32_t subleaf;
	bool indexed; /* the answer depends on the subleaf (ECX) */
	uint32_t eax;
	uint32_t ebx;
	uint32_t ecx;
	uint32_t edx;
};

struct cpuid_table {
	size_t n_leaves;
	struct cpuid_leaf leaves[CPUID_TABLE_MAX];
};

#endif
