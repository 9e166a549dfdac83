/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * legacy_stage.h - COM1, the real-time clock and power management in a machine without KVM, for fuzzers
 */
#ifndef TESTS_FUZZ_LEGACY_STAGE_H
#define TESTS_FUZZ_LEGACY_STAGE_H

#include <stdint.h>

struct acpi_pm;
struct fake_platform;
struct rtc;
struct serial;

struct legacy_stage {
	struct fake_platform *fake;
	struct acpi_pm *pm;
	struct rtc *rtc;
	struct serial *serial;
};

/* abort()s when anything fails, and whenever COM1 hands over a line that is empty, too long or more than one. */
void legacy_stage_open(struct legacy_stage *stage);
void legacy_stage_close(struct legacy_stage *stage);

/* Bits 0 to 4 choose one of the ports of COM1, the clock, the keyboard controller or power management. */
uint16_t legacy_stage_choose_port(uint8_t choice);

#endif
