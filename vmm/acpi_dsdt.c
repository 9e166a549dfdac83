/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi_dsdt.c - the contents of the DSDT (carrel-vmm, while it starts)
 *
 * How it works: one function a device, in the order in which the disassembled table reads
 * (iasl -d). Devices on PCI are not in it: the guest finds them itself, and as none has INTx there
 * is no _PRT.
 */
#include "vmm/acpi_dsdt.h"

#include <stdio.h>

#include "vmm/acpi.h"
#include "vmm/acpi_pm.h"
#include "vmm/aml.h"
#include "vmm/irq_lines.h"
#include "vmm/memory_map.h"
#include "vmm/pci.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"

#define ACPI_DSDT_PCI_PORT  0xcf8 /* configuration address and data */
#define ACPI_DSDT_PCI_PORTS 8
#define ACPI_DSDT_CHANGED   0x80 /* the notification of a VM generation id */

/* Section 7.4.2.5: what PM1's SLP_TYP has to be for "off". */
static void
acpi_dsdt_write_off(struct aml *aml)
{
	size_t package;

	aml_name(aml, "\\_S5");
	package = aml_open_package(aml, 4);
	aml_integer(aml, ACPI_PM_SLEEP_TYPE_OFF);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_close(aml, package);
}

static void
acpi_dsdt_write_pci(struct aml *aml)
{
	size_t device = aml_open_device(aml, "PCI0"), resources;

	aml_name_eisa_id(aml, "_HID", "PNP0A08");
	aml_name_eisa_id(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	aml_name_integer(aml, "_UID", 0);
	aml_name(aml, "_CRS");
	resources = aml_open_resources(aml);
	aml_resource_bus_numbers(aml, 0, 0);
	aml_resource_ports(aml, ACPI_DSDT_PCI_PORT, ACPI_DSDT_PCI_PORTS);
	aml_resource_memory_window(aml, PCI_WINDOW_BASE, PCI_WINDOW_BYTES);
	aml_close_resources(aml, resources);
	aml_close(aml, device);
}

/* Linux uses ECAM only where a motherboard device reserves it. */
static void
acpi_dsdt_write_motherboard(struct aml *aml)
{
	size_t device = aml_open_device(aml, "MBRD"), resources;

	aml_name_eisa_id(aml, "_HID", "PNP0C02");
	aml_name_integer(aml, "_UID", 0);
	aml_name(aml, "_CRS");
	resources = aml_open_resources(aml);
	aml_resource_ports(aml, ACPI_PM_PORT, ACPI_PM_PORTS);
	aml_resource_memory(aml, PCI_ECAM_BASE, PCI_ECAM_BYTES);
	aml_close_resources(aml, resources);
	aml_close(aml, device);
}

static void
acpi_dsdt_write_isa(struct aml *aml, const char *name, const char *id, uint16_t port, uint8_t ports,
		    unsigned int irq)
{
	size_t device = aml_open_device(aml, name), resources;

	aml_name_eisa_id(aml, "_HID", id);
	aml_name_integer(aml, "_UID", 0);
	aml_name(aml, "_CRS");
	resources = aml_open_resources(aml);
	aml_resource_ports(aml, port, ports);
	aml_resource_irq(aml, irq);
	aml_close_resources(aml, resources);
	aml_close(aml, device);
}

/*
 * Microsoft, "Virtual Machine Generation ID": found by its _CID, ADDR says where the id is (low
 * half, high half).
 */
static void
acpi_dsdt_write_genid(struct aml *aml)
{
	size_t device = aml_open_device(aml, "VGEN"), package;

	aml_name_string(aml, "_HID", "CARR0001");
	aml_name_string(aml, "_CID", "VM_Gen_Counter");
	aml_name_string(aml, "_DDN", "VM_Gen_Counter");
	aml_name(aml, "ADDR");
	package = aml_open_package(aml, 2);
	aml_integer(aml, (uint32_t)MEMORY_MAP_GENID);
	aml_integer(aml, MEMORY_MAP_GENID >> 32);
	aml_close(aml, package);
	aml_close(aml, device);
}

static void
acpi_dsdt_write_genid_event(struct aml *aml)
{
	size_t scope = aml_open_scope(aml, "\\_GPE"), method;
	char name[5];

	snprintf(name, sizeof(name), "_E%02X", ACPI_PM_GPE_GENID);
	method = aml_open_method(aml, name);
	aml_notify(aml, "\\_SB.VGEN", ACPI_DSDT_CHANGED);
	aml_close(aml, method);
	aml_close(aml, scope);
}

static void
acpi_dsdt_write_processors(struct aml *aml, uint32_t cpus)
{
	for (uint32_t i = 0; i < cpus; i++) {
		char name[5];
		size_t device;

		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		device = aml_open_device(aml, name);
		aml_name_string(aml, "_HID", "ACPI0007");
		aml_name_integer(aml, "_UID", i);
		aml_close(aml, device);
	}
}

void
acpi_dsdt_write(struct aml *aml, const struct acpi_options *options)
{
	size_t system;

	acpi_dsdt_write_off(aml);
	system = aml_open_scope(aml, "\\_SB");
	acpi_dsdt_write_pci(aml);
	acpi_dsdt_write_motherboard(aml);
	if (options->serial)
		acpi_dsdt_write_isa(aml, "COM1", "PNP0501", SERIAL_PORT, SERIAL_PORTS,
				    IRQ_LINE_SERIAL);
	acpi_dsdt_write_isa(aml, "RTC", "PNP0B00", RTC_PORT, RTC_PORTS, IRQ_LINE_RTC);
	if (options->genid)
		acpi_dsdt_write_genid(aml);
	acpi_dsdt_write_processors(aml, options->cpus);
	aml_close(aml, system);
	if (options->genid)
		acpi_dsdt_write_genid_event(aml);
}
