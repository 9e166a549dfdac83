/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * device_stage.c - one virtio device, plugged in and started by its driver, for tests
 */
#include "tests/unit/device_stage.h"

#include "vmm/pci.h"
#include "vmm/virtio.h"

int
device_stage_open(struct device_stage *stage, uint32_t slot, uint32_t class_code,
		  int (*make)(struct platform *platform, struct virtio_device **ret_device))
{
	int error = fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake);

	if (error == 0)
		error = pci_root_new(&stage->fake->platform, &stage->root);
	if (error == 0)
		error = make(&stage->fake->platform, &stage->device);
	if (error == 0)
		error = virtio_pci_new(stage->root, slot, class_code, stage->device);
	if (error < 0)
		return error;
	pci_root_reset(stage->root);
	error = virtio_driver_open(&stage->driver, stage->fake, slot);
	return error < 0 ? error : virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES);
}

void
device_stage_close(struct device_stage *stage)
{
	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	fake_platform_free(stage->fake);
}
