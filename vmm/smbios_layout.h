/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smbios_layout.h - the SMBIOS structures as they lie in memory, little-endian and packed; DMTF
 * DSP0134 version 3.2
 *
 * What is a text (maker, product, serial ...) is the number of one of the strings behind the
 * structure; 0: none.
 */
#ifndef VMM_SMBIOS_LAYOUT_H
#define VMM_SMBIOS_LAYOUT_H

#include <assert.h>
#include <stdint.h>

struct smbios_entry {
	char anchor[5];
	uint8_t checksum;
	uint8_t length;
	uint8_t major;
	uint8_t minor;
	uint8_t docrev;
	uint8_t revision;
	uint8_t reserved;
	uint32_t max_bytes;
	uint64_t address;
} __attribute__((packed));
static_assert(sizeof(struct smbios_entry) == 24, "section 5.2.2");

struct smbios_head {
	uint8_t type;
	uint8_t length;
	uint16_t handle;
} __attribute__((packed));

struct smbios_firmware {
	struct smbios_head head;
	uint8_t vendor;
	uint8_t version;
	uint16_t segment;
	uint8_t date;
	uint8_t rom_size;
	uint64_t characteristics;
	uint8_t extensions[2];
	uint8_t major;
	uint8_t minor;
	uint8_t controller_major;
	uint8_t controller_minor;
	uint16_t large_rom_size;
} __attribute__((packed));
static_assert(sizeof(struct smbios_firmware) == 0x1a, "section 7.1");

struct smbios_system {
	struct smbios_head head;
	uint8_t maker;
	uint8_t product;
	uint8_t version;
	uint8_t serial;
	uint8_t uuid[16];
	uint8_t wake_up;
	uint8_t sku;
	uint8_t family;
} __attribute__((packed));
static_assert(sizeof(struct smbios_system) == 0x1b, "section 7.2");

struct smbios_chassis {
	struct smbios_head head;
	uint8_t maker;
	uint8_t type;
	uint8_t version;
	uint8_t serial;
	uint8_t asset;
	uint8_t states[3]; /* boot-up, power supply, thermal */
	uint8_t security;
	uint32_t oem;
	uint8_t height;
	uint8_t power_cords;
	uint8_t n_elements;
	uint8_t element_bytes;
	uint8_t sku;
} __attribute__((packed));
static_assert(sizeof(struct smbios_chassis) == 0x16, "section 7.4");

struct smbios_processor {
	struct smbios_head head;
	uint8_t socket;
	uint8_t type;
	uint8_t family;
	uint8_t maker;
	uint64_t id;
	uint8_t version;
	uint8_t voltage;
	uint16_t clock_mhz;
	uint16_t max_mhz;
	uint16_t mhz;
	uint8_t status;
	uint8_t upgrade;
	uint16_t caches[3];
	uint8_t serial;
	uint8_t asset;
	uint8_t part;
	uint8_t cores;
	uint8_t cores_enabled;
	uint8_t threads;
	uint16_t characteristics;
	uint16_t family2;
	uint16_t cores2;
	uint16_t cores_enabled2;
	uint16_t threads2;
} __attribute__((packed));
static_assert(sizeof(struct smbios_processor) == 0x30, "section 7.5");

struct smbios_boot {
	struct smbios_head head;
	uint8_t reserved[6];
	uint8_t status;
} __attribute__((packed));
static_assert(sizeof(struct smbios_boot) == 0x0b, "section 7.33");

#endif
