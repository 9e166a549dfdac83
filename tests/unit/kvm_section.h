/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_section.h - KVM's timer in the section "kvm" of a machine's state file (vmm/kvm.c), for tests
 *
 * No cmocka here.
 */
#ifndef TESTS_UNIT_KVM_SECTION_H
#define TESTS_UNIT_KVM_SECTION_H

#include <linux/kvm.h>

#define KVM_SECTION_CHANNELS 3

/* As if it had been programmed so. */
void kvm_section_program_pit(int fd,
			     const struct kvm_pit_channel_state channels[KVM_SECTION_CHANNELS]);

/* KVM counts its channels from the moment that they are loaded, which is another in each file: none here. */
void kvm_section_forget_pit_times(int fd);

#endif
