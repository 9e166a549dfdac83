/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * aml.h - writes ACPI Machine Language: the few kinds of objects that the DSDT of a virtual machine
 * is made of
 *
 * What has contents is opened and closed:
 *
 *   block = aml_open_device(&aml, "COM1");
 *   aml_name_eisa_id(&aml, "_HID", "PNP0501");
 *   aml_close(&aml, block);
 *
 * Names are paths as in ASL ("\\_SB.PCI0", "_HID"); segments shorter than four are padded. A writer
 * whose room is used up drops what follows and stays "full": asked once, at the end. ACPI 6.3
 * section 20.2; resources: section 6.4.
 */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes are the caller's. */
struct aml {
	uint8_t *bytes;
	size_t capacity;
	size_t size;
	bool full;
};

size_t aml_open_scope(struct aml *aml, const char *path);
size_t aml_open_device(struct aml *aml, const char *name);
size_t aml_open_method(struct aml *aml, const char *name); /* without arguments */
size_t aml_open_package(struct aml *aml, uint8_t n_elements);
void aml_close(struct aml *aml, size_t block);

void aml_integer(struct aml *aml, uint64_t value);

/* Name (name, ...): what aml_name() names is the object written next. */
void aml_name(struct aml *aml, const char *name);
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_string(struct aml *aml, const char *name, const char *text);
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id); /* "PNP0A08" */

void aml_notify(struct aml *aml, const char *path, uint8_t value);

/* A buffer of resource descriptors: what _CRS is. */
size_t aml_open_resources(struct aml *aml);
void aml_resource_irq(struct aml *aml, unsigned int line); /* ISA: edge, active high */
void aml_resource_ports(struct aml *aml, uint16_t base, uint8_t count);
void aml_resource_memory(struct aml *aml, uint32_t base, uint32_t bytes);
void aml_resource_bus_numbers(struct aml *aml, uint16_t first, uint16_t last);
void aml_resource_memory_window(struct aml *aml, uint32_t base, uint32_t bytes);
void aml_close_resources(struct aml *aml, size_t block);

#endif
