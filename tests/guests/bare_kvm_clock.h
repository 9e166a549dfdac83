/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_kvm_clock.h - KVM's clock in a guest without an operating system, and the time that KVM had no processor for it
 * (MSR_KVM_SYSTEM_TIME_NEW and MSR_KVM_STEAL_TIME of Linux' Documentation/virt/kvm/x86/msr.rst)
 */
#ifndef TESTS_GUESTS_BARE_KVM_CLOCK_H
#define TESTS_GUESTS_BARE_KVM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <asm/kvm_para.h>

/* What KVM writes for one CPU. */
struct bare_kvm_clock {
	struct bare_kvm_time {
		uint32_t version; /* odd while KVM writes */
		uint32_t reserved;
		uint64_t cycles;
		uint64_t ns;
		uint32_t multiplier;
		int8_t shift;
		uint8_t flags;
	} __attribute__((aligned(64))) time;
	struct kvm_steal_time stolen __attribute__((aligned(64)));
};

/* Of the CPU that calls it, once; false, which is said, when there is no such clock. */
bool bare_kvm_clock_start(volatile struct bare_kvm_clock *clock);
/* On the same CPU. */
uint64_t bare_kvm_clock_read_ns(const volatile struct bare_kvm_clock *clock);
/* How long that CPU could have run and the host ran something else, since it began; 0 where KVM does not tell. */
uint64_t bare_kvm_clock_read_stolen_ns(const volatile struct bare_kvm_clock *clock);

#endif
