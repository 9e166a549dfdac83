/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_template_memory.c - a template's RAM keeps its holes and cannot be written
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/template_memory.h"

#define SIZE (8 * 1024 * 1024)

static char *
saved_memory(void)
{
	g_autofree char *folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	char *path = g_build_filename(folder, "memory", NULL);
	int fd = template_memory_new(SIZE, NULL);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "first", 5, 4096), 5);
	assert_int_equal(pwrite(fd, "last", 4, SIZE - 4), 4);
	assert_true(template_memory_save(fd, path, NULL, NULL));
	close(fd);
	return path;
}

static void
remove_memory(const char *path)
{
	g_autofree char *folder = g_path_get_dirname(path);

	unlink(path);
	rmdir(folder);
}

static void
test_template_memory__comes_back_with_holes_and_sealed(void **state)
{
	g_autofree char *path = saved_memory();
	struct stat status;
	char text[6] = "";
	int fd;

	(void)state;
	fd = template_memory_load(AT_FDCWD, path, SIZE, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, text, 5, 4096), 5);
	assert_string_equal(text, "first");
	fstat(fd, &status);
	assert_int_equal(status.st_size, SIZE);
	assert_true(status.st_blocks * 512 <= 4 * 4096);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, SIZE / 2), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
	remove_memory(path);
}

static void
test_template_memory__refuses_another_size(void **state)
{
	g_autofree char *path = saved_memory();
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(template_memory_load(AT_FDCWD, path, SIZE * 2, NULL, &error), -1);
	assert_non_null(error);
	remove_memory(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template_memory__comes_back_with_holes_and_sealed),
		cmocka_unit_test(test_template_memory__refuses_another_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
