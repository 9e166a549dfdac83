/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smbios.h - SMBIOS tables: what dmidecode, systemd and inventories say the machine is
 *
 * DMTF DSP0134 version 3.2: the 64-bit entry point and structures of types 0, 1, 3, 4, 16, 17, 19,
 * 32 and 127.
 */
#ifndef VMM_SMBIOS_H
#define VMM_SMBIOS_H

#include <stdint.h>

struct guest_memory;

struct smbios_options {
	const char *machine; /* "carrel-1": the product's name */
	const char *serial;  /* the desktop's id, not empty */
	uint8_t uuid[16];    /* as it is read; all zero: none */
	uint32_t cpus;
};

/* A UUID of version 8 (RFC 9562 section 5.8), always the same for the same desktop's id. */
void smbios_make_uuid(const char *id, uint8_t ret_uuid[16]);

/*
 * Writes the entry point and the tables to MEMORY_MAP_SMBIOS, before each start of the guest. 0,
 * -ENOSPC, -ENOMEM, -EFAULT.
 */
int smbios_write_tables(const struct guest_memory *memory, const struct smbios_options *options);

#endif
