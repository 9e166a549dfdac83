/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_power.c - the power button is an event that interrupts by the SCI (ACPI 6.3 section 4.8.3.1.1)
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"

#define STATUS_PORT  0x600 /* vmm/acpi_pm.h */
#define ENABLE_PORT  0x602
#define POWER_BUTTON (1 << 8)
#define SCI	     9
#define VECTOR	     (BARE_IRQ_FIRST + 1)

static volatile uint32_t n_presses;

/* Level-triggered: the same press may interrupt once more before its end has got through. */
static void
handle_sci(void)
{
	if (!(bare_in16(STATUS_PORT) & POWER_BUTTON))
		return;
	bare_out16(STATUS_PORT, POWER_BUTTON);
	n_presses++;
}

void
guest_main(void)
{
	bare_irq_set_up();
	bare_irq_set_handler(VECTOR, handle_sci);
	bare_irq_route(SCI, VECTOR, true);
	bare_say("note: is not interested");
	bare_check(BARE_WAIT(bare_in16(STATUS_PORT) == POWER_BUTTON), "the button is pressed");
	bare_check_equal(n_presses, 0, "an event that is not enabled interrupts nobody");
	bare_out16(ENABLE_PORT, POWER_BUTTON);
	bare_check(BARE_WAIT(n_presses == 1), "it does when it is enabled");
	bare_check_equal(bare_in16(STATUS_PORT), 0, "the event is over");
	bare_say("note: is interested");
	bare_check(BARE_WAIT(n_presses == 2), "the next time it interrupts at once");
}
