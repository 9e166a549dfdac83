/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_kvm_clock.h - KVM's clock in a guest without an operating system (MSR_KVM_SYSTEM_TIME_NEW of Linux'
 * Documentation/virt/kvm/x86/msr.rst)
 */
#ifndef TESTS_GUESTS_BARE_KVM_CLOCK_H
#define TESTS_GUESTS_BARE_KVM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Of the CPU that calls it, once; false, which is said, when there is no such clock. */
bool bare_kvm_clock_start(void);
/* On the same CPU. */
uint64_t bare_kvm_clock_read_ns(void);

#endif
