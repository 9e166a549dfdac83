/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_kvm.h - what engine kvm finds on this machine: the doctor's lines about it
 */
#ifndef HOST_DOCTOR_KVM_H
#define HOST_DOCTOR_KVM_H

#include <glib.h>

struct doctor_options;

struct doctor_finding {
	gboolean ok;
	char *value;	    /* the finding's */
	const char *advice; /* "" where nothing need be done */
};

/* Is /dev/kvm there, and does it open for carrel-hostd? */
void doctor_kvm_check_device(const struct doctor_options *options, struct doctor_finding *finding);
/* VT-x or AMD-V in the processor. */
void doctor_kvm_check_cpu(const struct doctor_options *options, struct doctor_finding *finding);
/* The kernel's module for it. */
void doctor_kvm_check_module(const struct doctor_options *options, struct doctor_finding *finding);
/* Every capability and feature that carrel-vmm needs, by name. */
void doctor_kvm_check_needs(const struct doctor_options *options, struct doctor_finding *finding);
void doctor_kvm_check_io_uring(const struct doctor_options *options,
			       struct doctor_finding *finding);
/* passt's and carrel-vmm's boxes are made of them. */
void doctor_kvm_check_namespaces(const struct doctor_options *options,
				 struct doctor_finding *finding);
/* Does carrel-vmm get the huge pages that it asks for (vmm/guest_memory.c)? A hint only, and only where engine kvm can run. */
void doctor_kvm_check_huge_pages(const struct doctor_options *options,
				 struct doctor_finding *finding);

#endif
