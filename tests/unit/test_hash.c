/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hash.c - SHA-256 of texts and files
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

#include "common/hash.h"

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void
test_hash__of_a_text(void **state)
{
	g_autofree char *hash = hash_text("abc");

	(void)state;
	assert_string_equal(hash, abc); /* FIPS 180-4's example */
}

static void
test_hash__of_a_file(void **state)
{
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "carrel-test-hash", NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *hash = NULL;

	(void)state;
	assert_true(g_file_set_contents(path, "abc", 3, NULL));
	hash = hash_file(path, NULL, &error);
	g_unlink(path);
	assert_string_equal(hash, abc);
	assert_null(hash_file(path, NULL, &error));
	assert_non_null(g_strstr_len(error->message, -1, path));
}

#define KIB 1024

/* Where a file has data; everything else up to its size is a hole. */
static const struct {
	const char *name;
	off_t size;
	struct {
		off_t at;
		gsize size;
	} data[3];
} sparse_files[] = {
	{ "empty", 0, { { 0 } } },
	{ "one byte", 1, { { 0, 1 } } },
	{ "nothing but a hole", 3000 * KIB + 1, { { 0 } } },
	{ "data, then a hole", 700 * KIB, { { 0, 64 * KIB } } },
	{ "a hole, then data", 700 * KIB, { { 636 * KIB, 64 * KIB } } },
	{ "holes between",
	  2000 * KIB,
	  { { 0, 5 }, { 512 * KIB, 300 * KIB }, { 1999 * KIB, 100 } } },
	{ "no hole", 513 * KIB + 7, { { 0, 513 * KIB + 7 } } },
};

static void
test_hash__of_sparse_files(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(sparse_files); i++) {
		g_autofree char *path =
			g_build_filename(g_get_tmp_dir(), "carrel-test-hash-XXXXXX", NULL);
		g_autofree guint8 *whole = g_malloc0((gsize)sparse_files[i].size + 1);
		g_autofree char *expected = NULL;
		g_autofree char *hash = NULL;
		g_autoptr(GError) error = NULL;
		int fd = g_mkstemp(path);

		assert_int_equal(ftruncate(fd, sparse_files[i].size), 0);
		for (gsize k = 0; k < G_N_ELEMENTS(sparse_files[i].data); k++) {
			off_t at = sparse_files[i].data[k].at;
			gsize size = sparse_files[i].data[k].size;

			memset(whole + at, 'a' + (int)k, size);
			assert_int_equal(pwrite(fd, whole + at, size, at), size);
		}
		expected = hash_bytes(whole, (gsize)sparse_files[i].size);
		hash = hash_file(path, NULL, &error);
		close(fd);
		g_unlink(path);
		print_message("%s\n", sparse_files[i].name);
		assert_string_equal(hash, expected);
	}
}

/* A terabyte of zeros would take minutes: the cancellable must be heard inside of a hole. */
static void
test_hash__of_a_file_is_cancelled_inside_a_hole(void **state)
{
	g_autofree char *path = g_build_filename(g_get_tmp_dir(), "carrel-test-hash-XXXXXX", NULL);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autoptr(GError) error = NULL;
	int fd = g_mkstemp(path);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
	g_cancellable_cancel(cancellable);
	assert_null(hash_file(path, cancellable, &error));
	g_unlink(path);
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void
test_hash__of_what_is_no_plain_file(void **state)
{
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_null(hash_file(g_get_tmp_dir(), NULL, &error));
	assert_non_null(g_strstr_len(error->message, -1, g_get_tmp_dir()));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash__of_a_text),
		cmocka_unit_test(test_hash__of_a_file),
		cmocka_unit_test(test_hash__of_sparse_files),
		cmocka_unit_test(test_hash__of_a_file_is_cancelled_inside_a_hole),
		cmocka_unit_test(test_hash__of_what_is_no_plain_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
