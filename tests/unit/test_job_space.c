/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_job_space.c - what is told of a full disk
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "templates/job_space.h"

#define MIB (UINT64_C(1) << 20)

static void
test_job_space__blames_a_full_disk_for_what_failed(void **state)
{
	static const struct {
		guint64 free_bytes;
		int code;
		int expected;
	} rows[] = {
		{ 0, G_IO_ERROR_CLOSED, G_IO_ERROR_NO_SPACE },
		{ 3 * MIB, G_IO_ERROR_TIMED_OUT, G_IO_ERROR_NO_SPACE },
		{ 0, G_IO_ERROR_CANCELLED, G_IO_ERROR_CANCELLED },
		{ 500 * MIB, G_IO_ERROR_CLOSED, G_IO_ERROR_CLOSED },
		{ 500 * MIB, G_IO_ERROR_NO_SPACE, G_IO_ERROR_NO_SPACE },
		{ G_MAXUINT64, G_IO_ERROR_CLOSED, G_IO_ERROR_CLOSED },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, rows[i].code, "it fails");

		job_space_blame(rows[i].free_bytes, error);
		assert_int_equal(error->code, rows[i].expected);
		assert_string_equal(error->message, "it fails");
	}
}

static void
test_job_space__explains_how_much_is_needed_where(void **state)
{
	static const struct {
		guint64 need_bytes;
		guint64 free_bytes;
		const char *expected;
	} rows[] = {
		{ 299 * MIB + 1, 12 * MIB,
		  "QEMU ended: disk full, 12 MiB left and a publish takes up to 300: "
		  "free space on the disk of '/lib', then run the publish again" },
		{ 0, 12 * MIB,
		  "QEMU ended: free space on the disk of '/lib', then run the publish again" },
		{ 300 * MIB, 301 * MIB, /* somebody has freed some meanwhile */
		  "QEMU ended: free space on the disk of '/lib', then run the publish again" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = job_space_explain("QEMU ended", "/lib", rows[i].need_bytes,
							  rows[i].free_bytes, "publish", 300);

		assert_string_equal(text, rows[i].expected);
	}
}

static void
test_job_space__cuts_the_cause_and_not_the_advice(void **state)
{
	const char *advice = ": free space on the disk of '/lib', then run the build again";
	gsize size = strlen(advice) + 5;
	g_autofree char *cut = job_space_explain("a long cause", "/lib", 0, 0, "build", size);
	g_autofree char *none = job_space_explain("a long cause", "/lib", 0, 0, "build", 10);

	(void)state;
	assert_int_equal(strlen(cut), size - 1);
	assert_memory_equal(cut, "a lo", 4);
	assert_string_equal(cut + 4, advice);
	assert_string_equal(none, advice);
}

static void
test_job_space__asks_the_disk(void **state)
{
	(void)state;
	assert_true(job_space_find_free("/") < G_MAXUINT64);
	assert_true(job_space_find_free("/no/such/folder") == G_MAXUINT64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_job_space__blames_a_full_disk_for_what_failed),
		cmocka_unit_test(test_job_space__explains_how_much_is_needed_where),
		cmocka_unit_test(test_job_space__cuts_the_cause_and_not_the_advice),
		cmocka_unit_test(test_job_space__asks_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
