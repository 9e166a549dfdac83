/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_reset.c - each way to reset the machine leads to a fresh start; the RAM keeps what it had
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_pci.h"

#include <linux/pci_regs.h>

#define COUNT_ADDRESS	0x80000 /* RAM where nothing is loaded */
#define MARK_ADDRESS	0x80008
#define MARK		UINT64_C(0x6e6f6f6263617262)
#define RESET_PORT	0x60e
#define RESET_VALUE	1
#define KEYBOARD_PORT	0x64
#define KEYBOARD_RESET	0xfe
#define PM1_ENABLE_PORT 0x602
#define POWER_BUTTON	(1 << 8)
#define APIC_SPURIOUS	0xfee000f0
#define APIC_OFF	0xff /* as after power-on */
#define BRIDGE		0

static uint64_t touched; /* in the data, which is loaded anew */

static void
test_fresh_start(void)
{
	bare_check_equal(touched, 0, "the kernel was loaded anew");
	touched = 1;
	bare_check_equal(BARE_REGISTER(uint32_t, APIC_SPURIOUS), APIC_OFF, "the local APIC is off");
	bare_check_equal(bare_in16(PM1_ENABLE_PORT), 0, "no power event is enabled");
	bare_out16(PM1_ENABLE_PORT, POWER_BUTTON);
	bare_irq_set_up();
}

static void
reset_by_triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" ::"m"(none));
}

void
guest_main(void)
{
	volatile uint64_t *count = (volatile uint64_t *)COUNT_ADDRESS;
	volatile uint64_t *mark = (volatile uint64_t *)MARK_ADDRESS;

	if (*mark != MARK) {
		*mark = MARK;
		*count = 0;
	}
	bare_say("note: start %u", *count);
	test_fresh_start();
	switch ((*count)++) {
	case 0:
		bare_out8(RESET_PORT, RESET_VALUE);
		break;
	case 1:
		bare_out8(KEYBOARD_PORT, KEYBOARD_RESET);
		break;
	case 2:
		reset_by_triple_fault();
		break;
	default:
		return;
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}
