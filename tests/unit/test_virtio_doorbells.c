/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_doorbells.c - the virtio transport: what rings, when, and what a reset does to what is on its way
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "base/cleanup.h"
#include "tests/unit/echo_device.h"
#include "tests/unit/echo_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/loop.h"
#include "vmm/pci.h"

static void
test_virtio_doorbells__hears_no_doorbell_before_its_time(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	uint32_t written;
	uint16_t head;

	assert_int_equal(virtio_driver_negotiate(driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	assert_int_equal(virtio_driver_setup_queue(driver, ECHO_QUEUE, 0), 0);
	assert_int_equal(driver_ring_add(driver->rings[ECHO_QUEUE], &buffer, 1), 0);
	virtio_driver_kick(driver, ECHO_QUEUE);
	assert_int_equal(stage->echo->n_kicks, 0);
	assert_false(driver_ring_get_used(driver->rings[ECHO_QUEUE], &head, &written));
	virtio_driver_set_status(driver, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
						 VIRTIO_CONFIG_S_FEATURES_OK |
						 VIRTIO_CONFIG_S_DRIVER_OK);
	fake_platform_settle(stage->fake);
	assert_true(driver_ring_get_used(driver->rings[ECHO_QUEUE], &head, &written));
	/* doorbells of no queue, and beside the doorbells */
	fake_platform_write(stage->fake, driver->notify + 1, 2, 0);
	fake_platform_write(stage->fake, driver->notify + 4 * 3, 2, 0);
	fake_platform_write(stage->fake, driver->notify + 0xffc, 4, 0);
	stage->echo->n_kicks = 0;
	fake_platform_settle(stage->fake);
	assert_int_equal(stage->echo->n_kicks, 0);
}

static void
test_virtio_doorbells__hears_doorbells_that_the_platform_does_not_watch(void **state)
{
	struct echo_stage *stage = *state;

	echo_stage_start(stage);
	stage->fake->n_doorbells = 0; /* behind its back: now each ring is an access to the BAR */
	echo_stage_assert_works(stage);
	stage->fake->n_doorbells = 2;
	/* no room: the same */
	virtio_driver_reset(&stage->driver);
	stage->fake->n_doorbells = FAKE_PLATFORM_MAX_DOORBELLS;
	echo_stage_start(stage);
	echo_stage_assert_works(stage);
	virtio_driver_reset(&stage->driver);
	stage->fake->n_doorbells = 0;
}

static void
test_virtio_doorbells__moves_doorbells_with_the_bar(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	uint64_t target = PCI_WINDOW_BASE + 0x10000000;

	echo_stage_start(stage);
	assert_int_equal(stage->fake->n_doorbells, 2);
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_int_equal(stage->fake->n_doorbells, 0);
	virtio_driver_set_pci(driver, PCI_BASE_ADDRESS_0, 4, (uint32_t)target);
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	assert_int_equal(stage->fake->n_doorbells, 2);
	for (uint32_t i = 0; i < 2; i++) {
		driver->doorbells[i] += target - driver->common;
		assert_true(stage->fake->doorbells[i].gpa == driver->doorbells[i]);
	}
	driver->common = target;
	echo_stage_assert_works(stage);
	virtio_driver_reset(driver);
	assert_int_equal(stage->fake->n_doorbells, 0);
}

static void
test_ring_and_step(struct echo_stage *stage)
{
	fake_platform_write(stage->fake, stage->driver.doorbells[ECHO_QUEUE], 2, ECHO_QUEUE);
	assert_int_equal(loop_step(stage->fake->platform.loop, 0), 1);
}

/* The driver must ring for one more chain, and it comes back. */
static void
test_ring_for_a_chain(struct echo_stage *stage)
{
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct driver_ring *ring = stage->driver.rings[ECHO_QUEUE];
	uint32_t written;
	uint16_t head;

	assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	assert_true(driver_ring_wants_kick(ring));
	test_ring_and_step(stage);
	assert_true(driver_ring_get_used(ring, &head, &written));
}

static void
test_virtio_doorbells__does_nothing_without_bus_mastering(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct virtqueue_chain chain;
	uint32_t written;
	uint16_t head;

	echo_stage_start(stage);
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(driver_ring_add(driver->rings[ECHO_QUEUE], &buffer, 1), 0);
	virtio_driver_kick(driver, ECHO_QUEUE);
	assert_int_equal(stage->echo->n_kicks, 0);
	assert_false(virtio_pop(&stage->echo->device, ECHO_QUEUE, &chain));
	/* what was rung for meanwhile is not lost */
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(driver_ring_get_used(driver->rings[ECHO_QUEUE], &head, &written));
	echo_stage_assert_works(stage);
}

/* It was quiet when it was left alone, so nobody rings for what comes then. */
static void
test_virtio_doorbells__a_busy_queue_goes_on_with_bus_mastering(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct driver_ring *ring;
	uint32_t written;
	uint16_t head;

	echo_stage_start(stage);
	ring = driver->rings[ECHO_QUEUE];
	test_ring_for_a_chain(stage);
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	assert_false(driver_ring_wants_kick(ring));
	assert_true(fake_platform_settle(stage->fake));
	assert_false(driver_ring_get_used(ring, &head, &written));
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(driver_ring_get_used(ring, &head, &written));
	test_ring_for_a_chain(stage);
}

/* It was rung before the vCPUs stood, and nobody rings again. */
static void
test_virtio_doorbells__waits_while_the_machine_is_paused(void **state)
{
	struct echo_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct driver_ring *ring;
	uint32_t written;
	uint16_t head;

	echo_stage_start(stage);
	ring = stage->driver.rings[ECHO_QUEUE];
	stage->fake->platform.paused = true;
	assert_int_equal(driver_ring_add(ring, &buffer, 1), 0);
	virtio_driver_kick(&stage->driver, ECHO_QUEUE);
	assert_false(driver_ring_get_used(ring, &head, &written));
	stage->fake->platform.paused = false;
	pci_root_resume(stage->root);
	fake_platform_settle(stage->fake);
	assert_true(driver_ring_get_used(ring, &head, &written));
	echo_stage_assert_works(stage);
}

/* From a ring until nothing has come for a while. */
static void
test_virtio_doorbells__are_not_needed_while_a_queue_is_busy(void **state)
{
	static const uint64_t without_index = ~(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
	struct echo_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	uint32_t written;
	uint16_t head;

	for (int i = 0; i < 2; i++) {
		struct driver_ring *ring;

		assert_int_equal(
			virtio_driver_start(&stage->driver,
					    i == 0 ? VIRTIO_DRIVER_ALL_FEATURES : without_index),
			0);
		fake_platform_settle(stage->fake);
		ring = stage->driver.rings[ECHO_QUEUE];
		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
		assert_true(driver_ring_wants_kick(ring));
		test_ring_and_step(stage);
		assert_true(driver_ring_get_used(ring, &head, &written));
		for (int j = 0; j < 3; j++) {
			assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
			assert_false(driver_ring_wants_kick(ring));
			assert_int_equal(loop_step(stage->fake->platform.loop, 0), 1);
			assert_true(driver_ring_get_used(ring, &head, &written));
		}
		assert_true(fake_platform_settle(stage->fake));
		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
		assert_true(driver_ring_wants_kick(ring));
		virtio_driver_reset(&stage->driver);
	}
}

/* What it does not take for now must not keep the loop busy. */
static void
test_virtio_doorbells__leaves_a_queue_alone_that_does_not_get_on(void **state)
{
	struct echo_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct driver_ring *ring;

	echo_stage_start(stage);
	ring = stage->driver.rings[ECHO_QUEUE_HOLD];
	for (int i = 0; i < ECHO_HOLD_SIZE; i++)
		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	stage->echo->n_held = ECHO_HOLD_SIZE;
	fake_platform_write(stage->fake, stage->driver.doorbells[ECHO_QUEUE_HOLD], 2,
			    ECHO_QUEUE_HOLD);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(loop_step(stage->fake->platform.loop, 0), 0);
	stage->echo->n_held = 0;
}

static bool
is_quiet(const struct echo_stage *stage, uint32_t queue)
{
	return !stage->echo->device.queues[queue].state.notify;
}

/* A ring for nothing, or for what the device does not take now, must not make the loop poll. */
static void
test_virtio_doorbells__a_ring_in_vain_makes_no_queue_quiet(void **state)
{
	struct echo_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };

	echo_stage_start(stage);
	assert_true(fake_platform_settle(stage->fake));
	test_ring_and_step(stage);
	assert_int_equal(stage->echo->n_kicks, 1);
	assert_false(is_quiet(stage, ECHO_QUEUE));
	stage->echo->n_held = ECHO_HOLD_SIZE;
	assert_true(driver_ring_add(stage->driver.rings[ECHO_QUEUE_HOLD], &buffer, 1) >= 0);
	fake_platform_write(stage->fake, stage->driver.doorbells[ECHO_QUEUE_HOLD], 2,
			    ECHO_QUEUE_HOLD);
	assert_int_equal(loop_step(stage->fake->platform.loop, 0), 1);
	assert_false(is_quiet(stage, ECHO_QUEUE_HOLD));
	stage->echo->n_held = 0;
}

static void
ignore_event(void *context, uint32_t events)
{
	(void)context;
	(void)events;
}

/* What the device hands back makes the driver go on: polling lasts. Other events, one a turn here, are no reason. */
static void
test_virtio_doorbells__a_queue_is_quiet_as_long_as_there_is_news(void **state)
{
	struct echo_stage *stage = *state;
	struct loop *loop = stage->fake->platform.loop;
	struct virtio_device *device = &stage->echo->device;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	CLEANUP_CLOSE int always = eventfd(1, EFD_CLOEXEC);
	struct loop_source *source;

	echo_stage_start(stage);
	for (int i = 0; i < ECHO_HOLD_SIZE; i++)
		assert_true(driver_ring_add(stage->driver.rings[ECHO_QUEUE_HOLD], &buffer, 1) >= 0);
	fake_platform_write(stage->fake, stage->driver.doorbells[ECHO_QUEUE_HOLD], 2,
			    ECHO_QUEUE_HOLD);
	assert_int_equal(loop_step(loop, 0), 1);
	assert_int_equal(loop_add(loop, "always", always, EPOLLIN, ignore_event, NULL, &source), 0);
	for (int i = 0; i < ECHO_HOLD_SIZE; i++) {
		for (int j = 0; j < 100; j++)
			assert_int_equal(loop_step(loop, 0), 1);
		assert_true(is_quiet(stage, ECHO_QUEUE_HOLD));
		virtqueue_push(&device->queues[ECHO_QUEUE_HOLD], stage->echo->held[i], 0);
		virtio_signal_queue(device, ECHO_QUEUE_HOLD);
	}
	stage->echo->n_held = 0;
	for (int j = 0; j < 1000; j++) {
		virtio_signal_queue(device, ECHO_QUEUE_HOLD); /* of nothing */
		assert_int_equal(loop_step(loop, 0), 1);
	}
	assert_false(is_quiet(stage, ECHO_QUEUE_HOLD));
	loop_remove(source);
}

/* A busy queue's rings are not written any more either; then it goes on as if it had been rung for. */
static void
test_virtio_doorbells__leaves_a_busy_queue_alone_in_a_pause(void **state)
{
	struct echo_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct driver_ring *ring;
	uint32_t written;
	uint16_t head;

	echo_stage_start(stage);
	ring = stage->driver.rings[ECHO_QUEUE];
	test_ring_for_a_chain(stage);
	stage->fake->platform.paused = true;
	assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	assert_true(fake_platform_settle(stage->fake));
	assert_false(driver_ring_get_used(ring, &head, &written));
	assert_false(driver_ring_wants_kick(ring));
	stage->fake->platform.paused = false;
	pci_root_resume(stage->root);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(driver_ring_get_used(ring, &head, &written));
	echo_stage_assert_works(stage);
}

/* It stayed quiet in the pause, and nothing was waiting after it: the next chain must be rung for all the same. */
static void
test_virtio_doorbells__are_needed_again_after_a_pause(void **state)
{
	struct echo_stage *stage = *state;

	echo_stage_start(stage);
	test_ring_for_a_chain(stage);
	stage->fake->platform.paused = true;
	assert_true(fake_platform_settle(stage->fake));
	assert_true(is_quiet(stage, ECHO_QUEUE));
	stage->fake->platform.paused = false;
	pci_root_resume(stage->root);
	assert_true(fake_platform_settle(stage->fake));
	test_ring_for_a_chain(stage);
}

static void
test_virtio_doorbells__bounds_the_work_of_a_kick(void **state)
{
	struct echo_stage *stage = *state;
	struct driver_ring *ring;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	uint32_t written, n_used = 0;
	uint16_t head;

	echo_stage_start(stage);
	ring = stage->driver.rings[ECHO_QUEUE];
	for (int i = 0; i < 3 * ECHO_BATCH; i++)
		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	virtio_driver_kick(&stage->driver, ECHO_QUEUE);
	while (driver_ring_get_used(ring, &head, &written))
		n_used++;
	assert_int_equal(n_used, 3 * ECHO_BATCH);
	assert_int_equal(stage->echo->n_kicks, 3);
	/* the driver asked for an interrupt at the first of them only */
	assert_int_equal(virtio_driver_count_interrupts(&stage->driver, ECHO_QUEUE), 1);
}

static void
test_virtio_doorbells__forgets_all_at_a_reset_in_mid_io(void **state)
{
	struct echo_stage *stage = *state;
	struct virtio_driver *driver = &stage->driver;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct virtqueue_setup setup;
	struct vring_used *used;

	echo_stage_start(stage);
	for (int i = 0; i < ECHO_HOLD_SIZE; i++)
		assert_true(driver_ring_add(driver->rings[ECHO_QUEUE_HOLD], &buffer, 1) >= 0);
	virtio_driver_kick(driver, ECHO_QUEUE_HOLD);
	assert_int_equal(stage->echo->n_held, ECHO_HOLD_SIZE);
	setup = driver->rings[ECHO_QUEUE_HOLD]->setup;
	used = fake_platform_map(stage->fake, setup.used, sizeof(*used));
	virtio_driver_reset(driver);
	assert_int_equal(virtio_driver_get_status(driver), 0);
	assert_int_equal(stage->echo->n_held, 0);
	/* a device that hands back late changes nothing, and tells nobody */
	stage->echo->n_held = 2;
	fake_platform_forget(stage->fake);
	echo_device_complete(stage->echo);
	assert_int_equal(used->idx, 0);
	assert_int_equal(stage->fake->n_msis, 0);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, ECHO_QUEUE_HOLD);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2), ECHO_HOLD_SIZE);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2),
			 VIRTIO_MSI_NO_VECTOR);
	assert_int_equal(virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	echo_stage_start(stage);
	echo_stage_assert_works(stage);
	/* the machine's reset, with PCI's */
	pci_root_reset(stage->root);
	assert_int_equal(stage->fake->n_doorbells, 0);
	assert_false(stage->echo->device.active);
	virtio_driver_close(driver);
	assert_int_equal(virtio_driver_open(driver, stage->fake, ECHO_STAGE_SLOT), 0);
	echo_stage_start(stage);
	echo_stage_assert_works(stage);
}

static void
test_virtio_doorbells__runs_two_machines_side_by_side(void **state)
{
	struct echo_stage *stage = *state;
	void *other_state;
	struct echo_stage *other;

	assert_int_equal(echo_stage_setup(&other_state), 0);
	other = other_state;
	echo_stage_start(stage);
	echo_stage_start(other);
	for (int i = 0; i < 10; i++) {
		echo_stage_assert_works(stage);
		echo_stage_assert_works(other);
	}
	virtio_driver_reset(&stage->driver);
	echo_stage_assert_works(other);
	assert_int_equal(virtio_driver_count_interrupts(&stage->driver, ECHO_QUEUE), 10);
	assert_int_equal(virtio_driver_count_interrupts(&other->driver, ECHO_QUEUE), 11);
	echo_stage_teardown(&other_state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, echo_stage_setup, echo_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_virtio_doorbells__hears_no_doorbell_before_its_time),
		TEST(test_virtio_doorbells__hears_doorbells_that_the_platform_does_not_watch),
		TEST(test_virtio_doorbells__moves_doorbells_with_the_bar),
		TEST(test_virtio_doorbells__does_nothing_without_bus_mastering),
		TEST(test_virtio_doorbells__a_busy_queue_goes_on_with_bus_mastering),
		TEST(test_virtio_doorbells__waits_while_the_machine_is_paused),
		TEST(test_virtio_doorbells__are_not_needed_while_a_queue_is_busy),
		TEST(test_virtio_doorbells__leaves_a_queue_alone_that_does_not_get_on),
		TEST(test_virtio_doorbells__a_ring_in_vain_makes_no_queue_quiet),
		TEST(test_virtio_doorbells__a_queue_is_quiet_as_long_as_there_is_news),
		TEST(test_virtio_doorbells__leaves_a_busy_queue_alone_in_a_pause),
		TEST(test_virtio_doorbells__are_needed_again_after_a_pause),
		TEST(test_virtio_doorbells__bounds_the_work_of_a_kick),
		TEST(test_virtio_doorbells__forgets_all_at_a_reset_in_mid_io),
		TEST(test_virtio_doorbells__runs_two_machines_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
