/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtqueue.c - split virtqueues, with good drivers and bad ones
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "tests/unit/driver_ring.h"
#include "tests/unit/fake_platform.h"
#include "vmm/guest_memory.h"
#include "vmm/virtqueue.h"

#define QUEUE_SIZE 16
#define RAM_END	   FAKE_PLATFORM_RAM_BYTES

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

struct stage {
	struct fake_platform *fake;
	struct driver_ring ring;
	struct virtqueue queue;
	struct virtqueue_chain chain;
	uint64_t buffer; /* GPA of a page */
};

static void
stage_start(struct stage *stage, bool event_index)
{
	assert_int_equal(driver_ring_init(&stage->ring, stage->fake, QUEUE_SIZE, event_index), 0);
	assert_int_equal(
		virtqueue_start(&stage->queue, stage->fake->platform.memory, &stage->ring.setup),
		0);
}

static int
stage_setup(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake), 0);
	stage->buffer = fake_platform_alloc(stage->fake, 4096, 4096);
	assert_int_not_equal(stage->buffer, 0);
	stage_start(stage, false);
	*state = stage;
	return 0;
}

static int
stage_teardown(void **state)
{
	struct stage *stage = *state;

	fake_platform_free(stage->fake);
	test_free(stage);
	return 0;
}

static void
test_virtqueue__carries_data_both_ways(void **state)
{
	struct stage *stage = *state;
	uint8_t *host = fake_platform_map(stage->fake, stage->buffer, 4096);
	const struct driver_buffer buffers[] = {
		{ stage->buffer, 3, false },
		{ stage->buffer + 16, 4, false },
		{ stage->buffer + 32, 2, true },
		{ stage->buffer + 48, 6, true },
	};
	char text[16] = "";
	uint16_t head;
	uint32_t written;

	memcpy(host, "abc", 3);
	memcpy(host + 16, "defg", 4);
	assert_int_equal(driver_ring_add(&stage->ring, buffers, 4), 0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	assert_int_equal(stage->chain.n_out, 2);
	assert_int_equal(stage->chain.n_in, 2);
	assert_int_equal(stage->chain.out_bytes, 7);
	assert_int_equal(stage->chain.in_bytes, 8);
	assert_int_equal(virtqueue_chain_read(&stage->chain, 0, text, sizeof(text)), 7);
	assert_memory_equal(text, "abcdefg", 7);
	assert_int_equal(virtqueue_chain_write(&stage->chain, 0, "12345678", 9), 8);
	assert_memory_equal(host + 32, "12", 2);
	assert_memory_equal(host + 48, "345678", 6);
	virtqueue_push(&stage->queue, stage->chain.head, 8);
	assert_true(driver_ring_get_used(&stage->ring, &head, &written));
	assert_int_equal(head, 0);
	assert_int_equal(written, 8);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_virtqueue__carries_data_both_ways, stage_setup,
						stage_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
