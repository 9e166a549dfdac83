/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_kvm_clock.c - KVM's clock in a guest without an operating system
 */
#include "tests/guests/bare_kvm_clock.h"

#include <cpuid.h>

#include "tests/guests/bare.h"

static void
bare_kvm_clock_write_msr(uint32_t msr, const volatile void *address)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)(uintptr_t)address | KVM_MSR_ENABLED),
			 "d"(0));
}

static bool
bare_kvm_clock_has(uint32_t feature)
{
	uint32_t eax, ebx, ecx, edx;

	__cpuid(KVM_CPUID_FEATURES, eax, ebx, ecx, edx);
	return eax >> feature & 1;
}

bool
bare_kvm_clock_start(volatile struct bare_kvm_clock *clock)
{
	bare_kvm_clock_write_msr(MSR_KVM_SYSTEM_TIME_NEW, &clock->time);
	if (bare_kvm_clock_has(KVM_FEATURE_STEAL_TIME))
		bare_kvm_clock_write_msr(MSR_KVM_STEAL_TIME, &clock->stolen);
	return bare_check(BARE_WAIT(clock->time.version != 0), "there is KVM's clock");
}

uint64_t
bare_kvm_clock_read_ns(const volatile struct bare_kvm_clock *clock)
{
	const volatile struct bare_kvm_time *time = &clock->time;
	uint64_t cycles, ns;
	uint32_t version;

	do {
		version = time->version;
		cycles = bare_clock_start() - time->cycles;
		cycles = time->shift < 0 ? cycles >> -time->shift : cycles << time->shift;
		ns = time->ns + (uint64_t)((unsigned __int128)cycles * time->multiplier >> 32);
	} while (version % 2 == 1 || version != time->version);
	return ns;
}

uint64_t
bare_kvm_clock_read_stolen_ns(const volatile struct bare_kvm_clock *clock)
{
	return clock->stolen.steal; /* written at once */
}
