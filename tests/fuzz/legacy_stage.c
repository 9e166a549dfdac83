/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * legacy_stage.c - COM1, the real-time clock and power management in a machine without KVM, for fuzzers
 */
#include "tests/fuzz/legacy_stage.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_platform.h"
#include "vmm/acpi_pm.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"

#define RAM_BYTES     (UINT64_C(1) << 20)
#define CPUS	      2
#define KEYBOARD_PORT 0x64

static void
legacy_stage_check_line(void *context, const char *line, size_t length)
{
	(void)context;
	if (length == 0 || length > SERIAL_MAX_LINE_BYTES || memchr(line, '\n', length))
		abort();
}

void
legacy_stage_open(struct legacy_stage *stage)
{
	if (fake_platform_new(RAM_BYTES, &stage->fake) < 0 ||
	    acpi_pm_new(&stage->fake->platform, &stage->pm) < 0 ||
	    rtc_new(&stage->fake->platform, CPUS, &stage->rtc) < 0 ||
	    serial_new(&stage->fake->platform, legacy_stage_check_line, NULL, &stage->serial) < 0)
		abort();
}

void
legacy_stage_close(struct legacy_stage *stage)
{
	serial_free(stage->serial);
	rtc_free(stage->rtc);
	acpi_pm_free(stage->pm);
	fake_platform_free(stage->fake);
}

uint16_t
legacy_stage_choose_port(uint8_t choice)
{
	uint32_t index = choice % 32;

	if (index < SERIAL_PORTS)
		return (uint16_t)(SERIAL_PORT + index);
	if (index < SERIAL_PORTS + RTC_PORTS)
		return (uint16_t)(RTC_PORT + index - SERIAL_PORTS);
	if (index == SERIAL_PORTS + RTC_PORTS)
		return KEYBOARD_PORT;
	return (uint16_t)(ACPI_PM_PORT + index % ACPI_PM_PORTS);
}
