/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_platform.c - interrupts, clocks, and what is where no device is
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"

#define APIC_COMMAND	   0xfee00300
#define APIC_FIXED	   0x00004000
#define APIC_TIMER	   0xfee00320
#define APIC_TIMER_COUNT   0xfee00380
#define APIC_TIMER_DIVIDER 0xfee003e0
#define PIT_GSI		   0 /* as all ISA lines: its own number */
#define PIT_CHANNEL_0	   0x40
#define PIT_COMMAND	   0x43
#define PIT_ONE_SHOT	   0x30
#define PM_TIMER_PORT	   0x608
#define PM_TIMER_MASK	   0xffffff
#define RTC_INDEX	   0x70
#define RTC_DATA	   0x71
#define RTC_STATUS_A	   10
#define RTC_UPDATING	   0x80
#define EMPTY_PORT	   0x330
#define EMPTY_MMIO	   0xd0000000

static void
test_local_apic(void)
{
	BARE_REGISTER(uint32_t, APIC_COMMAND) = APIC_FIXED | BARE_IRQ_FIRST;
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) == 1), "a CPU interrupts itself");
	BARE_REGISTER(uint32_t, APIC_TIMER_DIVIDER) = 0xb;
	BARE_REGISTER(uint32_t, APIC_TIMER) = BARE_IRQ_FIRST + 1;
	BARE_REGISTER(uint32_t, APIC_TIMER_COUNT) = 1000;
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1) == 1),
		   "the local APIC's timer interrupts");
}

/* An ISA line through the IOAPIC */
static void
test_pit(void)
{
	bare_irq_route(PIT_GSI, BARE_IRQ_FIRST + 2, false);
	bare_out8(PIT_COMMAND, PIT_ONE_SHOT);
	bare_out8(PIT_CHANNEL_0, 100);
	bare_out8(PIT_CHANNEL_0, 0);
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 2) > 0), "the PIT interrupts");
}

static uint8_t
get_rtc(uint8_t index)
{
	bare_out8(RTC_INDEX, index);
	return bare_in8(RTC_DATA);
}

static void
test_clocks(void)
{
	uint32_t start = bare_in32(PM_TIMER_PORT) & PM_TIMER_MASK;

	bare_check(BARE_WAIT(((bare_in32(PM_TIMER_PORT) - start) & PM_TIMER_MASK) > 1000),
		   "the PM timer runs");
	bare_check(BARE_WAIT(!(get_rtc(RTC_STATUS_A) & RTC_UPDATING)), "the clock can be read");
	/* in BCD, which is read best as hexadecimal */
	bare_say("note: clock %x-%x-%x %x:%x", (uint64_t)get_rtc(9), (uint64_t)get_rtc(8),
		 (uint64_t)get_rtc(7), (uint64_t)get_rtc(4), (uint64_t)get_rtc(2));
}

static void
test_nothing(void)
{
	bare_check_equal(bare_in32(EMPTY_PORT), UINT32_MAX, "where no port is all bits are set");
	bare_out32(EMPTY_PORT, 1);
	bare_check_equal(BARE_REGISTER(uint64_t, EMPTY_MMIO), UINT64_MAX,
			 "where no memory is all bits are set");
	BARE_REGISTER(uint8_t, EMPTY_MMIO) = 1;
}

void
guest_main(void)
{
	bare_irq_set_up();
	test_local_apic();
	test_pit();
	test_clocks();
	test_nothing();
}
