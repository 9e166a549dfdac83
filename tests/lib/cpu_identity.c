/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cpu_identity.c - prints what guests of this host see of their processor, as carrel-hostd hashes it: cpu_identity MODEL CPUS
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu_model.h"
#include "base/cpuid_table.h"
#include "base/kvm_cpuid.h"

int
main(int argc, char **argv)
{
	static struct cpuid_table supported, guest;
	int device = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (argc != 3 || device < 0 || kvm_cpuid_list(device, &supported) < 0)
		return 1;
	cpu_model_fill(argv[1], &supported, (uint32_t)atoi(argv[2]), 0, &guest);
	for (size_t i = 0; i < guest.n_leaves; i++) {
		const struct cpuid_leaf *leaf = &guest.leaves[i];

		printf("%08x %08x %d %08x %08x %08x %08x\n", leaf->leaf, leaf->subleaf,
		       leaf->indexed, leaf->eax, leaf->ebx, leaf->ecx, leaf->edx);
	}
	return 0;
}
