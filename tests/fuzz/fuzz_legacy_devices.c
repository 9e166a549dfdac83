/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_legacy_devices.c - the ports of COM1, the real-time clock and power management, together in one machine
 *
 * The input is a list of orders of 6 bytes: what to do, which port, a value in 4 bytes. The time is the input's too
 * (fuzzer_clock.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzzer_clock.h"
#include "tests/fuzz/legacy_stage.h"
#include "tests/unit/fake_platform.h"
#include "vmm/acpi_pm.h"
#include "vmm/loop.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"

#define FUZZ_ORDER_BYTES 6
#define FUZZ_MAX_ORDERS	 4096

#define FUZZ_SCI    9
#define FUZZ_BUTTON 0x0100

enum fuzz_order {
	FUZZ_READ,
	FUZZ_WRITE,
	FUZZ_WAIT,
	FUZZ_STEP,
	FUZZ_FEED,
	FUZZ_PRESS,
	FUZZ_RAISE,
	FUZZ_PAUSE,
	FUZZ_RESUME,
	FUZZ_RESET,
	FUZZ_ORDER_COUNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the button and the general events want of the SCI; the timer's status may be newer than its interrupt. */
static void
fuzz_check_sci(struct legacy_stage *machine)
{
	uint32_t event = fake_platform_in(machine->fake, ACPI_PM_EVENT_PORT, 4);
	uint32_t gpe = fake_platform_in(machine->fake, ACPI_PM_GPE_PORT, 2);

	if ((event & event >> 16 & FUZZ_BUTTON || gpe & gpe >> 8) &&
	    !machine->fake->irq_level[FUZZ_SCI])
		abort();
	if (!(event & event >> 16) && !(gpe & gpe >> 8) && machine->fake->irq_level[FUZZ_SCI])
		abort();
}

static void
fuzz_obey(struct legacy_stage *machine, enum fuzz_order order, uint8_t choice, uint32_t value)
{
	uint32_t width = 1u << choice / 32 % 3;
	uint8_t bytes[sizeof(value)];

	switch (order) {
	case FUZZ_READ:
		fake_platform_in(machine->fake, legacy_stage_choose_port(choice), width);
		break;
	case FUZZ_WRITE:
		fake_platform_out(machine->fake, legacy_stage_choose_port(choice), width, value);
		break;
	case FUZZ_WAIT: /* milliseconds, or seconds */
		fuzzer_clock_add(choice % 2 ? value % 4096 * FUZZER_CLOCK_NS_PER_MS
					    : value % 65536 * FUZZER_CLOCK_NS_PER_S);
		break;
	case FUZZ_STEP:
		loop_step(machine->fake->platform.loop, 0);
		break;
	case FUZZ_FEED:
		memcpy(bytes, &value, sizeof(bytes));
		for (int i = 0; i <= choice; i++)
			serial_feed(machine->serial, bytes, sizeof(bytes));
		break;
	case FUZZ_PRESS:
		acpi_pm_press_power_button(machine->pm);
		break;
	case FUZZ_RAISE:
		acpi_pm_raise_gpe(machine->pm, choice % 8);
		break;
	case FUZZ_PAUSE:
		acpi_pm_pause(machine->pm);
		break;
	case FUZZ_RESUME:
		acpi_pm_resume(machine->pm);
		break;
	case FUZZ_RESET:
	case FUZZ_ORDER_COUNT:
		acpi_pm_reset(machine->pm);
		rtc_reset(machine->rtc);
		serial_reset(machine->serial);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct legacy_stage machine;

	fuzzer_clock_reset();
	legacy_stage_open(&machine);
	for (size_t i = 0; i < size / FUZZ_ORDER_BYTES && i < FUZZ_MAX_ORDERS; i++) {
		const uint8_t *at = data + i * FUZZ_ORDER_BYTES;
		uint32_t value;

		memcpy(&value, at + 2, sizeof(value));
		fuzz_obey(&machine, at[0] % FUZZ_ORDER_COUNT, at[1], value);
		fuzz_check_sci(&machine);
	}
	legacy_stage_close(&machine);
	return 0;
}
