/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmgenid.h - VM generation id: 16 bytes in guest memory that differ in each fork, and an event
 * when they change
 *
 * Microsoft, "Virtual Machine Generation ID". The guest finds it by the DSDT (vmm/acpi_dsdt.c);
 * Linux reseeds its random numbers when it is told.
 */
#ifndef VMM_VMGENID_H
#define VMM_VMGENID_H

#include <stdint.h>

struct acpi_pm;
struct platform;
struct state_reader;
struct state_writer;
struct vmgenid;

#define VMGENID_BYTES 16

/* Writes the id to MEMORY_MAP_GENID. The power management block must outlive it. */
int vmgenid_new(struct platform *platform, struct acpi_pm *pm, const uint8_t id[VMGENID_BYTES],
		struct vmgenid **ret_vmgenid);
void vmgenid_free(struct vmgenid *vmgenid);
/* Writes the same id again: the guest may have written over it. */
void vmgenid_reset(struct vmgenid *vmgenid);

/* Section "genid" (vmm/state_file.h): which one the guest had. 0 or the reader's error. */
void vmgenid_save(const struct vmgenid *vmgenid, struct state_writer *writer);
int vmgenid_load(struct vmgenid *vmgenid, struct state_reader *reader);

/* When this is another id than it has, it is written, and the guest is told. */
void vmgenid_change(struct vmgenid *vmgenid, const uint8_t id[VMGENID_BYTES]);

#endif
