/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * echo_stage.c - a machine with the echo device and a driver for it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/echo_stage.h"

#include <linux/virtio_config.h>

#include "tests/unit/echo_device.h"
#include "tests/unit/fake_platform.h"
#include "vmm/pci.h"

int
echo_stage_setup(void **state)
{
	struct echo_stage *stage = test_calloc(1, sizeof(*stage));

	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake), 0);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(echo_device_new(stage->root, &stage->fake->platform, ECHO_STAGE_SLOT,
					 &stage->freed, &stage->echo),
			 0);
	pci_root_reset(stage->root);
	assert_int_equal(virtio_driver_open(&stage->driver, stage->fake, ECHO_STAGE_SLOT), 0);
	stage->buffer = fake_platform_alloc(stage->fake, 4096, 4096);
	*state = stage;
	return 0;
}

int
echo_stage_teardown(void **state)
{
	struct echo_stage *stage = *state;

	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	assert_true(stage->freed);
	assert_int_equal(stage->fake->n_doorbells, 0);
	fake_platform_free(stage->fake);
	test_free(stage);
	return 0;
}

bool
echo_stage_needs_reset(struct echo_stage *stage)
{
	return virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void
echo_stage_assert_works(struct echo_stage *stage)
{
	char answer[8] = "";

	assert_int_equal(virtio_driver_transfer(&stage->driver, ECHO_QUEUE, "ping", 4, answer, 8),
			 4);
	assert_string_equal(answer, "ping");
}

void
echo_stage_start(struct echo_stage *stage)
{
	struct virtio_driver *driver = &stage->driver;

	assert_int_equal(virtio_driver_start(driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	assert_true(virtio_driver_get_status(driver) & VIRTIO_CONFIG_S_DRIVER_OK);
	fake_platform_settle(stage->fake);
	stage->echo->n_kicks = 0;
	fake_platform_forget(stage->fake);
}
