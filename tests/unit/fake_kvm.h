/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_kvm.h - a test's own ioctl(2): whatever file is asked answers as the /dev/kvm of a host that can be anything
 */
#ifndef TESTS_FAKE_KVM_H
#define TESTS_FAKE_KVM_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_KVM_TSC_KHZ 2000000

struct fake_kvm {
	int version;	/* of KVM's interface; 0: the file is no /dev/kvm */
	int missing[2]; /* capabilities; -1: none */
	bool all_missing;
	bool has_cpu;	/* a processor that can do everything */
	uint32_t flaws; /* of it: CPUID leaf 7, EDX */
	/* It makes machines that run nothing: what is set is taken and forgotten, what is read is zero. */
	bool has_machines;
	uint32_t n_set;	     /* requests that change something of them */
	uint32_t refused;    /* the one that is refused, counted from 1; 0: none */
	unsigned long never; /* one that is refused each time; 0: none */
};

extern struct fake_kvm fake_kvm;

/* A host that can do everything. */
void fake_kvm_set_up(void);

#endif
