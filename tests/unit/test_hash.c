/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hash.c - SHA-256 of texts and files
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash__of_a_text),
		cmocka_unit_test(test_hash__of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
