/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi_fadt_layout.h - the FADT as it lies in memory, little-endian and packed; ACPI 6.3 section
 * 5.2.9
 */
#ifndef VMM_ACPI_FADT_LAYOUT_H
#define VMM_ACPI_FADT_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#include "vmm/acpi_layout.h"

struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved;
	uint8_t profile;
	uint16_t sci_irq;
	uint32_t smi_port;
	uint8_t acpi_enable;
	uint8_t acpi_disable;
	uint8_t s4bios;
	uint8_t pstate_control;
	uint32_t pm1a_event;
	uint32_t pm1b_event;
	uint32_t pm1a_control;
	uint32_t pm1b_control;
	uint32_t pm2_control;
	uint32_t pm_timer;
	uint32_t gpe0;
	uint32_t gpe1;
	uint8_t pm1_event_bytes;
	uint8_t pm1_control_bytes;
	uint8_t pm2_control_bytes;
	uint8_t pm_timer_bytes;
	uint8_t gpe0_bytes;
	uint8_t gpe1_bytes;
	uint8_t gpe1_base;
	uint8_t cstate_control;
	uint16_t c2_latency;
	uint16_t c3_latency;
	uint16_t flush_size;
	uint16_t flush_stride;
	uint8_t duty_offset;
	uint8_t duty_width;
	uint8_t rtc_day_alarm;
	uint8_t rtc_month_alarm;
	uint8_t rtc_century;
	uint16_t boot_flags;
	uint8_t reserved2;
	uint32_t flags;
	struct acpi_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct acpi_address x_pm1a_event;
	struct acpi_address x_pm1b_event;
	struct acpi_address x_pm1a_control;
	struct acpi_address x_pm1b_control;
	struct acpi_address x_pm2_control;
	struct acpi_address x_pm_timer;
	struct acpi_address x_gpe0;
	struct acpi_address x_gpe1;
	struct acpi_address sleep_control;
	struct acpi_address sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));
static_assert(sizeof(struct acpi_fadt) == 276, "section 5.2.9");

#endif
