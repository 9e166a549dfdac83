/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_pci.c - the virtio transport: good drivers, and drivers that break its rules
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/unit/echo_device.h"
#include "tests/unit/echo_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/pci.h"

#define ALL VIRTIO_DRIVER_ALL_FEATURES
#define FEATURES_OK \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define DRIVER_OK (FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static void
test_virtio_pci__carries_data_with_any_features(void **state)
{
	struct echo_stage *stage = *state;
	static const uint64_t wanted[] = { ALL, UINT64_C(1) << VIRTIO_F_VERSION_1,
					   UINT64_C(1) << VIRTIO_F_VERSION_1 |
						   UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX };

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		fake_platform_forget(stage->fake);
		virtio_driver_reset(&stage->driver);
		assert_int_equal(virtio_driver_negotiate(&stage->driver, wanted[i]), 0);
		assert_int_equal(virtio_driver_setup_queue(&stage->driver, ECHO_QUEUE, 16), 0);
		virtio_driver_set_status(&stage->driver, DRIVER_OK);
		assert_int_equal(stage->fake->n_doorbells, 1);
		for (int j = 0; j < 100; j++)
			echo_stage_assert_works(stage);
		assert_int_equal(virtio_driver_count_interrupts(&stage->driver, ECHO_QUEUE), 100);
		assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 0);
	}
	assert_int_equal(stage->echo->n_activations, 3);
}

static void
test_virtio_pci__shows_what_it_is(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;

	assert_int_equal(virtio_driver_get_pci(driver, PCI_DEVICE_ID, 2), 0x1040 + ECHO_TYPE);
	assert_int_equal(virtio_driver_get_pci(driver, PCI_REVISION_ID, 1), 1);
	assert_int_equal(driver->n_queues, 3);
	assert_int_equal(driver->n_vectors, 4);
	assert_int_equal(driver->config_bytes, ECHO_CONFIG_BYTES);
	assert_true(virtio_driver_get_offered(driver) ==
		    (ECHO_FEATURE | UINT64_C(1) << VIRTIO_F_VERSION_1 |
		     UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX |
		     UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC));
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_DF, 4), 0);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_DFSELECT, 4), 2);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_MSIX, 2),
			 VIRTIO_MSI_NO_VECTOR);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, ECHO_QUEUE_NONE);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(virtio_driver_setup_queue(driver, ECHO_QUEUE_NONE, 0), -ENOENT);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, 3);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2), 3);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0);
}

static void
test_virtio_pci__answers_registers_only_whole(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;

	virtio_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 4, 0x01010101);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_DFSELECT, 2), 0);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_DFSELECT + 1, 1), 0);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 1, 7);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT + 2, 2, 7);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_DFSELECT, 4), 0x01010101);
	assert_int_equal(virtio_driver_get(driver, 56, 4), 0); /* beyond the structure */
	virtio_driver_set(driver, 56, 4, 7);
	assert_int_equal(virtio_driver_get(driver, 0xffc, 4), 0);
	fake_platform_write(stage->fake, driver->isr, 1, 0xff); /* read-only */
	assert_int_equal(fake_platform_read(stage->fake, driver->isr, 1), 0);
	assert_int_equal(fake_platform_read(stage->fake, driver->isr + 1, 1), 0);
	assert_int_equal(fake_platform_read(stage->fake, driver->notify, 2), 0);
}

static void
test_virtio_pci__refuses_features_it_did_not_offer(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	static const struct {
		uint32_t low;
		uint32_t high;
		uint8_t status;
	} bad[] = {
		{ 0, 0, FEATURES_OK },	    /* no VERSION_1 */
		{ 1 << 6, 1, FEATURES_OK }, /* not offered */
		{ 0, 3, FEATURES_OK },	    /* ACCESS_PLATFORM */
		{ 0, 1, VIRTIO_CONFIG_S_FEATURES_OK },
		{ 0, 1, VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK },
		{ 0, 0, DRIVER_OK },
		{ 0, 1,
		  VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			  VIRTIO_CONFIG_S_DRIVER_OK },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		virtio_driver_reset(driver);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GF, 4, bad[i].low);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GF, 4, bad[i].high);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GFSELECT, 4, 2);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
		assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_GF, 4), 0);
		virtio_driver_set_status(driver, bad[i].status);
		assert_int_equal(virtio_driver_get_status(driver),
				 bad[i].status &
					 (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER));
		assert_int_equal(stage->echo->n_activations, 0);
	}
}

static void
test_virtio_pci__freezes_features(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;

	assert_int_equal(virtio_driver_negotiate(driver, ALL), 0);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_GF, 4, 0);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_GF, 4),
			 (uint32_t)virtio_driver_get_offered(driver));
	virtio_driver_set_status(driver, VIRTIO_CONFIG_S_ACKNOWLEDGE); /* bits stay */
	assert_int_equal(virtio_driver_get_status(driver), FEATURES_OK);
	virtio_driver_set_status(driver, FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(virtio_driver_get_status(driver), FEATURES_OK);
	virtio_driver_set_status(driver, FEATURES_OK | VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(virtio_driver_get_status(driver), FEATURES_OK | VIRTIO_CONFIG_S_FAILED);
}

static void
test_virtio_pci__freezes_queues_when_they_are_enabled(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	static const uint32_t frozen[] = {
		VIRTIO_PCI_COMMON_Q_DESCLO,  VIRTIO_PCI_COMMON_Q_DESCHI,
		VIRTIO_PCI_COMMON_Q_AVAILLO, VIRTIO_PCI_COMMON_Q_AVAILHI,
		VIRTIO_PCI_COMMON_Q_USEDLO,  VIRTIO_PCI_COMMON_Q_USEDHI,
	};

	virtio_driver_reset(driver);
	for (int round = 0; round < 3; round++) {
		uint32_t before[6];

		for (size_t i = 0; i < 6; i++)
			before[i] = virtio_driver_get(driver, frozen[i], 4);
		for (size_t i = 0; i < 6; i++) {
			virtio_driver_set(driver, frozen[i], 4, 0x1000 * (uint32_t)i + 1);
			assert_int_equal(virtio_driver_get(driver, frozen[i], 4), before[i]);
		}
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2, 4);
		assert_int_not_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2), 4);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
		assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2),
				 round > 0);
		if (round == 0) { /* before features; then enabled; then running */
			assert_int_equal(virtio_driver_negotiate(driver, ALL), 0);
			assert_int_equal(virtio_driver_setup_queue(driver, ECHO_QUEUE, 16), 0);
		} else if (round == 1) {
			virtio_driver_set_status(driver, DRIVER_OK);
		}
	}
	echo_stage_assert_works(stage);
	/* a queue that was not enabled in time cannot be any more */
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, ECHO_QUEUE_HOLD);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	driver->doorbells[ECHO_QUEUE_HOLD] = driver->notify + 4 * ECHO_QUEUE_HOLD;
	stage->echo->n_kicks = 0;
	virtio_driver_kick(driver, ECHO_QUEUE_HOLD);
	assert_int_equal(stage->echo->n_kicks, 0);
}

static void
test_virtio_pci__fails_on_bad_rings(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	static const struct {
		uint32_t offset;
		uint32_t bytes;
		uint32_t value;
	} bad[] = {
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2, 0 },
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2, 15 },
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2, 2 * ECHO_QUEUE_SIZE },
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2, 0x8000 },
		{ VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x100008 },
		{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4, 0x100001 },
		{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, 0x100002 },
		{ VIRTIO_PCI_COMMON_Q_DESCHI, 4, 1 },
		{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0xffffffff },
		{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, (uint32_t)PCI_WINDOW_BASE },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct driver_ring ring;

		fake_platform_forget(stage->fake);
		assert_int_equal(virtio_driver_negotiate(driver, ALL), 0);
		assert_int_equal(driver_ring_init(&ring, stage->fake, ECHO_QUEUE_SIZE, true), 0);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, ECHO_QUEUE);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_DESCLO, 4,
				  (uint32_t)ring.setup.descriptors);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_AVAILLO, 4,
				  (uint32_t)ring.setup.avail);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_USEDLO, 4, (uint32_t)ring.setup.used);
		virtio_driver_set(driver, bad[i].offset, bad[i].bytes, bad[i].value);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		virtio_driver_set_status(driver, DRIVER_OK);
		assert_true(echo_stage_needs_reset(stage));
		assert_int_equal(virtio_driver_count_config_interrupts(driver), 1);
		assert_int_equal(stage->echo->n_activations, 0);
		assert_int_equal(stage->fake->n_doorbells, 0);
	}
}

static void
test_virtio_pci__fails_on_a_broken_queue_until_reset(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	uint8_t generation;

	echo_stage_start(stage);
	generation = (uint8_t)virtio_driver_get(driver, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	driver_ring_publish(driver->rings[ECHO_QUEUE], 999);
	virtio_driver_kick(driver, ECHO_QUEUE);
	assert_true(echo_stage_needs_reset(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(driver), 1);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_CFGGENERATION, 1),
			 (uint8_t)(generation + 1));
	assert_int_equal(fake_platform_read(stage->fake, driver->isr, 1), VIRTIO_PCI_ISR_CONFIG);
	assert_int_equal(fake_platform_read(stage->fake, driver->isr, 1), 0);
	/* the other queue is silent too, and so is a second failure */
	stage->echo->n_kicks = 0;
	virtio_driver_kick(driver, ECHO_QUEUE_HOLD);
	virtio_driver_kick(driver, ECHO_QUEUE);
	assert_int_equal(stage->echo->n_kicks, 0);
	virtio_fail(&stage->echo->device, "again");
	virtio_signal_queue(&stage->echo->device, ECHO_QUEUE);
	assert_int_equal(virtio_driver_count_config_interrupts(driver), 1);
	assert_int_equal(virtio_driver_count_interrupts(driver, ECHO_QUEUE), 0);
	virtio_driver_set_status(driver, DRIVER_OK);
	assert_true(echo_stage_needs_reset(stage));
	echo_stage_start(stage);
	echo_stage_assert_works(stage);
}

static void
test_virtio_pci__fails_when_the_device_cannot_start(void **state)
{
	struct echo_stage *stage = *state;

	stage->echo->activate_error = -ENOMEM;
	assert_int_equal(virtio_driver_start(&stage->driver, ALL), -EIO);
	assert_true(echo_stage_needs_reset(stage));
	assert_false(stage->echo->device.active);
	stage->echo->activate_error = 0;
	echo_stage_start(stage);
	echo_stage_assert_works(stage);
	/* failed before DRIVER_OK: it is not started, nobody is interrupted */
	assert_int_equal(virtio_driver_negotiate(&stage->driver, ALL), 0);
	fake_platform_forget(stage->fake);
	virtio_fail(&stage->echo->device, "a test");
	virtio_driver_set_status(&stage->driver, DRIVER_OK);
	assert_int_equal(virtio_driver_get_status(&stage->driver),
			 FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(stage->fake->n_msis, 0);
}

static void
test_virtio_pci__interrupts_the_vectors_it_was_given(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;

	echo_stage_start(stage);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, ECHO_QUEUE);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2), 3);
	echo_stage_assert_works(stage);
	assert_int_equal(stage->fake->last_msi_data, ECHO_STAGE_SLOT << 8 | 3);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2, 4); /* there are four */
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 VIRTIO_MSI_NO_VECTOR);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_MSIX, 2, 0x4000);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_MSIX, 2),
			 VIRTIO_MSI_NO_VECTOR);
	fake_platform_forget(stage->fake);
	fake_platform_read(stage->fake, driver->isr, 1);
	echo_stage_assert_works(stage);
	virtio_signal_config(&stage->echo->device);
	assert_int_equal(stage->fake->n_msis, 0);
	/* the status register says it all the same */
	assert_int_equal(fake_platform_read(stage->fake, driver->isr, 1),
			 VIRTIO_PCI_ISR_CONFIG | 1);
}

static void
test_virtio_pci__keeps_accesses_inside_the_configuration(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;

	memcpy(stage->echo->config, "\1\2\3\4\5\6", 6);
	assert_int_equal(virtio_driver_get_config(driver, 0, 4), 0x04030201);
	assert_true(virtio_driver_get_config(driver, 0, 8) == UINT64_C(0x060504030201));
	assert_int_equal(virtio_driver_get_config(driver, 4, 4), 0x0605);
	assert_int_equal(virtio_driver_get_config(driver, 5, 1), 6);
	assert_int_equal(virtio_driver_get_config(driver, 6, 2), 0);
	assert_int_equal(virtio_driver_get_config(driver, 0xffc, 4), 0);
	virtio_driver_set_config(driver, 4, 8, UINT64_C(0xffffffffffff0807));
	virtio_driver_set_config(driver, 8, 8, UINT64_MAX);
	assert_int_equal(virtio_driver_get_config(driver, 4, 2), 0x0807);
	assert_memory_equal(stage->echo->config, "\1\2\3\4\7\10", 6);
	assert_int_equal(stage->echo->n_held, 0); /* what lies behind it */
}

/* The whole of a driver through the window in configuration space, as firmware may do. */
static void
test_virtio_pci__has_a_window_in_configuration_space(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	uint32_t at = virtio_driver_get_pci(driver, PCI_CAPABILITY_LIST, 1);
	static const struct {
		uint32_t bar;
		uint32_t offset;
		uint32_t bytes;
	} bad[] = {
		{ 1, 0, 4 },	      { 0, 0x4000, 1 }, { 0, 0x3ffd, 4 },
		{ 0, UINT32_MAX, 1 }, { 0, 0x2001, 2 }, { 0, 0x2000, 3 },
		{ 0, 0x2000, 8 },     { 0, 0x2000, 0 }, { 0, UINT32_MAX, 4 },
	};

	while (at != 0 && (virtio_driver_get_pci(driver, at, 1) != PCI_CAP_ID_VNDR ||
			   virtio_driver_get_pci(driver, at + VIRTIO_PCI_CAP_CFG_TYPE, 1) !=
				   VIRTIO_PCI_CAP_PCI_CFG))
		at = virtio_driver_get_pci(driver, at + 1, 1);
	assert_int_not_equal(at, 0);
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, 0); /* no memory decoding */
	memcpy(stage->echo->config, "\1\2\3\4\5\6", 6);
	virtio_driver_set_pci(driver, at + VIRTIO_PCI_CAP_OFFSET, 4, 0x2000);
	virtio_driver_set_pci(driver, at + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	assert_int_equal(virtio_driver_get_pci(driver, at + 16, 4), 0x04030201);
	virtio_driver_set_pci(driver, at + 16, 4, 0x0a0b0c0d);
	assert_memory_equal(stage->echo->config, "\x0d\x0c\x0b\x0a\5\6", 6);
	virtio_driver_set_pci(driver, at + 16, 2, 0); /* less than the window: dropped */
	virtio_driver_set_pci(driver, at + 17, 1, 0);
	assert_int_equal(virtio_driver_get_pci(driver, at + 17, 1), 0);
	virtio_driver_set_pci(driver, at + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	virtio_driver_set_pci(driver, at + 16, 4, 0xffffff11);
	assert_memory_equal(stage->echo->config, "\x11\x0c\x0b\x0a\5\6", 6);
	assert_int_equal(virtio_driver_get_pci(driver, at + 16, 1), 0x11);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		virtio_driver_set_pci(driver, at + VIRTIO_PCI_CAP_BAR, 1, bad[i].bar);
		virtio_driver_set_pci(driver, at + VIRTIO_PCI_CAP_OFFSET, 4, bad[i].offset);
		virtio_driver_set_pci(driver, at + VIRTIO_PCI_CAP_LENGTH, 4, bad[i].bytes);
		assert_int_equal(virtio_driver_get_pci(driver, at + 16, 4), 0);
		virtio_driver_set_pci(driver, at + 16, 4, UINT32_MAX);
	}
	assert_memory_equal(stage->echo->config, "\x11\x0c\x0b\x0a\5\6", 6);
}

static void
test_virtio_pci__leaves_what_it_cannot_place(void **state)
{
	struct echo_stage *stage = *state;
	struct echo_device *second;
	struct virtio_device wrong = { .ops = stage->echo->device.ops,
				       .platform = &stage->fake->platform,
				       .n_queues = VIRTIO_MAX_QUEUES + 1 };
	bool freed = false;

	assert_int_equal(echo_device_new(stage->root, &stage->fake->platform, ECHO_STAGE_SLOT,
					 &freed, &second),
			 -EEXIST);
	assert_int_equal(virtio_pci_new(stage->root, 4, 0, &wrong), -EINVAL);
	wrong.n_queues = 1;
	wrong.config_bytes = VIRTIO_MAX_CONFIG_BYTES + 1;
	assert_int_equal(virtio_pci_new(stage->root, 4, 0, &wrong), -EINVAL);
	assert_false(freed);
	assert_int_equal(echo_device_new(stage->root, &stage->fake->platform, 4, &freed, &second),
			 0);
	echo_stage_start(stage);
	echo_stage_assert_works(stage);
	pci_root_free(stage->root);
	assert_true(freed);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, echo_stage_setup, echo_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_virtio_pci__carries_data_with_any_features),
		TEST(test_virtio_pci__shows_what_it_is),
		TEST(test_virtio_pci__answers_registers_only_whole),
		TEST(test_virtio_pci__refuses_features_it_did_not_offer),
		TEST(test_virtio_pci__freezes_features),
		TEST(test_virtio_pci__freezes_queues_when_they_are_enabled),
		TEST(test_virtio_pci__fails_on_bad_rings),
		TEST(test_virtio_pci__fails_on_a_broken_queue_until_reset),
		TEST(test_virtio_pci__fails_when_the_device_cannot_start),
		TEST(test_virtio_pci__interrupts_the_vectors_it_was_given),
		TEST(test_virtio_pci__keeps_accesses_inside_the_configuration),
		TEST(test_virtio_pci__has_a_window_in_configuration_space),
		TEST(test_virtio_pci__leaves_what_it_cannot_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
