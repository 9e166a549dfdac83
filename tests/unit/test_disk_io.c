/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_disk_io.c - operations on a disk's files: whole, bounded, restricted, kept for lack of space
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/disk_fixture.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/memory_shortage.h"

#define TEST_FILE_BYTES (1024 * 1024)
#define TEST_OPS	(3 * DISK_IO_DEPTH)

struct one {
	struct disk_io_op op;
	struct iovec segments[3];
	bool done;
	int result;
};

static int
stage_open(void **state)
{
	static struct disk_fixture stage;

	if (disk_fixture_open(&stage, TEST_FILE_BYTES, 7) < 0 ||
	    disk_io_set_file(stage.io, DISK_IO_BASE, stage.base_fd) < 0 ||
	    disk_io_set_file(stage.io, DISK_IO_OVERLAY, stage.overlay_fd) < 0)
		return -1;
	*state = &stage;
	return 0;
}

static int
stage_close(void **state)
{
	disk_fixture_close(*state);
	return 0;
}

static void
one_handle(struct disk_io_op *op, int result)
{
	struct one *one = op->context;

	assert_false(one->done);
	one->done = true;
	one->result = result;
}

static void
one_submit(struct disk_fixture *stage, struct one *one, enum disk_io_kind kind,
	   enum disk_io_file file, uint64_t offset, void *data, size_t bytes)
{
	*one = (struct one){
		.op = { .kind = kind,
			.file = file,
			.offset = offset,
			.bytes = bytes,
			.segments = one->segments,
			.n_segments = 1,
			.done = one_handle,
			.context = one },
		.segments = { { data, bytes } },
	};
	disk_io_submit(stage->io, &one->op);
}

static bool
one_is_done(void *context)
{
	struct one *one = context;

	return one->done;
}

static int
one_run(struct disk_fixture *stage, struct one *one)
{
	disk_io_kick(stage->io);
	assert_true(fake_platform_wait(stage->fake, one_is_done, one, 10000));
	return one->result;
}

/* From when it is submitted until its end is known here, whatever the kernel has done by then. */
static void
test_disk_io__is_idle_when_nothing_is_in_flight(void **state)
{
	struct disk_fixture *stage = *state;
	struct one one;
	char data[4096];

	assert_true(disk_io_is_idle(stage->io));
	one_submit(stage, &one, DISK_IO_READ, DISK_IO_BASE, 0, data, sizeof(data));
	assert_false(disk_io_is_idle(stage->io));
	assert_int_equal(one_run(stage, &one), 0);
	assert_true(disk_io_is_idle(stage->io));
}

static void
test_disk_io__writes_and_reads_back_in_segments(void **state)
{
	struct disk_fixture *stage = *state;
	char data[8192], again[8192];
	struct one one;

	disk_stage_fill(data, sizeof(data), 1);
	one_submit(stage, &one, DISK_IO_WRITE, DISK_IO_OVERLAY, 4096, data, sizeof(data));
	assert_int_equal(one_run(stage, &one), 0);
	one_submit(stage, &one, DISK_IO_SYNC, DISK_IO_OVERLAY, 0, NULL, 0);
	assert_int_equal(one_run(stage, &one), 0);
	one_submit(stage, &one, DISK_IO_READ, DISK_IO_OVERLAY, 4096, again, sizeof(again));
	one.segments[0].iov_len = 100;
	one.segments[1] = (struct iovec){ again + 100, 0 };
	one.segments[2] = (struct iovec){ again + 100, sizeof(again) - 100 };
	one.op.n_segments = 3;
	assert_int_equal(one_run(stage, &one), 0);
	assert_memory_equal(again, data, sizeof(data));
	one_submit(stage, &one, DISK_IO_PUNCH, DISK_IO_OVERLAY, 4096, NULL, 4096);
	assert_int_equal(one_run(stage, &one), 0);
	assert_int_equal(pread(stage->overlay_fd, again, sizeof(again), 4096), sizeof(again));
	memset(data, 0, 4096);
	assert_memory_equal(again, data, sizeof(data));
	assert_true(stage->n_batches >= 4);
}

static void
test_disk_io__end_of_file_is_an_error(void **state)
{
	struct disk_fixture *stage = *state;
	char data[4096];
	struct one one;

	one_submit(stage, &one, DISK_IO_READ, DISK_IO_BASE, TEST_FILE_BYTES - 1024, data,
		   sizeof(data));
	assert_int_equal(one_run(stage, &one), -EIO);
	assert_int_equal(one.op.bytes, sizeof(data) - 1024);
}

static void
test_disk_io__takes_more_than_the_ring_holds(void **state)
{
	static struct one ones[TEST_OPS];
	static char data[TEST_OPS][512];
	struct disk_fixture *stage = *state;
	char expected[512];

	for (int i = 0; i < TEST_OPS; i++)
		one_submit(stage, &ones[i], DISK_IO_READ, DISK_IO_BASE, (uint64_t)i * 512, data[i],
			   sizeof(data[i]));
	disk_io_kick(stage->io);
	assert_int_equal(disk_io_drain(stage->io), 0);
	for (int i = 0; i < TEST_OPS; i++) {
		assert_true(ones[i].done);
		assert_int_equal(ones[i].result, 0);
		assert_int_equal(pread(stage->base_fd, expected, 512, i * 512), 512);
		assert_memory_equal(data[i], expected, 512);
	}
}

static void
test_disk_io__file_that_is_not_there(void **state)
{
	struct disk_fixture *stage = *state;
	char data[512];
	struct one one;

	assert_int_equal(disk_io_set_file(stage->io, DISK_IO_OVERLAY, -1), 0);
	one_submit(stage, &one, DISK_IO_READ, DISK_IO_OVERLAY, 0, data, sizeof(data));
	assert_int_equal(one_run(stage, &one), -EBADF);
}

/* The overlay's file moves to a file system that has room for "left" bytes. */
static int
stage_make_tight(struct disk_fixture *stage, uint64_t left)
{
	int filler;

	close(stage->overlay_fd);
	stage->overlay_fd = -1;
	assert_int_equal(disk_stage_make_tight(1 << 20, left, &stage->overlay_fd, &filler), 0);
	assert_int_equal(disk_io_set_file(stage->io, DISK_IO_OVERLAY, stage->overlay_fd), 0);
	return filler;
}

static void
test_disk_io__without_room_it_is_kept_and_goes_on(void **state)
{
	static char data[65536], again[65536];
	struct disk_fixture *stage = *state;
	struct one one, other;
	int filler;

	if (geteuid() != 0)
		skip();
	filler = stage_make_tight(stage, 16384);
	disk_stage_fill(data, sizeof(data), 5);
	one_submit(stage, &one, DISK_IO_WRITE, DISK_IO_OVERLAY, 0, data, sizeof(data));
	one_submit(stage, &other, DISK_IO_WRITE, DISK_IO_OVERLAY, sizeof(data), data, 4096);
	assert_int_equal(disk_io_drain(stage->io), -ENOSPC);
	assert_false(one.done);
	assert_int_equal(stage->n_lacks, 1);
	disk_io_retry(stage->io);
	assert_int_equal(disk_io_drain(stage->io), -ENOSPC);
	assert_int_equal(stage->n_lacks, 1);
	assert_int_equal(stage->n_has, 0);
	assert_int_equal(ftruncate(filler, 0), 0);
	disk_io_retry(stage->io);
	assert_int_equal(disk_io_drain(stage->io), 0);
	assert_true(one.done && other.done);
	assert_int_equal(one.result, 0);
	assert_int_equal(other.result, 0);
	assert_int_equal(stage->n_lacks, 1);
	assert_int_equal(stage->n_has, 1);
	assert_int_equal(pread(stage->overlay_fd, again, sizeof(again), 0), sizeof(again));
	assert_memory_equal(again, data, sizeof(data));
	close(filler);
}

static void
test_disk_io__without_memory_it_is_kept_and_goes_on(void **state)
{
	struct disk_fixture *stage = *state;
	char data[512], expected[512];
	struct one one;

	memory_shortage_begin(1);
	one_submit(stage, &one, DISK_IO_READ, DISK_IO_BASE, 1024, data, sizeof(data));
	assert_int_equal(disk_io_drain(stage->io), -ENOSPC);
	assert_false(one.done);
	assert_int_equal(stage->n_lacks, 1);
	disk_io_retry(stage->io);
	assert_int_equal(disk_io_drain(stage->io), 0);
	assert_true(one.done);
	assert_int_equal(one.result, 0);
	assert_int_equal(stage->n_lacks, 1);
	assert_int_equal(stage->n_has, 1);
	assert_int_equal(pread(stage->base_fd, expected, sizeof(expected), 1024), 512);
	assert_memory_equal(data, expected, sizeof(data));
}

static void
test_disk_io__kept_operations_can_be_cancelled(void **state)
{
	static char data[65536];
	struct disk_fixture *stage = *state;
	struct one one;
	int filler;

	if (geteuid() != 0)
		skip();
	filler = stage_make_tight(stage, 16384);
	one_submit(stage, &one, DISK_IO_WRITE, DISK_IO_OVERLAY, 0, data, sizeof(data));
	assert_int_equal(disk_io_drain(stage->io), -ENOSPC);
	disk_io_cancel_kept(stage->io);
	assert_true(one.done);
	assert_int_equal(one.result, -ECANCELED);
	assert_int_equal(disk_io_drain(stage->io), 0);
	assert_int_equal(stage->n_has, 1);
	close(filler);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_disk_io__is_idle_when_nothing_is_in_flight),
		TEST(test_disk_io__writes_and_reads_back_in_segments),
		TEST(test_disk_io__end_of_file_is_an_error),
		TEST(test_disk_io__takes_more_than_the_ring_holds),
		TEST(test_disk_io__file_that_is_not_there),
		TEST(test_disk_io__without_room_it_is_kept_and_goes_on),
		TEST(test_disk_io__without_memory_it_is_kept_and_goes_on),
		TEST(test_disk_io__kept_operations_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
