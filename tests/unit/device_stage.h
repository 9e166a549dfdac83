/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * device_stage.h - one virtio device, plugged in and started by its driver, for tests
 */
#ifndef TESTS_UNIT_DEVICE_STAGE_H
#define TESTS_UNIT_DEVICE_STAGE_H

#include <stdint.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"

struct pci_root;
struct virtio_device;

struct device_stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_device *device;
	struct virtio_driver driver;
};

/* With all features that the device offers. 0 or -errno. */
int device_stage_open(struct device_stage *stage, uint32_t slot, uint32_t class_code,
		      int (*make)(struct platform *platform, struct virtio_device **ret_device));
void device_stage_close(struct device_stage *stage);

#endif
