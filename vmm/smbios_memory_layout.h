/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smbios_memory_layout.h - the SMBIOS structures about memory as they lie in it (smbios_layout.h
 * has the others)
 */
#ifndef VMM_SMBIOS_MEMORY_LAYOUT_H
#define VMM_SMBIOS_MEMORY_LAYOUT_H

#include <assert.h>
#include <stdint.h>

#include "vmm/smbios_layout.h"

struct smbios_memory_array {
	struct smbios_head head;
	uint8_t location;
	uint8_t use;
	uint8_t error_correction;
	uint32_t max_kib;
	uint16_t error_handle;
	uint16_t n_devices;
	uint64_t max_bytes;
} __attribute__((packed));
static_assert(sizeof(struct smbios_memory_array) == 0x17, "section 7.17");

struct smbios_memory_device {
	struct smbios_head head;
	uint16_t array;
	uint16_t error_handle;
	uint16_t total_width;
	uint16_t data_width;
	uint16_t size;
	uint8_t form;
	uint8_t set;
	uint8_t locator;
	uint8_t bank;
	uint8_t type;
	uint16_t detail;
	uint16_t speed;
	uint8_t maker;
	uint8_t serial;
	uint8_t asset;
	uint8_t part;
	uint8_t attributes;
	uint32_t size_mib;
	uint16_t configured_speed;
	uint16_t voltages[3];
} __attribute__((packed));
static_assert(sizeof(struct smbios_memory_device) == 0x28, "section 7.18");

struct smbios_memory_range {
	struct smbios_head head;
	uint32_t first_kib;
	uint32_t last_kib;
	uint16_t array;
	uint8_t partition_width;
	uint64_t first;
	uint64_t last;
} __attribute__((packed));
static_assert(sizeof(struct smbios_memory_range) == 0x1f, "section 7.20");

#endif
