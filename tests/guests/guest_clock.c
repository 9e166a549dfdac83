/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_clock.c - for a guest that is paused no time passes: its clocks go on from where they stood
 *
 * They are read again and again, until the power button is pressed; none may make a step of a second.
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_kvm_clock.h"

#define PM_STATUS_PORT 0x600
#define PM_TIMER_PORT  0x608
#define PM_TIMER_HZ    3579545
#define MAX_STEP_MS    1000
#define NS_PER_MS      1000000

enum clock {
	KVM_CLOCK,
	PM_TIMER,
	CLOCK_COUNT,
};

static struct bare_kvm_clock kvm_clock;
static uint64_t values[CLOCK_COUNT];   /* nanoseconds, ticks */
static uint64_t steps_ms[CLOCK_COUNT]; /* the longest */

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
	uint64_t ns = bare_kvm_clock_read_ns(&kvm_clock);

	take_step(KVM_CLOCK, ns, is_first ? 0 : (ns - values[KVM_CLOCK]) / NS_PER_MS);
	take_step(PM_TIMER, ticks,
		  is_first ? 0 : (uint32_t)(ticks - values[PM_TIMER]) / (PM_TIMER_HZ / 1000));
}

void
guest_main(void)
{
	static const char *const names[CLOCK_COUNT] = { "KVM's clock", "the PM timer" };

	if (!bare_kvm_clock_start(&kvm_clock))
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
