/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_kvm_clock.c - KVM's clock in a guest without an operating system
 */
#include "tests/guests/bare_kvm_clock.h"

#include "tests/guests/bare.h"

#define MSR_SYSTEM_TIME UINT32_C(0x4b564d01)

struct clock_page {
	uint32_t version; /* odd while KVM writes */
	uint32_t reserved;
	uint64_t cycles;
	uint64_t ns;
	uint32_t multiplier;
	int8_t shift;
	uint8_t flags;
};

static volatile struct clock_page page __attribute__((aligned(64)));

bool
bare_kvm_clock_start(void)
{
	__asm__ volatile("wrmsr" ::"c"(MSR_SYSTEM_TIME), "a"((uint32_t)(uintptr_t)&page | 1),
			 "d"(0));
	return bare_check(BARE_WAIT(page.version != 0), "there is KVM's clock");
}

uint64_t
bare_kvm_clock_read_ns(void)
{
	uint64_t cycles, ns;
	uint32_t version;

	do {
		version = page.version;
		cycles = bare_clock_start() - page.cycles;
		cycles = page.shift < 0 ? cycles >> -page.shift : cycles << page.shift;
		ns = page.ns + (uint64_t)((unsigned __int128)cycles * page.multiplier >> 32);
	} while (version % 2 == 1 || version != page.version);
	return ns;
}
