/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_clock.c - for a guest that is paused no time passes: its clocks go on from where they stood
 *
 * They are read again and again, until the power button is pressed; none may make a step of a second. KVM's clock is
 * MSR_KVM_SYSTEM_TIME_NEW of Linux' Documentation/virt/kvm/x86/msr.rst.
 */
#include "tests/guests/bare.h"

#define MSR_SYSTEM_TIME UINT32_C(0x4b564d01)
#define PM_STATUS_PORT	0x600
#define PM_TIMER_PORT	0x608
#define PM_TIMER_HZ	3579545
#define MAX_STEP_MS	1000
#define NS_PER_MS	1000000

struct clock_page {
	uint32_t version;
	uint32_t reserved;
	uint64_t cycles;
	uint64_t ns;
	uint32_t multiplier;
	int8_t shift;
	uint8_t flags;
};

enum clock {
	KVM_CLOCK,
	PM_TIMER,
	CLOCK_COUNT,
};

static volatile struct clock_page page __attribute__((aligned(64)));
static uint64_t values[CLOCK_COUNT];   /* nanoseconds, ticks */
static uint64_t steps_ms[CLOCK_COUNT]; /* the longest */

static uint64_t
get_ns(uint64_t cycles)
{
	cycles = page.shift < 0 ? cycles >> -page.shift : cycles << page.shift;
	return (uint64_t)((unsigned __int128)cycles * page.multiplier >> 32);
}

static void
take_step(enum clock clock, uint64_t value, uint64_t step_ms)
{
	values[clock] = value;
	if (step_ms > steps_ms[clock])
		steps_ms[clock] = step_ms;
}

static void
read_clocks(bool is_first)
{
	uint64_t ticks = bare_in32(PM_TIMER_PORT);
	uint64_t cycles, ns;
	uint32_t version;

	do {
		version = page.version;
		cycles = bare_clock_start();
		ns = page.ns + get_ns(cycles - page.cycles);
	} while (version % 2 == 1 || version != page.version);
	take_step(KVM_CLOCK, ns, is_first ? 0 : (ns - values[KVM_CLOCK]) / NS_PER_MS);
	take_step(PM_TIMER, ticks,
		  is_first ? 0 : (uint32_t)(ticks - values[PM_TIMER]) / (PM_TIMER_HZ / 1000));
}

void
guest_main(void)
{
	static const char *const names[CLOCK_COUNT] = { "KVM's clock", "the PM timer" };

	__asm__ volatile("wrmsr" ::"c"(MSR_SYSTEM_TIME), "a"((uint32_t)(uintptr_t)&page | 1),
			 "d"(0));
	if (!bare_check(BARE_WAIT(page.version != 0), "there is KVM's clock"))
		return;
	read_clocks(true);
	bare_say("note: looks at the clock");
	while (bare_in16(PM_STATUS_PORT) == 0)
		read_clocks(false);
	for (size_t i = 0; i < CLOCK_COUNT; i++) {
		bare_say("note: the longest step of %s: %u ms", names[i], steps_ms[i]);
		bare_check(steps_ms[i] < MAX_STEP_MS, names[i]);
	}
}
