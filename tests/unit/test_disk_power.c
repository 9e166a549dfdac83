/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_disk_power.c - a host that loses its power: what was flushed is there, and no cluster is half the base's
 *
 * In place of vmm/disk_io.c stands a disk of our own, in memory: what was written since the last sync is in its cache,
 * page by page. When the power goes, each of these pages is there or not, by chance: the worst that a host may do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/disk_ledger.h"
#include "tests/unit/disk_stage.h"
#include "vmm/disk.h"

#define TEST_SECTORS 1500
#define TEST_BYTES   (TEST_SECTORS * 512)
#define FILE_BYTES   (65536 + TEST_BYTES)
#define PAGE	     4096
#define TEST_ROUNDS  1000
#define TEST_SEED    4

STAILQ_HEAD(waiting_list, disk_io_op);

/* The stand-in: operations wait in a list and are done in random order. */
struct disk_io {
	uint32_t seed;
	int fds[DISK_IO_FILES];
	struct waiting_list waiting;
	uint32_t n_waiting;
	char syncing
		[FILE_BYTES]; /* the overlay as it was when the sync was submitted: all it promises */
	char durable[FILE_BYTES]; /* as it is on the platters */
};

struct stage {
	struct disk_io io;
	struct disk *disk;
	int base_fd;
	int overlay_fd;
	struct disk_ledger ledger;
	struct disk_ledger_writer writers[DISK_LEDGER_WRITERS];
	char base[TEST_BYTES];
	char content[TEST_BYTES];
};

void
disk_io_submit(struct disk_io *io, struct disk_io_op *op)
{
	STAILQ_INSERT_TAIL(&io->waiting, op, link);
	io->n_waiting++;
	if (op->kind == DISK_IO_SYNC)
		assert_int_equal(pread(io->fds[op->file], io->syncing, FILE_BYTES, 0), FILE_BYTES);
}

void
disk_io_kick(struct disk_io *io)
{
	(void)io;
}

int
disk_io_set_file(struct disk_io *io, enum disk_io_file file, int fd)
{
	io->fds[file] = fd;
	return 0;
}

void
disk_io_cancel_kept(struct disk_io *io)
{
	(void)io;
}

static void
disk_io_do(struct disk_io *io, struct disk_io_op *op)
{
	int fd = io->fds[op->file];
	ssize_t n = 0;

	switch (op->kind) {
	case DISK_IO_READ:
		n = preadv(fd, op->segments, (int)op->n_segments, (off_t)op->offset);
		break;
	case DISK_IO_WRITE:
		n = pwritev(fd, op->segments, (int)op->n_segments, (off_t)op->offset);
		break;
	case DISK_IO_PUNCH:
		n = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)op->offset,
			      (off_t)op->bytes);
		break;
	case DISK_IO_SYNC:
		memcpy(io->durable, io->syncing, FILE_BYTES);
		break;
	}
	assert_true(n >= 0);
	op->segments += op->n_segments;
	op->done(op, 0);
}

/* Does one of the waiting operations. */
static void
disk_io_step(struct disk_io *io)
{
	struct disk_io_op *op = STAILQ_FIRST(&io->waiting);

	for (uint32_t skip = disk_stage_random(&io->seed) % io->n_waiting; skip > 0; skip--)
		op = STAILQ_NEXT(op, link);
	STAILQ_REMOVE(&io->waiting, op, disk_io_op, link);
	io->n_waiting--;
	disk_io_do(io, op);
}

int
disk_io_drain(struct disk_io *io)
{
	while (io->n_waiting > 0)
		disk_io_step(io);
	return 0;
}

/* Each page that is not durable yet is, or is not; operations that were waiting never were. */
static void
stage_lose_power(struct stage *stage)
{
	static char cache[FILE_BYTES];

	assert_int_equal(pread(stage->overlay_fd, cache, FILE_BYTES, 0), FILE_BYTES);
	for (size_t at = 0; at < FILE_BYTES; at += PAGE) {
		size_t bytes = FILE_BYTES - at < PAGE ? FILE_BYTES - at : PAGE;

		if (disk_stage_random(&stage->io.seed) % 2)
			memcpy(stage->io.durable + at, cache + at, bytes);
	}
	assert_int_equal(pwrite(stage->overlay_fd, stage->io.durable, FILE_BYTES, 0), FILE_BYTES);
	STAILQ_INIT(&stage->io.waiting);
	stage->io.n_waiting = 0;
	memset(stage->writers, 0, sizeof(stage->writers));
	disk_close(stage->disk);
	assert_int_equal(
		disk_open("test", &stage->io, stage->base_fd, stage->overlay_fd, &stage->disk), 0);
}

/* A new overlay: all clusters are in the base, since taking them from there is what can go wrong. */
static void
stage_start_over(struct stage *stage)
{
	disk_close(stage->disk);
	stage->disk = NULL;
	assert_int_equal(ftruncate(stage->overlay_fd, 0), 0);
	assert_int_equal(
		disk_open("test", &stage->io, stage->base_fd, stage->overlay_fd, &stage->disk), 0);
	assert_int_equal(pread(stage->overlay_fd, stage->io.durable, FILE_BYTES, 0), FILE_BYTES);
	memset(&stage->ledger, 0, sizeof(stage->ledger));
	stage->ledger.n_sectors = TEST_SECTORS;
}

static void
stage_handle_read(struct disk_request *request, int result)
{
	(void)request;
	assert_int_equal(result, 0);
}

static void
stage_read_all(struct stage *stage)
{
	static struct disk_request request;

	request.kind = DISK_READ;
	request.bytes = TEST_BYTES;
	request.n_segments = 1;
	request.segments[1] = (struct iovec){ stage->content, TEST_BYTES };
	request.done = stage_handle_read;
	disk_submit(stage->disk, &request);
	disk_io_drain(&stage->io);
}

static void
test_disk_power__what_was_flushed_is_there(void **state)
{
	struct stage *stage = *state;
	uint32_t n_safe = 0;

	for (int round = 0; round < TEST_ROUNDS; round++) {
		uint32_t steps = disk_stage_random(&stage->io.seed) % 60;

		if (round % 2 == 0)
			stage_start_over(stage);
		for (uint32_t i = 0; i < steps; i++) {
			disk_ledger_step(&stage->ledger, stage->writers, stage->disk,
					 &stage->io.seed);
			if (stage->io.n_waiting > 0)
				disk_io_step(&stage->io);
		}
		for (uint32_t i = 0; i < TEST_SECTORS; i++)
			n_safe += stage->ledger.safe[i] != 0;
		stage_lose_power(stage);
		stage_read_all(stage);
		assert_int_equal(disk_ledger_check(&stage->ledger, stage->base, stage->content),
				 -1);
	}
	assert_true(n_safe > TEST_SECTORS);
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	if (!stage)
		return -1;
	stage->io.seed = 20261122;
	STAILQ_INIT(&stage->io.waiting);
	disk_stage_fill(stage->base, TEST_BYTES, TEST_SEED);
	stage->base_fd = disk_stage_make_file(TEST_BYTES, TEST_SEED);
	stage->overlay_fd = disk_stage_make_file(0, 0);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	disk_close(stage->disk);
	close(stage->base_fd);
	close(stage->overlay_fd);
	free(stage);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_disk_power__what_was_flushed_is_there,
						stage_open, stage_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
