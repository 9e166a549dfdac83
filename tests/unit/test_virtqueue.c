/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtqueue.c - split virtqueues, with good drivers and bad ones: their rings
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "tests/unit/driver_ring.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/queue_stage.h"
#include "vmm/virtqueue.h"

#define RAM_END QUEUE_STAGE_RAM_END

static void
test_virtqueue__takes_no_index_that_jumps(void **state)
{
	struct queue_stage *stage = *state;
	static const struct {
		uint16_t popped; /* and not handed back */
		uint16_t waiting;
		bool good;
	} cases[] = {
		{ 0, 1, true },
		{ 0, QUEUE_STAGE_SIZE, true },
		{ 3, QUEUE_STAGE_SIZE - 3, true },
		{ 0, QUEUE_STAGE_SIZE + 1, false },
		{ 0, 0xffff, false }, /* backwards */
		{ 0, 0x8000, false },
		{ 3, QUEUE_STAGE_SIZE - 2, false },
		{ QUEUE_STAGE_SIZE, 1, false },
	};
	const struct driver_buffer buffer = { stage->buffer, 16, false };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		queue_stage_start(stage, false);
		for (uint16_t j = 0; j < cases[i].popped; j++) {
			assert_int_equal(driver_ring_add(&stage->ring, &buffer, 1), j);
			assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
		}
		driver_ring_set_descriptor(&stage->ring, 0, stage->buffer, 16, 0, 0);
		driver_ring_set_avail_index(&stage->ring, cases[i].popped + cases[i].waiting);
		assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain),
				 cases[i].good ? 1 : -EPROTO);
	}
}

static void
test_virtqueue__refuses_bad_rings(void **state)
{
	struct queue_stage *stage = *state;
	const struct virtqueue_setup good = stage->ring.setup;
	static const struct {
		uint16_t size;
		uint64_t descriptors; /* added to the good address */
		uint64_t avail;
		uint64_t used;
		const char *reason;
	} bad[] = {
		{ 0, 0, 0, 0, "power of two" },
		{ 3, 0, 0, 0, "power of two" },
		{ 0xffff, 0, 0, 0, "power of two" },
		{ 2 * VIRTQUEUE_MAX_SIZE, 0, 0, 0, "power of two" },
		{ QUEUE_STAGE_SIZE, 8, 0, 0, "aligned" },
		{ QUEUE_STAGE_SIZE, 0, 1, 0, "aligned" },
		{ QUEUE_STAGE_SIZE, 0, 0, 2, "aligned" },
		{ QUEUE_STAGE_SIZE, RAM_END, 0, 0, "RAM" },
		{ QUEUE_STAGE_SIZE, 0, RAM_END, 0, "RAM" },
		{ QUEUE_STAGE_SIZE, 0, 0, RAM_END, "RAM" },
		{ QUEUE_STAGE_SIZE, UINT64_C(1) << 63, 0, 0, "RAM" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct virtqueue_setup setup = good;

		setup.size = bad[i].size;
		setup.descriptors += bad[i].descriptors;
		setup.avail += bad[i].avail;
		setup.used += bad[i].used;
		assert_int_equal(
			virtqueue_start(&stage->queue, stage->fake->platform.memory, &setup),
			-EINVAL);
		assert_non_null(strstr(stage->queue.reason, bad[i].reason));
		assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 0);
	}
}

/* The last byte of each ring is the last byte of RAM, or one beyond. */
static void
test_virtqueue__counts_the_rings_to_their_last_byte(void **state)
{
	struct queue_stage *stage = *state;
	const struct guest_memory *memory = stage->fake->platform.memory;
	const struct virtqueue_setup good = stage->ring.setup;
	struct virtqueue_setup setup = good;

	setup.descriptors = RAM_END - 16 * QUEUE_STAGE_SIZE;
	assert_int_equal(virtqueue_start(&stage->queue, memory, &setup), 0);
	setup.descriptors += 16;
	assert_int_equal(virtqueue_start(&stage->queue, memory, &setup), -EINVAL);
	setup = good;
	setup.avail = RAM_END - (6 + 2 * QUEUE_STAGE_SIZE);
	assert_int_equal(virtqueue_start(&stage->queue, memory, &setup), 0);
	setup.avail += 2;
	assert_int_equal(virtqueue_start(&stage->queue, memory, &setup), -EINVAL);
	setup = good;
	setup.used = RAM_END - (6 + 8 * QUEUE_STAGE_SIZE) - 2;
	assert_int_equal(virtqueue_start(&stage->queue, memory, &setup), 0);
	setup.used += 4;
	assert_int_equal(virtqueue_start(&stage->queue, memory, &setup), -EINVAL);
}

static void
test_virtqueue__is_silent_when_stopped(void **state)
{
	struct queue_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct vring_used *used = fake_platform_map(stage->fake, stage->ring.setup.used, 64);

	assert_int_equal(driver_ring_add(&stage->ring, &buffer, 1), 0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	virtqueue_stop(&stage->queue);
	virtqueue_push(&stage->queue, 0, 16);
	virtqueue_unpop(&stage->queue);
	virtqueue_set_notify(&stage->queue, false);
	assert_int_equal(used->idx, 0);
	assert_int_equal(used->flags, 0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 0);
	assert_false(virtqueue_has_work(&stage->queue));
	assert_false(virtqueue_should_signal(&stage->queue));
}

static void
test_virtqueue__puts_chains_back(void **state)
{
	struct queue_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	uint16_t head;
	uint32_t written;

	for (int i = 0; i < 3; i++)
		assert_int_equal(driver_ring_add(&stage->ring, &buffer, 1), i);
	for (int i = 0; i < 3; i++)
		assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	assert_false(virtqueue_has_work(&stage->queue));
	virtqueue_unpop(&stage->queue);
	virtqueue_unpop(&stage->queue);
	assert_true(virtqueue_has_work(&stage->queue));
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	assert_int_equal(stage->chain.head, 1);
	virtqueue_push(&stage->queue, 1, 5);
	virtqueue_push(&stage->queue, 0, 6);
	assert_true(driver_ring_get_used(&stage->ring, &head, &written));
	assert_int_equal(head, 1);
	assert_int_equal(written, 5);
	assert_true(driver_ring_get_used(&stage->ring, &head, &written));
	assert_int_equal(head, 0);
}

#define AT_ONCE	     4
#define AT_ONCE_RUNS 20000

/* A driver that looks all the time, on another processor. */
struct watch {
	const struct vring_used *used;
	atomic_bool stop;
	bool saw_part;
};

static void *
watch_run(void *context)
{
	struct watch *watch = context;

	while (!atomic_load(&watch->stop))
		if (__atomic_load_n(&watch->used->idx, __ATOMIC_ACQUIRE) % AT_ONCE != 0)
			watch->saw_part = true;
	return NULL;
}

static void
test_virtqueue__hands_several_back_at_once(void **state)
{
	struct queue_stage *stage = *state;
	const struct driver_buffer buffer = { stage->buffer, 16, true };
	struct watch watch = { .used = stage->queue.used };
	struct virtqueue_result results[AT_ONCE];
	pthread_t thread;
	uint16_t head;
	uint32_t written;

	assert_int_equal(pthread_create(&thread, NULL, watch_run, &watch), 0);
	for (uint32_t run = 0; run < AT_ONCE_RUNS; run++) {
		for (uint32_t i = 0; i < AT_ONCE; i++) {
			assert_true(driver_ring_add(&stage->ring, &buffer, 1) >= 0);
			assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
			results[i] = (struct virtqueue_result){ stage->chain.head, run + i };
		}
		virtqueue_push_all(&stage->queue, results, AT_ONCE);
		for (uint32_t i = 0; i < AT_ONCE; i++) {
			assert_true(driver_ring_get_used(&stage->ring, &head, &written));
			assert_int_equal(head, results[i].head);
			assert_int_equal(written, run + i);
		}
	}
	atomic_store(&watch.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_false(watch.saw_part);
	/* more than were taken */
	virtqueue_push_all(&stage->queue, results, AT_ONCE);
	assert_false(driver_ring_get_used(&stage->ring, &head, &written));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, queue_stage_setup, queue_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_virtqueue__takes_no_index_that_jumps),
		TEST(test_virtqueue__refuses_bad_rings),
		TEST(test_virtqueue__counts_the_rings_to_their_last_byte),
		TEST(test_virtqueue__is_silent_when_stopped),
		TEST(test_virtqueue__puts_chains_back),
		TEST(test_virtqueue__hands_several_back_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
