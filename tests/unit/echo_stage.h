/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * echo_stage.h - a machine with the echo device and a driver for it; with cmocka's assertions
 */
#ifndef TESTS_UNIT_ECHO_STAGE_H
#define TESTS_UNIT_ECHO_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/virtio_driver.h"

#define ECHO_STAGE_SLOT 3

struct echo_device;
struct fake_platform;
struct pci_root;

struct echo_stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct echo_device *echo;
	struct virtio_driver driver;
	uint64_t buffer;
	bool freed;
};

/* cmocka's: *state is the stage; the device is reset. */
int echo_stage_setup(void **state);
int echo_stage_teardown(void **state);

/* The driver has started it, with all features. */
void echo_stage_start(struct echo_stage *stage);
bool echo_stage_needs_reset(struct echo_stage *stage);
/* Still, or again, a device that works. */
void echo_stage_assert_works(struct echo_stage *stage);

#endif
