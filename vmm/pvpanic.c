/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pvpanic.c - a PCI device by which the guest's kernel says that it has panicked (carrel-vmm, under
 * the machine's lock)
 */
#include "vmm/pvpanic.h"

#include "vmm/bus.h"
#include "vmm/pci.h"
#include "vmm/platform.h"
#include "vmm/slots.h"

#define PVPANIC_PANICKED  0x01
#define PVPANIC_BAR_BYTES 4096

static uint64_t
pvpanic_read(void *context, uint64_t offset, uint32_t bytes)
{
	(void)context;
	(void)bytes;
	return offset == 0 ? PVPANIC_PANICKED : 0;
}

static void
pvpanic_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct platform *platform = context;

	(void)bytes;
	if (offset == 0 && (value & PVPANIC_PANICKED))
		platform->ops->report(platform->context, PLATFORM_EVENT_PANIC);
}

int
pvpanic_new(struct platform *platform, struct pci_root *root)
{
	static const struct bus_ops ops = { pvpanic_read, pvpanic_write };
	static const struct pci_identity identity = {
		.vendor = 0x1b36,
		.device = 0x0011,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.revision = 1,
		.class_code = 0x088000, /* a system peripheral of no other kind */
	};
	struct pci_device *device;
	int error;

	error = pci_device_new(root, SLOT_PVPANIC, "pvpanic", &identity, &device);
	if (error)
		return error;
	return pci_device_add_bar(device, 0, PVPANIC_BAR_BYTES, &ops, platform);
}
