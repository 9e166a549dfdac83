/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pci_device.c - one PCI function's configuration space and base addresses (carrel-vmm, under the
 * machine's lock)
 *
 * How it works: configuration space is an array of bytes with a mask of what the guest can change,
 * so that sizing a BAR (PCI Local Bus 3.0 section 6.2.5.1) needs no code: the low bits of a BAR are
 * just not writable. A BAR is on the bus while memory decoding is on and it lies in the PCI window.
 * Where the guest puts one BAR on top of another, the one that was there first answers.
 */
#include "vmm/pci_device.h"

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/log.h"
#include "vmm/bus.h"
#include "vmm/platform.h"

#define CAPABILITIES_BEGIN 0x40
#define BAR_MIN_BYTES	   4096

void
pci_device_set_config(struct pci_device *device, uint32_t offset, uint32_t bytes, uint32_t value,
		      uint32_t writable)
{
	for (uint32_t i = 0; i < bytes && offset + i < PCI_CONFIG_BYTES; i++) {
		device->initial[offset + i] = (uint8_t)(value >> 8 * i);
		device->state.config[offset + i] = device->initial[offset + i];
		device->writable[offset + i] = (uint8_t)(writable >> 8 * i);
	}
}

uint32_t
pci_device_get_config(const struct pci_device *device, uint32_t offset, uint32_t bytes)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < bytes && offset + i < PCI_CONFIG_BYTES; i++)
		value |= (uint32_t)device->state.config[offset + i] << 8 * i;
	return value;
}

void
pci_device_init(struct pci_device *device, struct platform *platform, uint32_t slot,
		const char *name, const struct pci_identity *identity)
{
	device->platform = platform;
	device->slot = slot;
	device->name = name;
	device->next_capability = CAPABILITIES_BEGIN;
	pci_device_set_config(device, PCI_VENDOR_ID, 2, identity->vendor, 0);
	pci_device_set_config(device, PCI_DEVICE_ID, 2, identity->device, 0);
	pci_device_set_config(device, PCI_COMMAND, 2, 0,
			      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	pci_device_set_config(device, PCI_CLASS_REVISION, 4,
			      identity->class_code << 8 | identity->revision, 0);
	pci_device_set_config(device, PCI_CACHE_LINE_SIZE, 1, 0, 0xff);
	pci_device_set_config(device, PCI_SUBSYSTEM_VENDOR_ID, 2, identity->subsystem_vendor, 0);
	pci_device_set_config(device, PCI_SUBSYSTEM_ID, 2, identity->subsystem, 0);
	pci_device_set_config(device, PCI_INTERRUPT_LINE, 1, 0, 0xff);
}

void
pci_device_done(struct pci_device *device)
{
	device->state.config[PCI_COMMAND] = 0;
	pci_device_unmap_bars(device);
	if (device->ops && device->ops->free)
		device->ops->free(device->context);
}

void
pci_device_reset(struct pci_device *device)
{
	memcpy(device->state.config, device->initial, sizeof(device->initial));
	pci_msix_reset(device);
	pci_device_unmap_bars(device);
	if (device->ops && device->ops->reset)
		device->ops->reset(device->context);
}

void
pci_device_resume(struct pci_device *device)
{
	if (device->ops && device->ops->resume)
		device->ops->resume(device->context);
}

void
pci_device_set_ops(struct pci_device *device, const struct pci_device_ops *ops, void *context)
{
	device->ops = ops;
	device->context = context;
}

void
pci_device_set_window(struct pci_device *device, const struct pci_window *window, void *context)
{
	device->window = window;
	device->window_context = context;
}

bool
pci_device_may_master(const struct pci_device *device)
{
	return device->state.config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

int
pci_device_add_bar(struct pci_device *device, uint32_t index, uint32_t bytes,
		   const struct bus_ops *ops, void *context)
{
	if (index >= PCI_MAX_BARS || device->bars[index].bytes != 0)
		return -EEXIST;
	if (bytes < BAR_MIN_BYTES || bytes > PCI_WINDOW_BYTES || (bytes & (bytes - 1)) != 0)
		return -EINVAL;
	device->bars[index] = (struct pci_bar){ .bytes = bytes, .ops = ops, .context = context };
	pci_device_set_config(device, PCI_BASE_ADDRESS_0 + 4 * index, 4,
			      PCI_BASE_ADDRESS_SPACE_MEMORY, ~(bytes - 1));
	return 0;
}

int
pci_device_add_capability(struct pci_device *device, uint8_t id, uint32_t bytes,
			  uint8_t *ret_offset)
{
	uint32_t offset = device->next_capability;

	if (bytes < PCI_CAP_SIZEOF || offset + bytes > PCI_CONFIG_BYTES - sizeof(uint32_t))
		return -ENOSPC;
	pci_device_set_config(device, offset, 1, id, 0);
	if (device->last_capability)
		pci_device_set_config(device, device->last_capability + PCI_CAP_LIST_NEXT, 1,
				      offset, 0);
	else
		pci_device_set_config(device, PCI_CAPABILITY_LIST, 1, offset, 0);
	pci_device_set_config(device, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	device->last_capability = (uint8_t)offset;
	device->next_capability = (uint8_t)((offset + bytes + 3) & ~3u);
	*ret_offset = (uint8_t)offset;
	return 0;
}

static bool
pci_device_is_in_window(const struct pci_device *device, uint32_t offset)
{
	const struct pci_window *window = device->window;

	return window && offset >= window->offset && offset < window->offset + window->bytes;
}

uint32_t
pci_device_handle_read(struct pci_device *device, uint32_t offset, uint32_t bytes)
{
	if (pci_device_is_in_window(device, offset) && device->window->read)
		return device->window->read(device->window_context, offset, bytes);
	return pci_device_get_config(device, offset, bytes);
}

void
pci_device_handle_write(struct pci_device *device, uint32_t offset, uint32_t bytes, uint32_t value)
{
	bool could_master = pci_device_may_master(device);

	for (uint32_t i = 0; i < bytes && offset + i < PCI_CONFIG_BYTES; i++) {
		uint8_t *byte = &device->state.config[offset + i];
		uint8_t mask = device->writable[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (value >> 8 * i & mask));
	}
	pci_msix_flush(device);
	if (!could_master && pci_device_may_master(device))
		pci_device_resume(device);
	if (pci_device_is_in_window(device, offset) && device->window->write)
		device->window->write(device->window_context, offset, bytes, value);
}

/* Where the guest wants a BAR to answer; 0: nowhere. */
static uint64_t
pci_device_get_wanted(const struct pci_device *device, uint32_t index)
{
	uint64_t gpa = pci_device_get_config(device, PCI_BASE_ADDRESS_0 + 4 * index, 4);

	gpa &= ~(uint64_t)(device->bars[index].bytes - 1);
	if (!(device->state.config[PCI_COMMAND] & PCI_COMMAND_MEMORY) || gpa < PCI_WINDOW_BASE ||
	    gpa + device->bars[index].bytes > PCI_WINDOW_BASE + PCI_WINDOW_BYTES)
		return 0;
	return gpa;
}

static void
pci_device_set_gpa(struct pci_device *device, uint32_t index, uint64_t gpa)
{
	device->bars[index].gpa = gpa;
	if (device->ops && device->ops->move_bar)
		device->ops->move_bar(device->context, index, gpa);
}

void
pci_device_unmap_bars(struct pci_device *device)
{
	for (uint32_t i = 0; i < PCI_MAX_BARS; i++) {
		uint64_t gpa = device->bars[i].gpa;

		if (gpa == 0 || gpa == pci_device_get_wanted(device, i))
			continue;
		bus_remove(device->platform->mmio, gpa);
		pci_device_set_gpa(device, i, 0);
	}
}

bool
pci_device_has_bar(const struct pci_device *device, uint32_t index)
{
	return device->bars[index].gpa != 0;
}

int
pci_device_map_bar(struct pci_device *device, uint32_t index)
{
	const struct pci_bar *bar = &device->bars[index];
	struct bus_range range = {
		.name = device->name,
		.bytes = bar->bytes,
		.ops = bar->ops,
		.context = bar->context,
	};
	int error;

	if (bar->gpa != 0)
		return 0;
	if (bar->bytes > 0)
		range.base = pci_device_get_wanted(device, index);
	if (range.base == 0)
		return -ENOENT;
	error = bus_add(device->platform->mmio, &range);
	if (!error)
		pci_device_set_gpa(device, index, range.base);
	return error;
}

void
pci_device_map_bars(struct pci_device *device)
{
	for (uint32_t i = 0; i < PCI_MAX_BARS; i++) {
		int error = pci_device_map_bar(device, i);

		/* the guest may put one on another while it moves them */
		if (error && error != -ENOENT && error != -EEXIST)
			log_error("pci: BAR %u of '%s' cannot be on the bus: %s", i, device->name,
				  strerror(-error));
	}
}
