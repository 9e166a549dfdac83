/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi.h - the ACPI tables: what the guest's kernel is told of the machine
 *
 * RSDP, XSDT, FADT, FACS, DSDT (vmm/acpi_dsdt.c), MADT, MCFG at the places of vmm/memory_map.h.
 * ACPI 6.3 section 5.2; MCFG: PCI Firmware Specification 3.0 section 4.1.2. The machine is always
 * in ACPI mode and has no VGA and no keyboard controller; its power button is the fixed one.
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include <stdbool.h>
#include <stdint.h>

struct guest_memory;

/* The local APIC ids are 0 to cpus - 1, the boot processor's is 0. */
struct acpi_options {
	uint32_t cpus;
	bool serial; /* there is a COM1 (vmm/serial.c) */
	bool genid;  /* there is a VM generation id (vmm/vmgenid.c) */
};

/*
 * Writes the tables into guest memory, the RSDP to MEMORY_MAP_RSDP; before each start of the guest,
 * since it may have written over them. 0; -ENOSPC: too many CPUs for the room; -EFAULT; -ENOMEM.
 */
int acpi_write_tables(const struct guest_memory *memory, const struct acpi_options *options);

#endif
