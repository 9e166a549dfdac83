/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pci.c - the PCIe root (carrel-vmm, under the machine's lock)
 *
 * How it works: both ways into configuration space, ports 0xcf8/0xcfc and ECAM, end in
 * pci_root_read() and pci_root_write() with a slot and an offset. What the guest changes of a BAR
 * or of a command register may free an address that another BAR waits for, so pci_root_map() goes
 * through all devices: first those that leave, then those that come. pci_root_assign() is what is
 * left of firmware.
 */
#include "vmm/pci.h"

#include <errno.h>
#include <stdlib.h>

#include <linux/pci_regs.h>

#include "vmm/bus.h"
#include "vmm/pci_device.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"

#define PCI_STATE_VERSION  1
#define PORT_BASE	   0xcf8
#define PORT_BYTES	   8
#define PORT_RESET	   1 /* from PORT_BASE on: a register of one byte, Q35's reset control */
#define PORT_DATA	   4
#define ADDRESS_ENABLE	   (UINT32_C(1) << 31)
#define ADDRESS_WRITABLE   UINT32_C(0x80fffffc)
#define RESET_CPU	   (1u << 2)
#define ECAM_FUNCTION_BITS 12
#define NOBODY		   UINT32_MAX

struct pci_root {
	struct platform *platform;
	uint32_t address; /* port 0xcf8 */
	struct pci_device *devices[PCI_MAX_DEVICES];
};

/* What firmware looks for: Q35's, as QEMU's */
static const struct pci_identity pci_host_bridge = {
	.vendor = 0x8086,
	.device = 0x29c0,
	.subsystem_vendor = 0x1af4,
	.subsystem = 0x1100,
	.class_code = 0x060000,
};

static void
pci_root_map(struct pci_root *root)
{
	for (uint32_t i = 0; i < PCI_MAX_DEVICES; i++)
		if (root->devices[i])
			pci_device_unmap_bars(root->devices[i]);
	for (uint32_t i = 0; i < PCI_MAX_DEVICES; i++)
		if (root->devices[i])
			pci_device_map_bars(root->devices[i]);
}

/* "function": bus, device and function as in both addresses, 16 bits. */
static struct pci_device *
pci_root_find(struct pci_root *root, uint32_t function)
{
	if (function % 8 != 0 || function / 8 >= PCI_MAX_DEVICES)
		return NULL;
	return root->devices[function / 8];
}

static uint32_t
pci_root_read(struct pci_root *root, uint32_t function, uint32_t offset, uint32_t bytes)
{
	struct pci_device *device = pci_root_find(root, function);

	return device ? pci_device_handle_read(device, offset, bytes) : NOBODY;
}

static void
pci_root_write(struct pci_root *root, uint32_t function, uint32_t offset, uint32_t bytes,
	       uint32_t value)
{
	struct pci_device *device = pci_root_find(root, function);

	if (!device)
		return;
	pci_device_handle_write(device, offset, bytes, value);
	if (offset < PCI_BASE_ADDRESS_5 + sizeof(uint32_t))
		pci_root_map(root);
}

static uint64_t
pci_root_handle_in(void *context, uint64_t offset, uint32_t bytes)
{
	struct pci_root *root = context;

	if (offset == 0 && bytes == sizeof(root->address))
		return root->address;
	if (offset < PORT_DATA || !(root->address & ADDRESS_ENABLE))
		return NOBODY;
	return pci_root_read(root, root->address >> 8 & 0xffff,
			     (root->address & 0xfc) + ((uint32_t)offset - PORT_DATA), bytes);
}

static void
pci_root_handle_out(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct pci_root *root = context;

	if (offset == 0 && bytes == sizeof(root->address))
		root->address = (uint32_t)value & ADDRESS_WRITABLE;
	else if (offset == PORT_RESET && bytes == 1 && value & RESET_CPU)
		root->platform->ops->report(root->platform->context, PLATFORM_EVENT_RESET);
	else if (offset >= PORT_DATA && root->address & ADDRESS_ENABLE)
		pci_root_write(root, root->address >> 8 & 0xffff,
			       (root->address & 0xfc) + ((uint32_t)offset - PORT_DATA), bytes,
			       (uint32_t)value);
}

static const struct bus_ops pci_port_ops = {
	.read = pci_root_handle_in,
	.write = pci_root_handle_out,
};

static uint64_t
pci_root_handle_ecam_read(void *context, uint64_t offset, uint32_t bytes)
{
	if (bytes > sizeof(uint32_t))
		return UINT64_MAX;
	return pci_root_read(context, (uint32_t)(offset >> ECAM_FUNCTION_BITS),
			     offset & ((1u << ECAM_FUNCTION_BITS) - 1), bytes);
}

static void
pci_root_handle_ecam_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	if (bytes <= sizeof(uint32_t))
		pci_root_write(context, (uint32_t)(offset >> ECAM_FUNCTION_BITS),
			       offset & ((1u << ECAM_FUNCTION_BITS) - 1), bytes, (uint32_t)value);
}

static const struct bus_ops pci_ecam_ops = {
	.read = pci_root_handle_ecam_read,
	.write = pci_root_handle_ecam_write,
};

static int
pci_root_add_ranges(struct pci_root *root)
{
	const struct bus_range ports = { "pci", PORT_BASE, PORT_BYTES, &pci_port_ops, root };
	const struct bus_range ecam = { "pci-ecam", PCI_ECAM_BASE, PCI_ECAM_BYTES, &pci_ecam_ops,
					root };
	int error = bus_add(root->platform->pio, &ports);

	if (error)
		return error;
	error = bus_add(root->platform->mmio, &ecam);
	if (error)
		bus_remove(root->platform->pio, PORT_BASE);
	return error;
}

static int
pci_root_add_device(struct pci_root *root, uint32_t slot, const char *name,
		    const struct pci_identity *identity, struct pci_device **ret_device)
{
	struct pci_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	pci_device_init(device, root->platform, slot, name, identity);
	device->root = root;
	root->devices[slot] = device;
	*ret_device = device;
	return 0;
}

int
pci_root_new(struct platform *platform, struct pci_root **ret_root)
{
	struct pci_root *root = calloc(1, sizeof(*root));
	struct pci_device *bridge;
	int error;

	if (!root)
		return -ENOMEM;
	root->platform = platform;
	error = pci_root_add_device(root, 0, "host-bridge", &pci_host_bridge, &bridge);
	if (!error)
		error = pci_root_add_ranges(root);
	if (error) {
		free(root->devices[0]);
		free(root);
		return error;
	}
	*ret_root = root;
	return 0;
}

void
pci_device_free(struct pci_device *device)
{
	if (!device)
		return;
	device->root->devices[device->slot] = NULL;
	pci_device_done(device);
	free(device);
}

void
pci_root_free(struct pci_root *root)
{
	if (!root)
		return;
	bus_remove(root->platform->pio, PORT_BASE);
	bus_remove(root->platform->mmio, PCI_ECAM_BASE);
	for (uint32_t i = 0; i < PCI_MAX_DEVICES; i++)
		pci_device_free(root->devices[i]);
	free(root);
}

int
pci_device_new(struct pci_root *root, uint32_t slot, const char *name,
	       const struct pci_identity *identity, struct pci_device **ret_device)
{
	if (slot == 0 || slot >= PCI_MAX_DEVICES)
		return -EINVAL;
	if (root->devices[slot])
		return -EEXIST;
	return pci_root_add_device(root, slot, name, identity, ret_device);
}

/* Gives each BAR its place, in order of the slots: the same in each machine of this make. */
static void
pci_root_assign(struct pci_root *root)
{
	uint64_t next = PCI_WINDOW_BASE;

	for (uint32_t i = 0; i < PCI_MAX_DEVICES * PCI_MAX_BARS; i++) {
		struct pci_device *device = root->devices[i / PCI_MAX_BARS];
		uint32_t index = i % PCI_MAX_BARS;
		uint64_t bytes = device ? device->bars[index].bytes : 0;
		uint64_t gpa;

		if (bytes == 0)
			continue;
		gpa = (next + bytes - 1) & ~(bytes - 1);
		if (gpa + bytes > PCI_WINDOW_BASE + PCI_WINDOW_BYTES)
			continue; /* no place: the guest finds it unassigned */
		pci_device_handle_write(device, PCI_BASE_ADDRESS_0 + 4 * index, 4, (uint32_t)gpa);
		next = gpa + bytes;
	}
}

void
pci_root_reset(struct pci_root *root)
{
	root->address = 0;
	for (uint32_t i = 0; i < PCI_MAX_DEVICES; i++)
		if (root->devices[i])
			pci_device_reset(root->devices[i]);
	pci_root_assign(root);
}

void
pci_root_resume(struct pci_root *root)
{
	for (uint32_t i = 0; i < PCI_MAX_DEVICES; i++)
		if (root->devices[i])
			pci_device_resume(root->devices[i]);
}

void
pci_root_save(struct pci_root *root, struct state_writer *writer)
{
	state_writer_begin(writer, PCI_STATE_VERSION, "pci");
	state_put_u32(writer, root->address);
	state_writer_end(writer);
	for (uint32_t i = 0; i < PCI_MAX_DEVICES; i++) {
		struct pci_device *device = root->devices[i];

		if (!device)
			continue;
		pci_device_save(device, writer);
		if (device->ops && device->ops->save)
			device->ops->save(device->context, writer);
	}
}

int
pci_root_load(struct pci_root *root, struct state_reader *reader)
{
	int error;

	state_reader_open(reader, PCI_STATE_VERSION, "pci");
	root->address = state_take_u32(reader);
	state_reader_want(reader, (root->address & ~ADDRESS_WRITABLE) == 0,
			  "an address with bits that cannot be written");
	error = state_reader_close(reader);
	for (uint32_t i = 0; error == 0 && i < PCI_MAX_DEVICES; i++)
		if (root->devices[i])
			error = pci_device_load(root->devices[i], reader);
	/* all that answered are there before any that waits for its place */
	if (error == 0)
		pci_root_map(root);
	for (uint32_t i = 0; error == 0 && i < PCI_MAX_DEVICES; i++) {
		struct pci_device *device = root->devices[i];

		if (device && device->ops && device->ops->load)
			error = device->ops->load(device->context, reader);
	}
	return error;
}
