/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_disk.c - a disk over a base that stays as it is: random work, killed writers, a full host, wrong files
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/unit/disk_fixture.h"
#include "tests/unit/disk_ledger.h"
#include "tests/unit/disk_model.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/memory_shortage.h"
#include "vmm/loop.h"
#include "vmm/overlay_file.h"

/* Not whole clusters, and not many, so that requests meet */
#define TEST_SECTORS (20 * 128 + 37)
#define TEST_BYTES   (TEST_SECTORS * 512)
#define TEST_SEED    11

struct stage {
	struct disk_fixture f;
	struct disk_model model;
	char content[TEST_BYTES];
	bool discarded[TEST_SECTORS];
};

static int
stage_open_overlay(struct stage *stage)
{
	int result = disk_fixture_open_disk(&stage->f);

	stage->model.disk = stage->f.disk;
	stage->model.io = stage->f.io;
	return result;
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	if (!stage || disk_fixture_open(&stage->f, TEST_BYTES, TEST_SEED) < 0)
		return -1;
	disk_stage_fill(stage->content, TEST_BYTES, TEST_SEED);
	stage->model.content = stage->content;
	stage->model.discarded = stage->discarded;
	stage->model.n_sectors = TEST_SECTORS;
	stage->model.seed = 20261121;
	*state = stage;
	return stage_open_overlay(stage);
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	disk_fixture_close(&stage->f);
	free(stage);
	return 0;
}

static void
stage_expect_fine(struct stage *stage)
{
	if (stage->model.problem)
		fail_msg("sector %ju: %s", (uintmax_t)stage->model.problem_sector,
			 stage->model.problem);
	assert_int_equal(stage->model.result, 0);
}

/* Until this many requests are done, or there is no room for them. */
static void
stage_work(struct stage *stage, uint32_t n_requests)
{
	uint32_t end = stage->model.n_requests + n_requests;

	for (uint32_t i = 0; stage->model.n_requests < end && !stage->f.lacks_space; i++) {
		disk_model_step(&stage->model);
		if (i % 7 == 0)
			disk_io_kick(stage->f.io);
		if (i % 11 == 0)
			loop_step(stage->f.fake->platform.loop, 0);
	}
}

static void
stage_expect_base_untouched(const struct stage *stage)
{
	static char base[TEST_BYTES], expected[TEST_BYTES];

	disk_stage_fill(expected, TEST_BYTES, TEST_SEED);
	assert_int_equal(pread(stage->f.base_fd, base, TEST_BYTES, 0), TEST_BYTES);
	assert_memory_equal(base, expected, TEST_BYTES);
}

static void
stage_reopen(struct stage *stage)
{
	assert_int_equal(disk_sync(stage->f.disk), 0);
	disk_fixture_close_disk(&stage->f);
	assert_int_equal(stage_open_overlay(stage), 0);
}

static void
test_disk__random_work_is_as_a_model_says(void **state)
{
	struct stage *stage = *state;

	for (int round = 0; round < 4; round++) {
		stage_work(stage, 2500);
		assert_int_equal(disk_io_drain(stage->f.io), 0);
		stage_expect_fine(stage);
		stage_reopen(stage);
		disk_model_check_all(&stage->model);
		stage_expect_fine(stage);
	}
	assert_true(stage->model.n_done[DISK_WRITE] > 1000);
	assert_true(stage->model.n_done[DISK_DISCARD] > 100);
	assert_true(stage->model.n_done[DISK_ZERO] > 100);
	assert_true(stage->model.n_done[DISK_FLUSH] > 100);
	stage_expect_base_untouched(stage);
}

struct one {
	struct disk_request request; /* first */
	bool done;
	int result;
};

static void
one_handle_done(struct disk_request *request, int result)
{
	struct one *one = (struct one *)request;

	one->done = true;
	one->result = result;
}

static void
one_submit(struct stage *stage, struct one *one, enum disk_kind kind, uint64_t offset,
	   uint64_t bytes, void *data)
{
	one->done = false;
	one->request.kind = kind;
	one->request.offset = offset;
	one->request.bytes = bytes;
	one->request.n_segments = 1;
	one->request.segments[1] = (struct iovec){ data, bytes };
	one->request.done = one_handle_done;
	disk_submit(stage->f.disk, &one->request);
}

static int
one_run(struct stage *stage, enum disk_kind kind, uint64_t offset, uint64_t bytes, void *data)
{
	static struct one one;

	one_submit(stage, &one, kind, offset, bytes, data);
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	assert_true(one.done);
	return one.result;
}

static blkcnt_t
stage_count_blocks(const struct stage *stage)
{
	struct stat status;

	assert_int_equal(fstat(stage->f.overlay_fd, &status), 0);
	return status.st_blocks;
}

static void
test_disk__discarded_room_is_given_back(void **state)
{
	static char data[8 * 65536];
	struct stage *stage = *state;
	blkcnt_t before = stage_count_blocks(stage);

	assert_int_equal(one_run(stage, DISK_WRITE, 65536, sizeof(data), data), 0);
	assert_true(stage_count_blocks(stage) >= before + (blkcnt_t)sizeof(data) / 512);
	assert_int_equal(one_run(stage, DISK_DISCARD, 65536, sizeof(data) / 2, NULL), 0);
	assert_int_equal(
		one_run(stage, DISK_ZERO, 65536 + sizeof(data) / 2, sizeof(data) / 2, NULL), 0);
	assert_int_equal(stage_count_blocks(stage), before);
}

static void
test_disk__sync_writes_down(void **state)
{
	static char data[4096], again[4096];
	struct stage *stage = *state;

	disk_stage_fill(data, sizeof(data), 9);
	assert_int_equal(one_run(stage, DISK_WRITE, 7 * 65536 + 512, sizeof(data), data), 0);
	stage_reopen(stage);
	assert_int_equal(one_run(stage, DISK_READ, 7 * 65536 + 512, sizeof(data), again), 0);
	assert_memory_equal(again, data, sizeof(data));
}

/* Whose memory is short: a flush comes later, a sync that nobody waits for may be tried again. */
static void
test_disk__a_sync_without_memory_is_tried_again(void **state)
{
	static char data[4096];
	static struct one one;
	struct stage *stage = *state;
	uint8_t table = 0;

	assert_int_equal(one_run(stage, DISK_WRITE, 0, sizeof(data), data), 0);
	memory_shortage_begin(1);
	one_submit(stage, &one, DISK_FLUSH, 0, 0, NULL);
	assert_int_equal(disk_io_drain(stage->f.io), -ENOSPC);
	assert_true(stage->f.lacks_space && !one.done);
	disk_io_retry(stage->f.io);
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	assert_true(!stage->f.lacks_space && one.done);
	assert_int_equal(one.result, 0);
	assert_int_equal(pread(stage->f.overlay_fd, &table, 1, OVERLAY_BLOCK_BYTES), 1);
	assert_int_equal(table, 1);

	memory_shortage_begin(1);
	assert_int_equal(disk_sync(stage->f.disk), -EIO);
	assert_int_equal(disk_sync(stage->f.disk), 0);
	assert_int_equal(one_run(stage, DISK_FLUSH, 0, 0, NULL), 0);
}

/* Eight writers of one cluster that is in the base, at once: each brings only its own sectors. */
static void
test_disk__requests_on_one_cluster_are_ordered(void **state)
{
	static struct one ones[8];
	static char data[8][4096], cluster[65536];
	struct stage *stage = *state;

	for (unsigned int i = 0; i < 8; i++) {
		disk_stage_fill(data[i], sizeof(data[i]), 100 + i);
		one_submit(stage, &ones[i], DISK_WRITE, 65536 + i * 8192, sizeof(data[i]), data[i]);
		memcpy(stage->content + 65536 + i * 8192, data[i], sizeof(data[i]));
	}
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	for (int i = 0; i < 8; i++)
		assert_true(ones[i].done && ones[i].result == 0);
	assert_int_equal(one_run(stage, DISK_READ, 65536, sizeof(cluster), cluster), 0);
	assert_memory_equal(cluster, stage->content + 65536, sizeof(cluster));
}

static void
test_disk__outside_of_the_disk(void **state)
{
	struct stage *stage = *state;
	char data[1024];

	assert_int_equal(one_run(stage, DISK_READ, TEST_BYTES, 512, data), -EINVAL);
	assert_int_equal(one_run(stage, DISK_WRITE, TEST_BYTES - 512, 1024, data), -EINVAL);
	assert_int_equal(one_run(stage, DISK_ZERO, UINT64_MAX - 511, 1024, NULL), -EINVAL);
	assert_int_equal(one_run(stage, DISK_DISCARD, 512, UINT64_MAX, NULL), -EINVAL);
	assert_int_equal(one_run(stage, DISK_READ, TEST_BYTES - 512, 512, data), 0);
	assert_int_equal(one_run(stage, DISK_WRITE, TEST_BYTES, 0, data), 0);
}

static void
test_disk__without_overlay_it_is_only_read(void **state)
{
	struct stage *stage = *state;
	char data[1024];

	disk_fixture_close_disk(&stage->f);
	assert_int_equal(disk_open("test", stage->f.io, stage->f.base_fd, -1, &stage->f.disk), 0);
	assert_true(disk_is_read_only(stage->f.disk));
	assert_int_equal(disk_get_bytes(stage->f.disk), TEST_BYTES);
	assert_int_equal(one_run(stage, DISK_READ, 512, sizeof(data), data), 0);
	assert_memory_equal(data, stage->content + 512, sizeof(data));
	assert_int_equal(one_run(stage, DISK_WRITE, 512, sizeof(data), data), -EROFS);
	assert_int_equal(one_run(stage, DISK_DISCARD, 0, 65536, NULL), -EROFS);
	assert_int_equal(one_run(stage, DISK_FLUSH, 0, 0, NULL), 0);
	stage_expect_base_untouched(stage);
}

static int
open_over(struct stage *stage, int base_fd, int overlay_fd)
{
	struct disk *other;
	int result = disk_open("test", stage->f.io, base_fd, overlay_fd, &other);

	if (result == 0)
		disk_close(other);
	return result;
}

static void
test_disk__without_base_it_is_the_file(void **state)
{
	static char content[TEST_BYTES];
	struct stage *stage = *state;
	CLEANUP_CLOSE int read_only = disk_stage_reopen_read_only(stage->f.overlay_fd);
	CLEANUP_CLOSE int odd = disk_stage_make_file(TEST_BYTES + 1, TEST_SEED);

	disk_fixture_close_disk(&stage->f);
	close(stage->f.overlay_fd);
	stage->f.overlay_fd = disk_stage_make_file(TEST_BYTES, TEST_SEED);
	assert_int_equal(disk_open("test", stage->f.io, -1, stage->f.overlay_fd, &stage->f.disk),
			 0);
	assert_false(disk_is_read_only(stage->f.disk));
	assert_int_equal(disk_get_bytes(stage->f.disk), TEST_BYTES);
	stage->model.disk = stage->f.disk;
	stage_work(stage, 3000);
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	disk_model_check_all(&stage->model);
	stage_expect_fine(stage);
	assert_int_equal(disk_sync(stage->f.disk), 0);
	assert_int_equal(one_run(stage, DISK_READ, 0, TEST_BYTES, content), 0);
	disk_fixture_close_disk(&stage->f);
	assert_int_equal(pread(stage->f.overlay_fd, stage->content, TEST_BYTES, 0), TEST_BYTES);
	assert_memory_equal(stage->content, content, TEST_BYTES);
	assert_int_equal(open_over(stage, -1, read_only), -EINVAL);
	assert_int_equal(open_over(stage, -1, odd), -EINVAL);
	assert_int_equal(ftruncate(stage->f.overlay_fd, 0), 0);
	assert_int_equal(open_over(stage, -1, stage->f.overlay_fd), -EINVAL);
}

/* What the host lacks in room it lacks in the middle of copy-ups, of whole clusters, of zeroes. */
static void
test_disk__full_host_loses_nothing(void **state)
{
	struct stage *stage = *state;
	uint64_t size = 65536 + TEST_BYTES + 65536;
	int filler;

	if (geteuid() != 0)
		skip();
	disk_fixture_close_disk(&stage->f);
	close(stage->f.overlay_fd);
	assert_int_equal(disk_stage_make_tight(size, 200 * 1024, &stage->f.overlay_fd, &filler), 0);
	assert_int_equal(stage_open_overlay(stage), 0);
	/* each time some of it fits, until all does */
	for (uint64_t left = 200 * 1024; stage->f.n_lacks < 10 && left < size; left += 128 * 1024) {
		stage_work(stage, 200);
		disk_io_drain(stage->f.io);
		assert_int_equal(ftruncate(filler, (off_t)(size - left)), 0);
		disk_io_retry(stage->f.io);
	}
	assert_true(stage->f.n_lacks >= 1);
	assert_int_equal(ftruncate(filler, 0), 0);
	disk_io_retry(stage->f.io);
	assert_int_equal(disk_io_drain(stage->f.io), 0);
	assert_false(stage->f.lacks_space);
	stage_expect_fine(stage);
	disk_model_check_all(&stage->model);
	stage_reopen(stage);
	disk_model_check_all(&stage->model);
	stage_expect_fine(stage);
	close(filler);
}

/* Ends only by a signal. */
static void
write_for_ever(struct stage *stage, struct disk_ledger *ledger)
{
	static struct disk_ledger_writer writers[DISK_LEDGER_WRITERS];

	if (disk_fixture_make_io(&stage->f) < 0 || stage_open_overlay(stage) < 0)
		_exit(1);
	for (;;) {
		for (int i = 0; i < 6; i++)
			disk_ledger_step(ledger, writers, stage->f.disk, &stage->model.seed);
		disk_io_kick(stage->f.io);
		loop_step(stage->f.fake->platform.loop, 1);
	}
}

static void
test_disk__killed_writer_loses_nothing_flushed(void **state)
{
	struct stage *stage = *state;
	struct disk_ledger *ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static char data[TEST_BYTES];
	uint32_t n_safe = 0;

	assert_ptr_not_equal(ledger, MAP_FAILED);
	ledger->n_sectors = TEST_SECTORS;
	for (int round = 0; round < 25; round++) {
		int status;
		pid_t child;

		disk_fixture_close_disk(&stage->f);
		stage->model.seed += 1000003;
		child = fork();
		if (child == 0)
			write_for_ever(stage, ledger);
		usleep(2000 + disk_stage_random(&stage->model.seed) % 30000);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(stage_open_overlay(stage), 0);
		assert_int_equal(one_run(stage, DISK_READ, 0, TEST_BYTES, data), 0);
		assert_int_equal(disk_ledger_check(ledger, stage->content, data), -1);
	}
	for (int i = 0; i < TEST_SECTORS; i++)
		n_safe += ledger->safe[i] != 0;
	assert_true(n_safe > TEST_SECTORS / 10);
	munmap(ledger, sizeof(*ledger));
	stage_expect_base_untouched(stage);
}

/* How a file that was an overlay is spoilt. */
struct spoilt {
	const char *name;
	off_t offset;
	char byte;
};

static void
test_disk__wrong_files_are_refused(void **state)
{
	static const struct spoilt cases[] = {
		{ "magic", 0, 'X' },
		{ "version", 8, 2 },
		{ "cluster size", 12, 1 },
		{ "disk's size", 17, 1 },
		{ "fingerprint", 24, 1 },
		{ "check", 32, 1 },
		{ "bit behind the last cluster", 4096 + 2, (char)0x80 },
		{ "table's end", 8191, 1 },
	};
	struct stage *stage = *state;
	struct disk *other;

	disk_fixture_close_disk(&stage->f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char good, bad;

		assert_int_equal(pread(stage->f.overlay_fd, &good, 1, cases[i].offset), 1);
		bad = (char)(good ^ cases[i].byte);
		assert_int_equal(pwrite(stage->f.overlay_fd, &bad, 1, cases[i].offset), 1);
		if (disk_open("test", stage->f.io, stage->f.base_fd, stage->f.overlay_fd, &other) !=
		    -EINVAL)
			fail_msg("an overlay with a wrong %s was taken", cases[i].name);
		assert_int_equal(pwrite(stage->f.overlay_fd, &good, 1, cases[i].offset), 1);
	}
	assert_int_equal(stage_open_overlay(stage), 0);
}

/* Opened by another description of the file, as another carrel-vmm would have it. */
static void
test_disk__one_file_is_of_one_disk(void **state)
{
	struct stage *stage = *state;
	char path[64];
	struct disk *other = NULL;
	int different, again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", stage->f.overlay_fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(disk_open("other", stage->f.io, stage->f.base_fd, again, &other), -EAGAIN);
	assert_int_equal(disk_open("other", stage->f.io, -1, again, &other), -EAGAIN);
	disk_fixture_close_disk(&stage->f);
	assert_int_equal(disk_open("other", stage->f.io, -1, again, &other), 0);
	assert_int_equal(stage_open_overlay(stage), -EAGAIN);
	disk_close(other);
	/* one that turns out to be over another base is let go of, too */
	different = disk_stage_make_file(TEST_BYTES, TEST_SEED + 1);
	assert_int_equal(disk_open("other", stage->f.io, different, again, &other), -EINVAL);
	assert_int_equal(stage_open_overlay(stage), 0);
	close(different);
	close(again);
}

static void
test_disk__wrong_bases_are_refused(void **state)
{
	struct stage *stage = *state;
	CLEANUP_CLOSE int smaller = disk_stage_make_file(TEST_BYTES - 512, TEST_SEED);
	CLEANUP_CLOSE int larger = disk_stage_make_file(TEST_BYTES + 512, TEST_SEED);
	CLEANUP_CLOSE int different = disk_stage_make_file(TEST_BYTES, TEST_SEED + 1);
	CLEANUP_CLOSE int odd = disk_stage_make_file(TEST_BYTES + 1, TEST_SEED);
	CLEANUP_CLOSE int empty = disk_stage_make_file(0, 0);
	CLEANUP_CLOSE int read_only = disk_stage_reopen_read_only(stage->f.overlay_fd);
	int bases[] = { smaller, larger, different, odd, empty, stage->f.overlay_fd };

	disk_fixture_close_disk(&stage->f);
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
		assert_int_equal(open_over(stage, bases[i], stage->f.overlay_fd), -EINVAL);
	assert_int_equal(open_over(stage, stage->f.base_fd, read_only), -EINVAL);
	assert_int_equal(open_over(stage, odd, -1), -EINVAL);
	assert_int_equal(ftruncate(stage->f.overlay_fd, TEST_BYTES), 0);
	assert_int_equal(open_over(stage, stage->f.base_fd, stage->f.overlay_fd), -EINVAL);
	assert_int_equal(ftruncate(stage->f.overlay_fd, 10), 0);
	assert_int_equal(open_over(stage, stage->f.base_fd, stage->f.overlay_fd), -EINVAL);
	/* a file that is something else stays as it is */
	assert_int_equal(open_over(stage, stage->f.base_fd, different), -EINVAL);
	assert_int_equal(open_over(stage, different, -1), 0);
}

/* Killed after ftruncate(2), before the header. */
static void
test_disk__interrupted_making_is_made_again(void **state)
{
	struct stage *stage = *state;

	disk_fixture_close_disk(&stage->f);
	assert_int_equal(ftruncate(stage->f.overlay_fd, 0), 0);
	assert_int_equal(ftruncate(stage->f.overlay_fd, 65536 + TEST_BYTES), 0);
	assert_int_equal(stage_open_overlay(stage), 0);
	disk_model_check_all(&stage->model);
	stage_expect_fine(stage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_disk__random_work_is_as_a_model_says),
		TEST(test_disk__discarded_room_is_given_back),
		TEST(test_disk__sync_writes_down),
		TEST(test_disk__a_sync_without_memory_is_tried_again),
		TEST(test_disk__requests_on_one_cluster_are_ordered),
		TEST(test_disk__outside_of_the_disk),
		TEST(test_disk__without_overlay_it_is_only_read),
		TEST(test_disk__without_base_it_is_the_file),
		TEST(test_disk__full_host_loses_nothing),
		TEST(test_disk__killed_writer_loses_nothing_flushed),
		TEST(test_disk__wrong_files_are_refused),
		TEST(test_disk__one_file_is_of_one_disk),
		TEST(test_disk__wrong_bases_are_refused),
		TEST(test_disk__interrupted_making_is_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
