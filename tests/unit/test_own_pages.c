/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_own_pages.c - which pages of a private mapping are not the file's any more
 *
 * The file is in memory. What own_pages.c asks of one on a disk, fstatfs(2) and preadv2(2), is
 * answered here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmm/own_pages.h"

#define PAGE  ((size_t)4096)
#define PAGES 600 /* asked about in five goes */

struct stage {
	int pagemap_fd;
	int fd;
	uint8_t *memory;
	size_t n_found;
	uint64_t found[PAGES];
	size_t most; /* the taker ends the list there */
	struct own_pages *pages;
	struct own_pages_part part;
};

/* The file is on a disk, all but these pages of it in the page cache. NULL: in memory. */
static const struct disk {
	uint64_t cold[OWN_PAGES_PART_COLD];
	size_t n_cold;
	int error; /* of any read */
} * disk;

int __wrap_fstatfs(int fd, struct statfs *system);

int
__wrap_fstatfs(int fd, struct statfs *system)
{
	(void)fd;
	system->f_type = disk ? EXT4_SUPER_MAGIC : TMPFS_MAGIC;
	return 0;
}

static bool
disk_has_cached(uint64_t page)
{
	for (size_t i = 0; i < disk->n_cold; i++)
		if (disk->cold[i] == page)
			return false;
	return true;
}

ssize_t __wrap_preadv2(int fd, const struct iovec *all, int n, off_t offset, int flags);

ssize_t
__wrap_preadv2(int fd, const struct iovec *all, int n, off_t offset, int flags)
{
	size_t bytes = 0;

	assert_non_null(disk);
	assert_int_equal(n, 1);
	assert_int_equal(flags, RWF_NOWAIT);
	while (bytes < all->iov_len && disk_has_cached(((uint64_t)offset + bytes) / PAGE))
		bytes += PAGE;
	errno = disk->error ? disk->error : EAGAIN;
	return disk->error || bytes == 0 ? -1 : pread(fd, all->iov_base, bytes, offset);
}

/* The file has ones in each tenth page, the others are holes. */
static int
stage_open(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));
	uint8_t ones[PAGE];

	memset(ones, 1, sizeof(ones));
	stage->most = PAGES;
	stage->pagemap_fd = own_pages_open();
	assert_true(stage->pagemap_fd >= 0);
	stage->fd = memfd_create("memory", MFD_CLOEXEC);
	assert_int_equal(ftruncate(stage->fd, PAGES * PAGE), 0);
	for (size_t i = 0; i < PAGES; i += 10)
		assert_int_equal(pwrite(stage->fd, ones, PAGE, (off_t)(i * PAGE)), PAGE);
	stage->memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_NORESERVE, stage->fd, 0);
	assert_ptr_not_equal(stage->memory, MAP_FAILED);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	disk = NULL;
	munmap(stage->memory, PAGES * PAGE);
	close(stage->fd);
	close(stage->pagemap_fd);
	test_free(stage);
	return 0;
}

static int
stage_take(void *context, uint64_t number, const void *page)
{
	struct stage *stage = context;

	assert_ptr_equal(page, stage->memory + number * PAGE);
	if (stage->n_found == stage->most)
		return -ENOSPC;
	stage->found[stage->n_found++] = number;
	return 0;
}

static int
stage_list(struct stage *stage)
{
	stage->n_found = 0;
	return own_pages_list(stage->pagemap_fd, stage->memory, PAGES * PAGE, stage->fd, stage_take,
			      stage);
}

static void
stage_expect(struct stage *stage, const uint64_t *numbers, size_t count)
{
	assert_int_equal(stage_list(stage), 0);
	assert_int_equal(stage->n_found, count);
	if (count > 0)
		assert_memory_equal(stage->found, numbers, count * sizeof(numbers[0]));
}

/* In holes and in data, alone and in rows, at the ends and where two windows meet. */
static void
test_own_pages__what_was_written_is_own(void **state)
{
	static const uint64_t numbers[] = { 0, 9, 10, 11, 255, 256, 511, 513, 599 };
	struct stage *stage = *state;
	size_t count = sizeof(numbers) / sizeof(numbers[0]);

	stage_expect(stage, NULL, 0);
	for (size_t i = 0; i < count; i++)
		stage->memory[numbers[i] * PAGE + i * 400] = 7;
	stage_expect(stage, numbers, count);
}

/* That they are the same as the file's is not why: they are not even compared. */
static void
test_own_pages__what_was_read_is_the_file_s(void **state)
{
	struct stage *stage = *state;
	int other_fd = memfd_create("other", MFD_CLOEXEC);
	uint64_t sum = 0;

	for (size_t i = 0; i < PAGES; i++)
		sum += ((volatile uint8_t *)stage->memory)[i * PAGE];
	assert_int_equal(sum, PAGES / 10);
	assert_int_equal(ftruncate(other_fd, PAGES * PAGE), 0);
	assert_int_equal(own_pages_list(stage->pagemap_fd, stage->memory, PAGES * PAGE, other_fd,
					stage_take, stage),
			 0);
	assert_int_equal(stage->n_found, 0);
	close(other_fd);
}

static void
test_own_pages__what_is_the_same_is_left_out(void **state)
{
	static const uint64_t numbers[] = { 21 };
	struct stage *stage = *state;
	volatile uint8_t *memory = stage->memory;

	memory[20 * PAGE] = 1;
	memory[21 * PAGE] = 1;
	memory[22 * PAGE] = 0;
	memory[23 * PAGE] = 5;
	memory[23 * PAGE] = 0;
	stage_expect(stage, numbers, 1);
}

static void
stage_look(struct stage *stage)
{
	assert_int_equal(own_pages_new(stage->pagemap_fd, stage->memory, PAGES * PAGE, stage->fd,
				       &stage->pages),
			 0);
	assert_int_equal(own_pages_find_same(stage->pages, 0, &stage->part), 0);
}

/* How many were given back. */
static uint64_t
stage_drop(struct stage *stage)
{
	uint64_t count;

	assert_int_equal(own_pages_drop_same(stage->pages, &stage->part, &count), 0);
	own_pages_free(stage->pages);
	return count;
}

static void
stage_expect_same(const struct stage *stage, const uint64_t *numbers, size_t count)
{
	assert_int_equal(stage->part.n_same, count);
	assert_memory_equal(stage->part.same, numbers, count * sizeof(numbers[0]));
}

/* They are as they were, but copies. */
static void
stage_copy(struct stage *stage, const uint64_t *numbers, size_t count)
{
	volatile uint8_t *memory = stage->memory;

	for (size_t i = 0; i < count; i++)
		memory[numbers[i] * PAGE] = numbers[i] % 10 == 0;
}

/* Alone, in a row longer than a read, in a hole, and where two windows meet; what differs stays. */
static void
test_own_pages__what_is_the_same_is_given_back(void **state)
{
	static const uint64_t same[] = {
		20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 255, 256, 599
	};
	static const uint64_t others[] = { 0, 21, 32, 254, 257 };
	const size_t n_same = sizeof(same) / sizeof(same[0]);
	const size_t n_others = sizeof(others) / sizeof(others[0]);
	struct stage *stage = *state;

	stage_copy(stage, same, n_same);
	for (size_t i = 0; i < n_others; i++)
		stage->memory[others[i] * PAGE + 7] = 5;
	stage_look(stage);
	stage_expect_same(stage, same, n_same);
	assert_int_equal(stage->part.n_own, n_same + n_others);
	assert_true(stage->part.is_last);
	assert_int_equal(stage_drop(stage), n_same);
	stage_look(stage);
	assert_int_equal(stage->part.n_own, n_others);
	assert_int_equal(stage_drop(stage), 0);
	stage_expect(stage, others, n_others);
	assert_int_equal(stage->memory[20 * PAGE], 1);
	assert_int_equal(stage->memory[22 * PAGE], 0);
}

/* The guest ran on: one has changed, one is the file's already. */
static void
test_own_pages__what_is_the_same_no_more_stays(void **state)
{
	static const uint64_t same[] = { 21, 22, 23, 24 };
	static const uint64_t others[] = { 22 };
	struct stage *stage = *state;

	stage_copy(stage, same, 4);
	stage_look(stage);
	stage_expect_same(stage, same, 4);
	stage->memory[22 * PAGE + 9] = 5;
	assert_int_equal(madvise(stage->memory + 24 * PAGE, PAGE, MADV_DONTNEED), 0);
	assert_int_equal(stage_drop(stage), 2);
	stage_expect(stage, others, 1);
}

/* Whatever there is, no part has more copies than it may; together they have all. */
static void
test_own_pages__a_part_is_small(void **state)
{
	struct stage *stage = *state;
	uint64_t n_own = 0, n_same = 0, count;
	int n_parts = 1;

	for (uint64_t i = 0; i < PAGES; i++)
		stage_copy(stage, &i, 1);
	stage_look(stage);
	for (;; n_parts++) {
		assert_in_range(stage->part.n_own, 1, OWN_PAGES_PART_SAME - 1);
		assert_int_equal(own_pages_drop_same(stage->pages, &stage->part, &count), 0);
		n_own += stage->part.n_own;
		n_same += count;
		if (stage->part.is_last)
			break;
		assert_int_equal(own_pages_find_same(stage->pages, stage->part.next, &stage->part),
				 0);
	}
	own_pages_free(stage->pages);
	assert_int_equal(n_parts, 5);
	assert_int_equal(n_own, PAGES);
	assert_int_equal(n_same, PAGES);
}

/* Most of a large memory has no copies. */
static void
test_own_pages__a_part_ends_where_there_is_nothing(void **state)
{
	const uint64_t bytes = (uint64_t)3 * OWN_PAGES_PART_PAGES * PAGE;
	struct stage *stage = *state;
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
			       stage->fd, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(own_pages_new(stage->pagemap_fd, memory, bytes, stage->fd, &stage->pages),
			 0);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(
			own_pages_find_same(stage->pages, i * OWN_PAGES_PART_PAGES, &stage->part),
			0);
		assert_int_equal(stage->part.next, (i + 1) * OWN_PAGES_PART_PAGES);
		assert_int_equal(stage->part.is_last, i == 2);
	}
	own_pages_free(stage->pages);
	munmap(memory, bytes);
}

/* Alone, at the beginning, in the middle and at the end of what is read at once. Behind so many nothing is read. */
static void
test_own_pages__no_disk_is_waited_for(void **state)
{
	static const struct disk cold = { { 20, 30, 33, 36 }, OWN_PAGES_PART_COLD, 0 };
	static const uint64_t all[] = { 20, 30, 31, 32, 33, 34, 35, 36, 37, 50 };
	static const uint64_t cached[] = { 31, 32, 34, 35 };
	static const struct disk warm = { { 0 }, 0, 0 };
	struct stage *stage = *state;

	disk = &cold;
	stage_copy(stage, all, 10);
	stage_look(stage);
	stage_expect_same(stage, cached, 4);
	assert_int_equal(stage->part.n_own, 10);
	assert_int_equal(stage->part.n_cold, OWN_PAGES_PART_COLD);
	assert_int_equal(stage_drop(stage), 4);
	disk = &warm;
	stage_look(stage);
	assert_int_equal(stage->part.n_cold, 0);
	assert_int_equal(stage_drop(stage), 6);
	stage_expect(stage, NULL, 0);
}

static void
test_own_pages__says_what_cannot_be_read(void **state)
{
	static const struct disk foreign = { { 0 }, 0, EOPNOTSUPP };
	struct stage *stage = *state;

	disk = &foreign;
	stage_look(stage);
	stage->memory[0] = 1;
	assert_int_equal(own_pages_find_same(stage->pages, 0, &stage->part), -EOPNOTSUPP);
	own_pages_free(stage->pages);
}

/* Documentation/admin-guide/mm/pagemap.rst: bit 62. A page with a memory error is one to the kernel. */
static void
test_own_pages__what_is_in_swap_is_left_there(void **state)
{
	static const uint64_t swapped = UINT64_C(1) << 62;
	static const uint64_t present = UINT64_C(1) << 63;
	static const uint64_t copies[] = { 20, 21 };
	struct stage *stage = *state;
	off_t at = (off_t)((uintptr_t)stage->memory / PAGE * sizeof(uint64_t));
	int kernels_fd = stage->pagemap_fd;

	stage->pagemap_fd = memfd_create("pagemap", MFD_CLOEXEC);
	assert_int_equal(ftruncate(stage->pagemap_fd, at + PAGES * (off_t)sizeof(uint64_t)), 0);
	assert_int_equal(pwrite(stage->pagemap_fd, &swapped, 8, at + 20 * 8), 8);
	assert_int_equal(pwrite(stage->pagemap_fd, &present, 8, at + 21 * 8), 8);
	stage_copy(stage, copies, 2);
	stage_look(stage);
	stage_expect_same(stage, copies + 1, 1);
	assert_int_equal(stage->part.n_own, 1);
	assert_int_equal(stage_drop(stage), 1);
	stage->memory[20 * PAGE + 1] = 5;
	stage_expect(stage, copies, 1);
	close(stage->pagemap_fd);
	stage->pagemap_fd = kernels_fd;
}

static void
test_own_pages__what_was_discarded_is_the_file_s(void **state)
{
	static const uint64_t numbers[] = { 31 };
	struct stage *stage = *state;

	stage->memory[30 * PAGE] = 7;
	stage->memory[31 * PAGE] = 7;
	assert_int_equal(madvise(stage->memory + 30 * PAGE, PAGE, MADV_DONTNEED), 0);
	stage_expect(stage, numbers, 1);
}

/* Holes are not filled by being looked at: they are the template's memory. */
static void
test_own_pages__the_file_does_not_grow(void **state)
{
	struct stage *stage = *state;
	struct stat before, after;

	for (size_t i = 1; i < PAGES; i += 10)
		stage->memory[i * PAGE] = 7;
	assert_int_equal(fstat(stage->fd, &before), 0);
	assert_int_equal(stage_list(stage), 0);
	assert_int_equal(fstat(stage->fd, &after), 0);
	assert_int_equal(stage->n_found, PAGES / 10);
	assert_true(before.st_blocks == after.st_blocks);
}

static void
test_own_pages__errors_end_the_list(void **state)
{
	struct stage *stage = *state;
	int empty_fd = memfd_create("empty", MFD_CLOEXEC);

	for (size_t i = 0; i < PAGES; i += 3)
		stage->memory[i * PAGE] = 7;
	stage->most = 5;
	assert_int_equal(stage_list(stage), -ENOSPC);
	assert_int_equal(stage->n_found, 5);
	assert_int_equal(own_pages_list(stage->pagemap_fd, stage->memory, PAGES * PAGE, empty_fd,
					stage_take, stage),
			 -EPIPE);
	assert_int_equal(
		own_pages_list(-1, stage->memory, PAGES * PAGE, stage->fd, stage_take, stage),
		-EBADF);
	close(empty_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_own_pages__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_written_is_own),
		TEST(what_was_read_is_the_file_s),
		TEST(what_is_the_same_is_left_out),
		TEST(what_was_discarded_is_the_file_s),
		TEST(what_is_the_same_is_given_back),
		TEST(what_is_the_same_no_more_stays),
		TEST(a_part_is_small),
		TEST(a_part_ends_where_there_is_nothing),
		TEST(no_disk_is_waited_for),
		TEST(says_what_cannot_be_read),
		TEST(what_is_in_swap_is_left_there),
		TEST(the_file_does_not_grow),
		TEST(errors_end_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
