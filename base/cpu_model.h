/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cpu_model.h - the processor that the guest sees: stable models by name, within what KVM offers
 *
 *   carrel-v0   x86-64 as it began: any host, also one without VT-x and AMD-V
 *   carrel-v1   what Intel's (Broadwell) and AMD's (Zen) processors have in common since 2017: the
 *               x86-64-v3 of compilers, AES, RDRAND, SMEP and SMAP
 *
 * A model has exactly the features in its table, whatever else the host's processor can do, so that
 * a machine sealed on one host runs on others. What depends on the host is only the maker and the
 * number of its processor, how wide its addresses are, and what it says about its own flaws: the
 * guest's kernel has to know the truth about these. No model has the invariant TSC: Linux would use
 * it in place of KVM's clock, which a fork can set right.
 *
 * Intel, Software Developer's Manual volume 2, CPUID; AMD64 Architecture Programmer's Manual volume
 * 3, appendix E; Linux, Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef BASE_CPU_MODEL_H
#define BASE_CPU_MODEL_H

#include <stdint.h>

#define CPU_MODEL_PROBLEM_BYTES 256

struct cpuid_table;

/*
 * 0; -EINVAL for a model that is not known, -ENOTSUP when "supported" lacks some of it; ret_problem
 * names what.
 */
int cpu_model_check(const char *model, const struct cpuid_table *supported,
		    char ret_problem[CPU_MODEL_PROBLEM_BYTES]);

/* What vCPU "index" of "n_cpus" (cores of one package) answers. The model has passed the check. */
void cpu_model_fill(const char *model, const struct cpuid_table *supported, uint32_t n_cpus,
		    uint32_t index, struct cpuid_table *ret_table);

#endif
