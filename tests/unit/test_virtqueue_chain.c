/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtqueue_chain.c - the chains in a virtqueue, those of good drivers and of bad ones, and their bytes
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
#include "tests/unit/queue_stage.h"
#include "vmm/guest_memory.h"
#include "vmm/virtqueue.h"

#define RAM_END QUEUE_STAGE_RAM_END

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

static void
test_virtqueue_chain__carries_data_both_ways(void **state)
{
	struct queue_stage *stage = *state;
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

/* A chain that begins with some descriptors and may go on in a table of its own. */
struct chain_case {
	const char *name;
	const char *reason; /* part of it; NULL: it is a good one */
	uint16_t head;
	bool not_negotiated; /* indirect descriptors */
	struct vring_desc ring[4];
	struct vring_desc table[4]; /* lies at TABLE */
};

#define BUFFER (FAKE_PLATFORM_FREE_GPA + 0x100000)
#define TABLE  (FAKE_PLATFORM_FREE_GPA + 0x200000)

static const struct chain_case chain_cases[] = {
	{ "one to read", NULL, 0, false, { { BUFFER, 1, 0, 99 } }, { { 0 } } },
	{ "one to write", NULL, 0, false, { { BUFFER, 1, WRITE, 0 } }, { { 0 } } },
	{ "the last byte of RAM", NULL, 0, false, { { RAM_END - 1, 1, 0, 0 } }, { { 0 } } },
	{ "all of RAM", NULL, 0, false, { { 0, RAM_END, 0, 0 } }, { { 0 } } },
	{ "backwards through the table",
	  NULL,
	  3,
	  false,
	  { { BUFFER, 1, WRITE, 0 }, { BUFFER, 1, NEXT, 0 }, { 0 }, { BUFFER, 1, NEXT, 1 } },
	  { { 0 } } },
	{ "indirect",
	  NULL,
	  0,
	  false,
	  { { TABLE, 32, INDIRECT, 0 } },
	  { { BUFFER, 1, NEXT, 1 }, { BUFFER, 1, WRITE, 0 } } },
	{ "indirect, the write flag is ignored",
	  NULL,
	  0,
	  false,
	  { { TABLE, 16, INDIRECT | WRITE, 0 } },
	  { { BUFFER, 1, 0, 0 } } },
	{ "indirect after direct ones (section 2.7.5.3.2)",
	  NULL,
	  0,
	  false,
	  { { BUFFER, 1, NEXT, 1 }, { TABLE, 16, INDIRECT, 0 } },
	  { { BUFFER, 1, WRITE, 0 } } },
	{ "indirect, not aligned",
	  NULL,
	  0,
	  false,
	  { { TABLE + 1, 16, INDIRECT, 0 } },
	  { { BUFFER << 8, 1 << 8, WRITE << 8, 0 } } },

	{ "as many bytes as there may be",
	  NULL,
	  0,
	  false,
	  { { TABLE, 64, INDIRECT, 0 } },
	  { { 0, RAM_END, NEXT, 1 },
	    { 0, RAM_END, NEXT, 2 },
	    { 0, RAM_END, NEXT, 3 },
	    { 0, RAM_END, 0, 0 } } },

	{ "head beyond the table",
	  "out of its table",
	  QUEUE_STAGE_SIZE,
	  false,
	  { { 0 } },
	  { { 0 } } },
	{ "head far beyond", "out of its table", 0xffff, false, { { 0 } }, { { 0 } } },
	{ "next beyond the table",
	  "out of its table",
	  0,
	  false,
	  { { BUFFER, 1, NEXT, QUEUE_STAGE_SIZE } },
	  { { 0 } } },
	{ "a loop of one", "loop", 0, false, { { BUFFER, 1, NEXT, 0 } }, { { 0 } } },
	{ "a loop of three",
	  "loop",
	  0,
	  false,
	  { { BUFFER, 1, NEXT, 1 }, { BUFFER, 1, NEXT, 2 }, { BUFFER, 1, NEXT, 0 } },
	  { { 0 } } },
	{ "a loop in an indirect table",
	  "loop",
	  0,
	  false,
	  { { TABLE, 32, INDIRECT, 0 } },
	  { { BUFFER, 1, WRITE | NEXT, 1 }, { BUFFER, 1, WRITE | NEXT, 0 } } },
	{ "empty", "empty", 0, false, { { BUFFER, 0, 0, 0 } }, { { 0 } } },
	{ "empty and elsewhere", "empty", 0, false, { { UINT64_MAX, 0, 0, 0 } }, { { 0 } } },
	{ "beyond RAM", "not in RAM", 0, false, { { RAM_END, 1, 0, 0 } }, { { 0 } } },
	{ "across the end of RAM",
	  "not in RAM",
	  0,
	  false,
	  { { RAM_END - 1, 2, 0, 0 } },
	  { { 0 } } },
	{ "wraps", "not in RAM", 0, false, { { UINT64_MAX, 2, WRITE, 0 } }, { { 0 } } },
	{ "4 GiB long", "not in RAM", 0, false, { { 0, UINT32_MAX, 0, 0 } }, { { 0 } } },
	{ "readable after writable",
	  "follows a writable",
	  0,
	  false,
	  { { BUFFER, 1, WRITE | NEXT, 1 }, { BUFFER, 1, 0, 0 } },
	  { { 0 } } },
	{ "readable after writable, over tables",
	  "follows a writable",
	  0,
	  false,
	  { { BUFFER, 1, WRITE | NEXT, 1 }, { TABLE, 16, INDIRECT, 0 } },
	  { { BUFFER, 1, 0, 0 } } },
	{ "one byte too many",
	  "too many bytes",
	  0,
	  false,
	  { { BUFFER, 1, NEXT, 1 }, { TABLE, 64, INDIRECT, 0 } },
	  { { 0, RAM_END, NEXT, 1 },
	    { 0, RAM_END, NEXT, 2 },
	    { 0, RAM_END, NEXT, 3 },
	    { 0, RAM_END, 0, 0 } } },
	{ "indirect, not negotiated",
	  "not negotiated",
	  0,
	  true,
	  { { TABLE, 16, INDIRECT, 0 } },
	  { { BUFFER, 1, 0, 0 } } },
	{ "indirect in indirect",
	  "in another one",
	  0,
	  false,
	  { { TABLE, 16, INDIRECT, 0 } },
	  { { TABLE, 16, INDIRECT, 0 } } },
	{ "indirect that goes on",
	  "goes on after",
	  0,
	  false,
	  { { TABLE, 16, INDIRECT | NEXT, 1 }, { BUFFER, 1, 0, 0 } },
	  { { BUFFER, 1, 0, 0 } } },
	{ "indirect of no size", "wrong size", 0, false, { { TABLE, 0, INDIRECT, 0 } }, { { 0 } } },
	{ "indirect of an odd size",
	  "wrong size",
	  0,
	  false,
	  { { TABLE, 24, INDIRECT, 0 } },
	  { { 0 } } },
	{ "indirect beyond RAM",
	  "table of descriptors is not in RAM",
	  0,
	  false,
	  { { RAM_END - 8, 16, INDIRECT, 0 } },
	  { { 0 } } },
	{ "indirect, next beyond its table",
	  "out of its table",
	  0,
	  false,
	  { { TABLE, 32, INDIRECT, 0 } },
	  { { BUFFER, 1, NEXT, 2 }, { 0 }, { BUFFER, 1, 0, 0 } } },
};

static void
test_virtqueue_chain__takes_good_chains_and_no_bad_ones(void **state)
{
	struct queue_stage *stage = *state;

	for (size_t i = 0; i < sizeof(chain_cases) / sizeof(chain_cases[0]); i++) {
		const struct chain_case *test = &chain_cases[i];
		int result;

		queue_stage_start(stage, false);
		stage->queue.setup.indirect = !test->not_negotiated;
		for (uint16_t j = 0; j < 4; j++)
			driver_ring_set_descriptor(&stage->ring, j, test->ring[j].addr,
						   test->ring[j].len, test->ring[j].flags,
						   test->ring[j].next);
		memcpy(fake_platform_map(stage->fake, TABLE, 64), test->table, 64);
		driver_ring_publish(&stage->ring, test->head);
		result = virtqueue_pop(&stage->queue, &stage->chain);
		if (result != (test->reason ? -EPROTO : 1))
			fail_msg("%s: %d %s", test->name, result, stage->queue.reason);
		if (!test->reason)
			continue;
		if (!strstr(stage->queue.reason, test->reason))
			fail_msg("%s: '%s'", test->name, stage->queue.reason);
		/* and no more, whatever the guest does */
		assert_false(virtqueue_has_work(&stage->queue));
		driver_ring_set_descriptor(&stage->ring, 0, stage->buffer, 1, 0, 0);
		driver_ring_publish(&stage->ring, 0);
		assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), -EPROTO);
	}
}

static void
test_virtqueue_chain__takes_no_chain_that_is_too_long(void **state)
{
	struct queue_stage *stage = *state;
	struct driver_buffer buffers[VIRTQUEUE_MAX_SEGMENTS];
	const struct driver_buffer one = { stage->buffer, 16, false };
	uint64_t table;

	for (size_t i = 0; i < VIRTQUEUE_MAX_SEGMENTS; i++)
		buffers[i] = (struct driver_buffer){ stage->buffer + i, 1, i >= 100 };
	assert_int_equal(driver_ring_add_indirect(&stage->ring, buffers, VIRTQUEUE_MAX_SEGMENTS),
			 0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	assert_int_equal(stage->chain.n_out, 100);
	assert_int_equal(stage->chain.n_in, VIRTQUEUE_MAX_SEGMENTS - 100);
	/* one in the ring, and as many in the table */
	assert_int_equal(driver_ring_add(&stage->ring, &one, 1), 1);
	table = stage->ring.indirect[0];
	driver_ring_set_descriptor(&stage->ring, 1, stage->buffer, 1, NEXT, 2);
	driver_ring_set_descriptor(&stage->ring, 2, table, 16 * VIRTQUEUE_MAX_SEGMENTS, INDIRECT,
				   0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), -EPROTO);
	assert_string_equal(stage->queue.reason, "a chain is too long, or a loop");
}

static void
test_virtqueue_chain__keeps_out_of_the_hole(void **state)
{
	struct queue_stage *stage = *state;
	struct fake_platform *large;
	const uint64_t ram_bytes = GUEST_MEMORY_HOLE + FAKE_PLATFORM_RAM_BYTES;
	static const struct {
		uint64_t gpa;
		uint32_t bytes;
		bool good;
	} cases[] = {
		{ GUEST_MEMORY_HOLE - 16, 16, true },
		{ GUEST_MEMORY_HOLE - 16, 17, false },
		{ GUEST_MEMORY_HOLE, 1, false },
		{ GUEST_MEMORY_HIGH - 1, 1, false },
		{ GUEST_MEMORY_HIGH - 16, 32, false },
		{ GUEST_MEMORY_HIGH, 16, true },
		{ GUEST_MEMORY_HIGH + FAKE_PLATFORM_RAM_BYTES - 16, 16, true },
		{ GUEST_MEMORY_HIGH + FAKE_PLATFORM_RAM_BYTES - 16, 17, false },
		{ GUEST_MEMORY_HOLE - 16, 0x40000020, false }, /* over the whole hole */
	};

	assert_int_equal(fake_platform_new(ram_bytes, &large), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(driver_ring_init(&stage->ring, large, QUEUE_STAGE_SIZE, false), 0);
		assert_int_equal(
			virtqueue_start(&stage->queue, large->platform.memory, &stage->ring.setup),
			0);
		driver_ring_set_descriptor(&stage->ring, 0, cases[i].gpa, cases[i].bytes, 0, 0);
		driver_ring_publish(&stage->ring, 0);
		assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain),
				 cases[i].good ? 1 : -EPROTO);
	}
	for (int i = 0; i < 3; i++) {
		struct virtqueue_setup setup = stage->ring.setup;
		uint64_t *address[] = { &setup.descriptors, &setup.avail, &setup.used };

		*address[i] = GUEST_MEMORY_HOLE - 16;
		assert_int_equal(virtqueue_start(&stage->queue, large->platform.memory, &setup),
				 -EINVAL);
		*address[i] = GUEST_MEMORY_HIGH;
		assert_int_equal(virtqueue_start(&stage->queue, large->platform.memory, &setup), 0);
	}
	fake_platform_free(large);
}

static void
test_virtqueue_chain__copies_and_slices_any_part(void **state)
{
	struct queue_stage *stage = *state;
	uint8_t *host = fake_platform_map(stage->fake, stage->buffer, 4096);
	const struct driver_buffer buffers[] = {
		{ stage->buffer, 3, false },	  { stage->buffer + 3, 5, false },
		{ stage->buffer + 8, 2, false },  { stage->buffer + 100, 4, true },
		{ stage->buffer + 104, 6, true },
	};
	struct iovec slice[VIRTQUEUE_MAX_SEGMENTS];
	uint8_t bytes[16];

	for (int i = 0; i < 256; i++)
		host[i] = (uint8_t)i;
	assert_true(driver_ring_add(&stage->ring, buffers, 5) >= 0);
	assert_int_equal(virtqueue_pop(&stage->queue, &stage->chain), 1);
	for (uint64_t offset = 0; offset <= 12; offset++)
		for (size_t size = 0; size <= 12; size++) {
			size_t wanted = offset > 10 ? 0 : size < 10 - offset ? size : 10 - offset;
			bool inside = offset + size <= 10;
			size_t total = 0;
			int n;

			assert_int_equal(virtqueue_chain_read(&stage->chain, offset, bytes, size),
					 wanted);
			assert_memory_equal(bytes, host + offset, wanted);
			n = virtqueue_chain_slice_out(&stage->chain, offset, size, slice);
			assert_int_equal(n < 0, !inside);
			for (int i = 0; i < n; i++) {
				assert_ptr_equal(slice[i].iov_base, host + offset + total);
				assert_int_not_equal(slice[i].iov_len, 0);
				total += slice[i].iov_len;
			}
			assert_int_equal(total, inside ? size : 0);
			n = virtqueue_chain_slice_in(&stage->chain, offset, size, slice);
			assert_int_equal(n < 0, !inside);
			if (n > 0)
				assert_ptr_equal(slice[0].iov_base, host + 100 + offset);
		}
	assert_int_equal(virtqueue_chain_slice_out(&stage->chain, UINT64_MAX, 2, slice), -ERANGE);
	assert_int_equal(virtqueue_chain_slice_in(&stage->chain, 2, UINT64_MAX, slice), -ERANGE);
	assert_int_equal(virtqueue_chain_read(&stage->chain, UINT64_MAX, bytes, 2), 0);
	assert_int_equal(virtqueue_chain_write(&stage->chain, 10, "x", 1), 0);
	assert_int_equal(virtqueue_chain_write(&stage->chain, 3, "abc", 3), 3);
	assert_memory_equal(host + 102,
			    "\x66"
			    "abc"
			    "\x6a",
			    5);
	assert_int_equal(virtqueue_chain_write(&stage->chain, 8, "defg", 4), 2);
	assert_memory_equal(host + 108,
			    "de"
			    "\x6e",
			    3);
}

#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(test_virtqueue_chain__##name, queue_stage_setup, \
					queue_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(carries_data_both_ways),	       TEST(takes_good_chains_and_no_bad_ones),
		TEST(takes_no_chain_that_is_too_long), TEST(keeps_out_of_the_hole),
		TEST(copies_and_slices_any_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
