/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_cpuid.h - what this host's KVM can offer its guests of a processor
 */
#ifndef BASE_KVM_CPUID_H
#define BASE_KVM_CPUID_H

struct cpuid_table;

/* What base/cpu_model.h makes a guest's processor of. 0 or -errno; -E2BIG: it is more than a table holds. */
int kvm_cpuid_list(int kvm_fd, struct cpuid_table *ret_table);

#endif
