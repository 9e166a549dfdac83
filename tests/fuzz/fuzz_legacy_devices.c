/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_legacy_devices.c - the ports of COM1, the real-time clock and power management, together in one machine
 *
 * The input is a list of orders of 6 bytes: what to do, which port, a value in 4 bytes. The time is the input's too (both
 * clocks are put in place by the linker), so that each run is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_platform.h"
#include "vmm/acpi_pm.h"
#include "vmm/loop.h"
#include "vmm/rtc.h"
#include "vmm/rtc_time.h"
#include "vmm/serial.h"

#define FUZZ_ORDER_BYTES 6
#define FUZZ_MAX_ORDERS	 4096
#define FUZZ_RAM_BYTES	 (UINT64_C(1) << 20)
#define FUZZ_NS_PER_S	 UINT64_C(1000000000)
#define FUZZ_FIRST_S	 UINT64_C(1795305590) /* 2026 */

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

struct fuzz_machine {
	struct fake_platform *fake;
	struct acpi_pm *pm;
	struct rtc *rtc;
	struct serial *serial;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint64_t __wrap_loop_now_ns(void);
uint64_t __wrap_rtc_time_now_ns(void);

static uint64_t fuzz_now_ns; /* since the start; the linker's functions have no context */

uint64_t
__wrap_loop_now_ns(void)
{
	return FUZZ_NS_PER_S + fuzz_now_ns;
}

uint64_t
__wrap_rtc_time_now_ns(void)
{
	return FUZZ_FIRST_S * FUZZ_NS_PER_S + fuzz_now_ns;
}

static void
fuzz_check_line(void *context, const char *line, size_t length)
{
	(void)context;
	if (length == 0 || length > SERIAL_MAX_LINE_BYTES || memchr(line, '\n', length))
		abort();
}

/* Ports 0x3f8 to 0x3ff, 0x70, 0x71, 0x64, and else the power management block's. */
static uint16_t
fuzz_choose_port(uint8_t choice)
{
	if (choice % 32 < SERIAL_PORTS)
		return (uint16_t)(SERIAL_PORT + choice % 32);
	if (choice % 32 < SERIAL_PORTS + RTC_PORTS)
		return (uint16_t)(RTC_PORT + choice % 32 - SERIAL_PORTS);
	if (choice % 32 == SERIAL_PORTS + RTC_PORTS)
		return 0x64;
	return (uint16_t)(ACPI_PM_PORT + choice % ACPI_PM_PORTS);
}

/* What the button and the general events want of the SCI; the timer's status may be newer than its interrupt. */
static void
fuzz_check_sci(struct fuzz_machine *machine)
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
fuzz_obey(struct fuzz_machine *machine, enum fuzz_order order, uint8_t choice, uint32_t value)
{
	uint32_t width = 1u << choice / 32 % 3;
	uint8_t bytes[sizeof(value)];

	switch (order) {
	case FUZZ_READ:
		fake_platform_in(machine->fake, fuzz_choose_port(choice), width);
		break;
	case FUZZ_WRITE:
		fake_platform_out(machine->fake, fuzz_choose_port(choice), width, value);
		break;
	case FUZZ_WAIT: /* milliseconds, or seconds */
		fuzz_now_ns += choice % 2 ? value % 4096 * (FUZZ_NS_PER_S / 1000)
					  : value % 65536 * FUZZ_NS_PER_S;
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
	struct fuzz_machine machine;

	fuzz_now_ns = 0;
	if (fake_platform_new(FUZZ_RAM_BYTES, &machine.fake) < 0 ||
	    acpi_pm_new(&machine.fake->platform, &machine.pm) < 0 ||
	    rtc_new(&machine.fake->platform, 2, &machine.rtc) < 0 ||
	    serial_new(&machine.fake->platform, fuzz_check_line, NULL, &machine.serial) < 0)
		abort();
	for (size_t i = 0; i < size / FUZZ_ORDER_BYTES && i < FUZZ_MAX_ORDERS; i++) {
		const uint8_t *at = data + i * FUZZ_ORDER_BYTES;
		uint32_t value;

		memcpy(&value, at + 2, sizeof(value));
		fuzz_obey(&machine, at[0] % FUZZ_ORDER_COUNT, at[1], value);
		fuzz_check_sci(&machine);
	}
	serial_free(machine.serial);
	rtc_free(machine.rtc);
	acpi_pm_free(machine.pm);
	fake_platform_free(machine.fake);
	return 0;
}
