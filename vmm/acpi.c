/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi.c - the ACPI tables (carrel-vmm, while it starts)
 *
 * How it works: the tables are built one after another in a copy of their area, each with its
 * checksum, and remember their guest addresses for those that point at them; then the whole area is
 * written into guest memory, and the RSDP.
 */
#include "vmm/acpi.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/acpi_dsdt.h"
#include "vmm/acpi_fadt_layout.h"
#include "vmm/acpi_layout.h"
#include "vmm/acpi_pm.h"
#include "vmm/aml.h"
#include "vmm/guest_memory.h"
#include "vmm/irq_lines.h"
#include "vmm/memory_map.h"
#include "vmm/pci.h"
#include "vmm/rtc.h"

#define ACPI_ALIGNMENT 64 /* the FACS needs it */

/* Bits of the FADT, section 5.2.9 */
#define ACPI_BOOT_NO_VGA	  (1u << 2)
#define ACPI_BOOT_NO_ASPM	  (1u << 4)
#define ACPI_FLAG_WBINVD	  (1u << 0)
#define ACPI_FLAG_PROC_C1	  (1u << 2)
#define ACPI_FLAG_NO_SLEEP_BUTTON (1u << 5)
#define ACPI_FLAG_NO_RTC_WAKE	  (1u << 6)
#define ACPI_FLAG_TIMER_32_BITS	  (1u << 8)
#define ACPI_FLAG_RESET_REGISTER  (1u << 10)

#define ACPI_NO_C2 101 /* microseconds: longer than allowed means that there is none */
#define ACPI_NO_C3 1001

#define ACPI_SPACE_PORTS 1
#define ACPI_ACCESS_BYTE 1
#define ACPI_ACCESS_WORD 2
#define ACPI_ACCESS_LONG 3

/* Kinds of MADT entries, section 5.2.12, and their flags */
#define ACPI_MADT_LOCAL_APIC	 0
#define ACPI_MADT_IOAPIC	 1
#define ACPI_MADT_OVERRIDE	 2
#define ACPI_MADT_LOCAL_NMI	 4
#define ACPI_MADT_HAS_PIC	 1
#define ACPI_MADT_ENABLED	 1
#define ACPI_MADT_LEVEL_HIGH	 0x0d
#define ACPI_MADT_ALL_PROCESSORS 0xff

/* The copy of the area; "full" once something did not fit. */
struct acpi_area {
	uint8_t bytes[MEMORY_MAP_ACPI_BYTES];
	size_t size;
	size_t table; /* where the present one begins */
	bool full;
};

static uint8_t
acpi_make_checksum(const void *bytes, size_t n_bytes)
{
	const uint8_t *at = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < n_bytes; i++)
		sum = (uint8_t)(sum + at[i]);
	return (uint8_t)-sum;
}

static void
acpi_append(struct acpi_area *area, const void *bytes, size_t n_bytes)
{
	if (area->full || n_bytes > sizeof(area->bytes) - area->size) {
		area->full = true;
		return;
	}
	memcpy(area->bytes + area->size, bytes, n_bytes);
	area->size += n_bytes;
}

/* The guest address at which the next table begins. */
static uint64_t
acpi_align(struct acpi_area *area)
{
	size_t size = (area->size + ACPI_ALIGNMENT - 1) / ACPI_ALIGNMENT * ACPI_ALIGNMENT;

	if (size > sizeof(area->bytes))
		area->full = true;
	else
		area->size = size;
	area->table = area->size;
	return MEMORY_MAP_ACPI + area->table;
}

static struct acpi_header
acpi_make_header(const char signature[4], uint8_t revision)
{
	struct acpi_header header = { .revision = revision,
				      .oem_revision = 1,
				      .creator_revision = 1 };

	memcpy(header.signature, signature, sizeof(header.signature));
	memcpy(header.oem_id, "CARREL", sizeof(header.oem_id));
	memcpy(header.oem_table_id, "CARREL-1", sizeof(header.oem_table_id));
	memcpy(header.creator_id, "CARR", sizeof(header.creator_id));
	return header;
}

static uint64_t
acpi_open_table(struct acpi_area *area, const char signature[4], uint8_t revision)
{
	struct acpi_header header = acpi_make_header(signature, revision);
	uint64_t gpa = acpi_align(area);

	acpi_append(area, &header, sizeof(header));
	return gpa;
}

/* Sets the length and the checksum of the table that was opened last. */
static void
acpi_close_table(struct acpi_area *area)
{
	uint8_t *table = area->bytes + area->table;
	uint32_t length = (uint32_t)(area->size - area->table);
	uint8_t checksum;

	if (area->full)
		return;
	memcpy(table + offsetof(struct acpi_header, length), &length, sizeof(length));
	checksum = acpi_make_checksum(table, length);
	memcpy(table + offsetof(struct acpi_header, checksum), &checksum, sizeof(checksum));
}

static uint64_t
acpi_add_dsdt(struct acpi_area *area, const struct acpi_options *options)
{
	uint64_t gpa = acpi_open_table(area, "DSDT", 2); /* 2: integers have 64 bits */
	struct aml aml = {
		.bytes = area->bytes + area->size,
		.capacity = sizeof(area->bytes) - area->size,
	};

	acpi_dsdt_write(&aml, options);
	area->size += aml.size;
	area->full |= aml.full;
	acpi_close_table(area);
	return gpa;
}

/* It has a length of its own kind and no checksum. */
static uint64_t
acpi_add_facs(struct acpi_area *area)
{
	struct acpi_facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 2 };
	uint64_t gpa = acpi_align(area);

	acpi_append(area, &facs, sizeof(facs));
	return gpa;
}

static struct acpi_address
acpi_make_address(uint16_t port, uint8_t bytes, uint8_t access)
{
	return (struct acpi_address){
		.space = ACPI_SPACE_PORTS,
		.bits = (uint8_t)(8 * bytes),
		.access = access,
		.address = port,
	};
}

static void
acpi_set_registers(struct acpi_fadt *fadt)
{
	fadt->pm1a_event = ACPI_PM_EVENT_PORT;
	fadt->pm1_event_bytes = ACPI_PM_EVENT_BYTES;
	fadt->x_pm1a_event =
		acpi_make_address(ACPI_PM_EVENT_PORT, ACPI_PM_EVENT_BYTES, ACPI_ACCESS_WORD);
	fadt->pm1a_control = ACPI_PM_CONTROL_PORT;
	fadt->pm1_control_bytes = ACPI_PM_CONTROL_BYTES;
	fadt->x_pm1a_control =
		acpi_make_address(ACPI_PM_CONTROL_PORT, ACPI_PM_CONTROL_BYTES, ACPI_ACCESS_WORD);
	fadt->pm_timer = ACPI_PM_TIMER_PORT;
	fadt->pm_timer_bytes = ACPI_PM_TIMER_BYTES;
	fadt->x_pm_timer =
		acpi_make_address(ACPI_PM_TIMER_PORT, ACPI_PM_TIMER_BYTES, ACPI_ACCESS_LONG);
	fadt->gpe0 = ACPI_PM_GPE_PORT;
	fadt->gpe0_bytes = ACPI_PM_GPE_BYTES;
	fadt->x_gpe0 = acpi_make_address(ACPI_PM_GPE_PORT, ACPI_PM_GPE_BYTES, ACPI_ACCESS_BYTE);
	fadt->reset = acpi_make_address(ACPI_PM_RESET_PORT, 1, ACPI_ACCESS_BYTE);
	fadt->reset_value = ACPI_PM_RESET_VALUE;
}

static uint64_t
acpi_add_fadt(struct acpi_area *area, uint64_t dsdt, uint64_t facs)
{
	struct acpi_fadt fadt = {
		.facs = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt,
		.profile = 1, /* desktop */
		.sci_irq = IRQ_LINE_SCI,
		.c2_latency = ACPI_NO_C2,
		.c3_latency = ACPI_NO_C3,
		.rtc_century = RTC_CENTURY,
		.boot_flags = ACPI_BOOT_NO_VGA | ACPI_BOOT_NO_ASPM,
		.flags = ACPI_FLAG_WBINVD | ACPI_FLAG_PROC_C1 | ACPI_FLAG_NO_SLEEP_BUTTON |
			 ACPI_FLAG_NO_RTC_WAKE | ACPI_FLAG_TIMER_32_BITS | ACPI_FLAG_RESET_REGISTER,
		.minor_revision = 3,
		.x_dsdt = dsdt,
	};
	uint64_t gpa = acpi_open_table(area, "FACP", 6);

	acpi_set_registers(&fadt);
	acpi_append(area, (const uint8_t *)&fadt + sizeof(fadt.header),
		    sizeof(fadt) - sizeof(fadt.header));
	acpi_close_table(area);
	return gpa;
}

/*
 * The lines of the ISA bus are the GSIs of the same numbers; only the SCI is not wired as they are.
 */
static uint64_t
acpi_add_madt(struct acpi_area *area, uint32_t cpus)
{
	const struct acpi_madt_head head = { MEMORY_MAP_LOCAL_APIC, ACPI_MADT_HAS_PIC };
	const struct acpi_ioapic ioapic = {
		.type = ACPI_MADT_IOAPIC,
		.length = sizeof(ioapic),
		.address = MEMORY_MAP_IOAPIC,
	};
	const struct acpi_override sci = {
		.type = ACPI_MADT_OVERRIDE,
		.length = sizeof(sci),
		.source = IRQ_LINE_SCI,
		.gsi = IRQ_LINE_SCI,
		.flags = ACPI_MADT_LEVEL_HIGH,
	};
	const struct acpi_local_nmi nmi = {
		.type = ACPI_MADT_LOCAL_NMI,
		.length = sizeof(nmi),
		.processor_uid = ACPI_MADT_ALL_PROCESSORS,
		.input = 1,
	};
	uint64_t gpa = acpi_open_table(area, "APIC", 5);

	acpi_append(area, &head, sizeof(head));
	for (uint32_t i = 0; i < cpus; i++) {
		const struct acpi_local_apic apic = {
			.type = ACPI_MADT_LOCAL_APIC,
			.length = sizeof(apic),
			.processor_uid = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = ACPI_MADT_ENABLED,
		};

		acpi_append(area, &apic, sizeof(apic));
	}
	acpi_append(area, &ioapic, sizeof(ioapic));
	acpi_append(area, &sci, sizeof(sci));
	acpi_append(area, &nmi, sizeof(nmi));
	acpi_close_table(area);
	return gpa;
}

static uint64_t
acpi_add_mcfg(struct acpi_area *area)
{
	const struct acpi_mcfg_body body = { .address = PCI_ECAM_BASE };
	uint64_t gpa = acpi_open_table(area, "MCFG", 1);

	acpi_append(area, &body, sizeof(body));
	acpi_close_table(area);
	return gpa;
}

static uint64_t
acpi_add_xsdt(struct acpi_area *area, const uint64_t *tables, size_t n_bytes)
{
	uint64_t gpa = acpi_open_table(area, "XSDT", 1);

	acpi_append(area, tables, n_bytes);
	acpi_close_table(area);
	return gpa;
}

static struct acpi_rsdp
acpi_make_rsdp(uint64_t xsdt)
{
	struct acpi_rsdp rsdp = { .revision = 2, .length = sizeof(rsdp), .xsdt = xsdt };

	memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
	memcpy(rsdp.oem_id, "CARREL", sizeof(rsdp.oem_id));
	rsdp.checksum = acpi_make_checksum(&rsdp, offsetof(struct acpi_rsdp, length));
	rsdp.extended_checksum = acpi_make_checksum(&rsdp, sizeof(rsdp));
	return rsdp;
}

int
acpi_write_tables(const struct guest_memory *memory, const struct acpi_options *options)
{
	CLEANUP_FREE struct acpi_area *area = calloc(1, sizeof(*area));
	struct acpi_rsdp rsdp;
	uint64_t dsdt, facs, tables[3];
	int error;

	if (!area)
		return -ENOMEM;
	dsdt = acpi_add_dsdt(area, options);
	facs = acpi_add_facs(area);
	tables[0] = acpi_add_fadt(area, dsdt, facs);
	tables[1] = acpi_add_madt(area, options->cpus);
	tables[2] = acpi_add_mcfg(area);
	rsdp = acpi_make_rsdp(acpi_add_xsdt(area, tables, sizeof(tables)));
	if (area->full || options->cpus > ACPI_MADT_ALL_PROCESSORS)
		return -ENOSPC;
	error = guest_memory_write(memory, MEMORY_MAP_ACPI, area->bytes, area->size);
	if (error)
		return error;
	return guest_memory_write(memory, MEMORY_MAP_RSDP, &rsdp, sizeof(rsdp));
}
