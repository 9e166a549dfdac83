/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_guest_memory.c - the guest's RAM: which addresses are RAM, sharing, giving pages back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/guest_memory.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* A sparse file, so that its size costs nothing. */
static int
test_open_file(uint64_t bytes)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static struct guest_memory *
test_new(int fd, uint64_t bytes, bool private)
{
	struct guest_memory *memory = NULL;

	assert_int_equal(guest_memory_new(fd, bytes, private, &memory), 0);
	assert_int_equal(guest_memory_get_bytes(memory), bytes);
	return memory;
}

static void
test_guest_memory__refuses_sizes(void **state)
{
	static const struct {
		uint64_t file_bytes;
		uint64_t ram_bytes;
	} table[] = {
		{ MIB, 0 },
		{ MIB, MIB / 2 },
		{ 2 * MIB, MIB + 4096 },
		{ MIB, 2 * MIB },
		{ 65 * GIB, 64 * GIB + MIB },
		{ MIB - 1, MIB },
		{ MIB, UINT64_MAX - MIB + 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CLEANUP_CLOSE int fd = test_open_file(table[i].file_bytes);
		struct guest_memory *memory = NULL;

		assert_int_equal(guest_memory_new(fd, table[i].ram_bytes, false, &memory), -EINVAL);
		assert_null(memory);
	}
	assert_int_equal(guest_memory_new(-1, MIB, false, &(struct guest_memory *){ NULL }),
			 -EBADF);
}

static void
test_guest_memory__knows_what_is_ram(void **state)
{
	static const struct {
		uint64_t ram_bytes, gpa, bytes;
		int64_t offset; /* in the file; -1: not RAM */
	} table[] = {
		{ MIB, 0, 1, 0 },
		{ MIB, 0, MIB, 0 },
		{ MIB, 0, MIB + 1, -1 },
		{ MIB, MIB - 1, 1, MIB - 1 },
		{ MIB, MIB - 1, 2, -1 },
		{ MIB, MIB, 1, -1 },
		{ MIB, 0, 0, -1 },
		{ MIB, 1, UINT64_MAX, -1 },
		{ MIB, UINT64_MAX, 1, -1 },
		{ MIB, UINT64_MAX, 2, -1 },
		{ MIB, GUEST_MEMORY_HIGH, 1, -1 },
		{ 3 * GIB, GUEST_MEMORY_HOLE - 1, 1, 3 * GIB - 1 },
		{ 3 * GIB, GUEST_MEMORY_HOLE, 1, -1 },
		{ 3 * GIB, GUEST_MEMORY_HIGH, 1, -1 },
		{ 4 * GIB, GUEST_MEMORY_HOLE - 1, 2, -1 },
		{ 4 * GIB, GUEST_MEMORY_HIGH - 1, 2, -1 },
		{ 4 * GIB, GUEST_MEMORY_HIGH - 1, 1, -1 },
		{ 4 * GIB, GUEST_MEMORY_HIGH, GIB, 3 * GIB },
		{ 4 * GIB, GUEST_MEMORY_HIGH, GIB + 1, -1 },
		{ 4 * GIB, GUEST_MEMORY_HIGH + GIB, 1, -1 },
		{ 4 * GIB, GUEST_MEMORY_HIGH + 1, UINT64_MAX, -1 },
		{ 64 * GIB, GUEST_MEMORY_HIGH + 61 * GIB - 1, 1, 64 * GIB - 1 },
		{ 64 * GIB, GUEST_MEMORY_HIGH + 61 * GIB, 1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CLEANUP_CLOSE int fd = test_open_file(table[i].ram_bytes);
		struct guest_memory *memory = test_new(fd, table[i].ram_bytes, false);
		uint8_t *start = guest_memory_find(memory, 0, 1);
		uint8_t *found = guest_memory_find(memory, table[i].gpa, table[i].bytes);

		if (table[i].offset < 0)
			assert_null(found);
		else
			assert_ptr_equal(found, start + table[i].offset);
		guest_memory_free(memory);
	}
}

static void
test_guest_memory__lists_its_parts(void **state)
{
	struct guest_memory_part parts[GUEST_MEMORY_MAX_PARTS];
	CLEANUP_CLOSE int fd = test_open_file(5 * GIB);
	struct guest_memory *memory = test_new(fd, 2 * GIB, false);

	(void)state;
	assert_int_equal(guest_memory_list_parts(memory, parts), 1);
	assert_int_equal(parts[0].gpa, 0);
	assert_int_equal(parts[0].bytes, 2 * GIB);
	guest_memory_free(memory);

	memory = test_new(fd, 5 * GIB, false);
	assert_int_equal(guest_memory_list_parts(memory, parts), 2);
	assert_int_equal(parts[0].bytes, GUEST_MEMORY_HOLE);
	assert_int_equal(parts[1].gpa, GUEST_MEMORY_HIGH);
	assert_int_equal(parts[1].bytes, 2 * GIB);
	assert_ptr_equal(parts[1].host, (uint8_t *)parts[0].host + GUEST_MEMORY_HOLE);
	guest_memory_free(memory);
}

static void
test_guest_memory__copies_all_or_nothing(void **state)
{
	CLEANUP_CLOSE int fd = test_open_file(MIB);
	struct guest_memory *memory = test_new(fd, MIB, false);
	char text[4] = "abc";

	(void)state;
	assert_int_equal(guest_memory_write(memory, MIB - 4, "xyz", 4), 0);
	assert_int_equal(guest_memory_read(memory, MIB - 3, text, 4), -EFAULT);
	assert_string_equal(text, "abc");
	assert_int_equal(guest_memory_write(memory, MIB - 3, "1234", 4), -EFAULT);
	assert_int_equal(guest_memory_read(memory, MIB - 4, text, 4), 0);
	assert_string_equal(text, "xyz");
	guest_memory_free(memory);
}

static void
test_guest_memory__private_writes_stay_out_of_the_file(void **state)
{
	CLEANUP_CLOSE int fd = test_open_file(MIB);
	struct guest_memory *shared = test_new(fd, MIB, false);
	struct guest_memory *fork = test_new(fd, MIB, true);
	uint32_t value = 1;

	(void)state;
	assert_int_equal(guest_memory_write(shared, 0, &value, sizeof(value)), 0);
	assert_int_equal(pread(fd, &value, sizeof(value), 0), sizeof(value));
	assert_int_equal(value, 1);
	value = 2;
	assert_int_equal(guest_memory_write(fork, 0, &value, sizeof(value)), 0);
	assert_int_equal(guest_memory_read(shared, 0, &value, sizeof(value)), 0);
	assert_int_equal(value, 1);
	guest_memory_free(fork);
	guest_memory_free(shared);
}

static uint8_t
test_read_byte(const struct guest_memory *memory, uint64_t gpa)
{
	uint8_t value = 0;

	assert_int_equal(guest_memory_read(memory, gpa, &value, 1), 0);
	return value;
}

static void
test_fill_pages(const struct guest_memory *memory, uint8_t value)
{
	for (uint64_t gpa = 0; gpa < 16384; gpa += 4095)
		assert_int_equal(guest_memory_write(memory, gpa, &value, 1), 0);
	for (uint64_t gpa = 0; gpa < 16384; gpa += 4096)
		assert_int_equal(guest_memory_write(memory, gpa, &value, 1), 0);
}

static void
test_guest_memory__gives_whole_pages_back(void **state)
{
	CLEANUP_CLOSE int fd = test_open_file(MIB);
	struct guest_memory *shared = test_new(fd, MIB, false);
	struct guest_memory *fork = test_new(fd, MIB, true);
	struct stat status;

	(void)state;
	test_fill_pages(shared, 1);
	test_fill_pages(fork, 2);
	assert_int_equal(guest_memory_discard(fork, 4096, 8192), 0);
	assert_int_equal(test_read_byte(fork, 0), 2);
	assert_int_equal(test_read_byte(fork, 4096), 1); /* the template's */
	assert_int_equal(test_read_byte(fork, 12288), 2);

	/* of 1 to 3 pages only the whole one in the middle goes */
	assert_int_equal(guest_memory_discard(shared, 1, 8192 + 4094), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_blocks, 3 * 8); /* before the reading brings it back */
	assert_int_equal(test_read_byte(shared, 0), 1);
	assert_int_equal(test_read_byte(shared, 4096), 0);
	assert_int_equal(test_read_byte(shared, 8192), 1);
	assert_int_equal(guest_memory_discard(shared, 1, 4096), 0);
	assert_int_equal(test_read_byte(shared, 0), 1);
	assert_int_equal(guest_memory_discard(shared, MIB - 4096, 8192), -EFAULT);
	guest_memory_free(fork);
	guest_memory_free(shared);
}

/* What smaps says of the mapping that begins there (proc_pid_smaps(5), VmFlags). */
static bool
test_has_flag(const void *address, const char *flag)
{
	CLEANUP_FREE char *line = NULL;
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long begin = 0, found, end;
	bool has = false;
	size_t size = 0;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		if (sscanf(line, "%lx-%lx ", &found, &end) == 2)
			begin = found;
		if (begin == (unsigned long)address && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag);
	}
	fclose(file);
	return has;
}

/* A file in the folder where tests run; without a name. */
static int
test_open_disk_file(uint64_t bytes)
{
	struct statfs system;
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || fstatfs(fd, &system) < 0 || system.f_type == TMPFS_MAGIC) {
		print_message("skipped: this folder is on no disk\n");
		skip();
	}
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void
test_guest_memory__asks_for_huge_pages_of_memory_only(void **state)
{
	CLEANUP_CLOSE int disk_fd = test_open_disk_file(4 * MIB);
	CLEANUP_CLOSE int fd = test_open_file(4 * MIB);
	struct guest_memory *memory = test_new(fd, 4 * MIB, true);
	struct guest_memory *disk = test_new(disk_fd, 4 * MIB, true);

	(void)state;
	assert_int_equal(test_has_flag(guest_memory_find(memory, 0, MIB), " hg"),
			 access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0);
	assert_false(test_has_flag(guest_memory_find(disk, 0, MIB), " hg"));
	assert_true(test_has_flag(guest_memory_find(disk, 0, MIB), " dd"));
	assert_false(test_has_flag(guest_memory_find(disk, 0, MIB), " rr"));
	guest_memory_read_alone(disk);
	assert_true(test_has_flag(guest_memory_find(disk, 0, MIB), " rr"));
	guest_memory_free(disk);
	guest_memory_free(memory);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest_memory__refuses_sizes),
		cmocka_unit_test(test_guest_memory__knows_what_is_ram),
		cmocka_unit_test(test_guest_memory__lists_its_parts),
		cmocka_unit_test(test_guest_memory__copies_all_or_nothing),
		cmocka_unit_test(test_guest_memory__private_writes_stay_out_of_the_file),
		cmocka_unit_test(test_guest_memory__gives_whole_pages_back),
		cmocka_unit_test(test_guest_memory__asks_for_huge_pages_of_memory_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
