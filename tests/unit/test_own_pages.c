/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_own_pages.c - which pages of a private mapping are not the file's any more
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/own_pages.h"

#define PAGE  ((size_t)4096)
#define PAGES 600 /* asked about in three goes */

struct stage {
	int pagemap_fd;
	int fd;
	uint8_t *memory;
	size_t n_found;
	uint64_t found[PAGES];
	size_t most; /* the taker ends the list there */
};

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

/* Alone, in a row, in a hole, and where two windows meet; what differs stays. */
static void
test_own_pages__what_is_the_same_is_given_back(void **state)
{
	static const uint64_t same[] = { 20, 22, 23, 24, 255, 256, 599 };
	static const uint64_t others[] = { 0, 21, 254, 257 };
	struct stage *stage = *state;
	volatile uint8_t *memory = stage->memory;
	uint64_t count;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		memory[same[i] * PAGE] = same[i] % 10 == 0;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		memory[others[i] * PAGE + 7] = 5;
	assert_int_equal(own_pages_count(stage->pagemap_fd, stage->memory, PAGES * PAGE, &count),
			 0);
	assert_int_equal(count, 11);
	assert_int_equal(own_pages_give_back(stage->pagemap_fd, stage->memory, PAGES * PAGE,
					     stage->fd, &count),
			 0);
	assert_int_equal(count, 7);
	assert_int_equal(own_pages_count(stage->pagemap_fd, stage->memory, PAGES * PAGE, &count),
			 0);
	assert_int_equal(count, 4);
	stage_expect(stage, others, 4);
	assert_int_equal(memory[20 * PAGE], 1);
	assert_int_equal(memory[22 * PAGE], 0);
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
		TEST(the_file_does_not_grow),
		TEST(errors_end_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
