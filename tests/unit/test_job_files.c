/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_job_files.c - sparse copies, syncing and removing what a job makes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "templates/job_files.h"

#define FILE_BYTES (8 << 20)

static char *
test_make_folder(void **state)
{
	g_autofree char *folder = g_dir_make_tmp("test-job-files-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "sparse", NULL);
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	assert_int_equal(pwrite(fd, "middle", 6, FILE_BYTES / 2), 6);
	close(fd);
	return g_steal_pointer(&folder);
}

static void
test_remove(const char *folder)
{
	job_files_remove("/", folder + 1);
	assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
}

static void
test_job_files__copy_keeps_data_and_holes(void **state)
{
	g_autofree char *folder = test_make_folder(state);
	g_autofree char *from = g_build_filename(folder, "sparse", NULL);
	g_autofree char *to = g_build_filename(folder, "copy", NULL);
	g_autofree char *text = NULL;
	GStatBuf status;
	gsize size;

	assert_true(job_files_copy(from, to, NULL, NULL));
	assert_true(g_file_get_contents(to, &text, &size, NULL));
	assert_int_equal(size, FILE_BYTES);
	assert_memory_equal(text + FILE_BYTES / 2, "middle", 6);
	assert_int_equal(text[FILE_BYTES - 1], 0);
	assert_int_equal(g_stat(to, &status), 0);
	assert_true((gint64)status.st_blocks * 512 < FILE_BYTES / 2);
	test_remove(folder);
}

static void
test_job_files__copy_refuses(void **state)
{
	g_autofree char *folder = test_make_folder(state);
	g_autofree char *from = g_build_filename(folder, "sparse", NULL);
	g_autofree char *link = g_build_filename(folder, "link", NULL);
	g_autofree char *to = g_build_filename(folder, "to", NULL);
	g_autoptr(GCancellable) cancelled = g_cancellable_new();

	assert_int_equal(symlink("sparse", link), 0);
	assert_false(job_files_copy(link, to, NULL, NULL));
	assert_false(job_files_copy(folder, to, NULL, NULL));
	assert_false(job_files_copy(from, from, NULL, NULL));
	g_cancellable_cancel(cancelled);
	(void)job_files_copy(from, to, cancelled, NULL);
	test_remove(folder);
}

static void
test_job_files__sync_counts_and_refuses_links(void **state)
{
	g_autofree char *folder = test_make_folder(state);
	g_autofree char *link = g_build_filename(folder, "link", NULL);
	g_autofree char *below = g_build_filename(folder, "a", "b", NULL);
	gint64 bytes = 0;

	assert_int_equal(g_mkdir_with_parents(below, 0700), 0);
	assert_true(job_files_sync(folder, &bytes, NULL));
	assert_true(bytes > 0 && bytes < FILE_BYTES);
	assert_int_equal(symlink("sparse", link), 0);
	assert_false(job_files_sync(folder, &bytes, NULL));
	test_remove(folder);
}

static void
test_job_files__remove_does_not_follow_links(void **state)
{
	g_autofree char *folder = test_make_folder(state);
	g_autofree char *kept = g_build_filename(folder, "sparse", NULL);
	g_autofree char *inner = g_build_filename(folder, "inner", NULL);
	g_autofree char *link = g_build_filename(inner, "link", NULL);

	assert_int_equal(g_mkdir(inner, 0700), 0);
	assert_int_equal(symlink(folder, link), 0);
	job_files_remove(folder, "inner");
	assert_false(g_file_test(inner, G_FILE_TEST_EXISTS));
	assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
	job_files_remove(folder, "never there");
	test_remove(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job_files__copy_keeps_data_and_holes),
		cmocka_unit_test(test_job_files__copy_refuses),
		cmocka_unit_test(test_job_files__sync_counts_and_refuses_links),
		cmocka_unit_test(test_job_files__remove_does_not_follow_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
