/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_process_log.c - what a desktop's process said last
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "host/process_log.h"

static void
test_process_log__tells_the_last_line(void **state)
{
	static const struct {
		const char *log; /* NULL: no file */
		const char *wanted;
	} cases[] = {
		{ NULL, "it failed" },
		{ "", "it failed" },
		{ "\n\n", "it failed" },
		{ "one\ntwo\n", "it failed; the last line of 'qemu.log' was: two" },
		{ "only", "it failed; the last line of 'qemu.log' was: only" },
		{ "qemu: warning: a\n", "it failed" },
		{ "one\nqemu: warning: a\n\nqemu: warning: b\n",
		  "it failed; the last line of 'qemu.log' was: one" },
		{ "carrel-vmm[7]: error: a\ncarrel-vmm[7]: info: b\n",
		  "it failed; the last line of 'qemu.log' was: carrel-vmm[7]: error: a" },
		{ "a\x1b[31mred\xff\n", "it failed; the last line of 'qemu.log' was: a?[31mred?" },
	};
	g_autofree char *folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "qemu.log", NULL);

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *found = NULL;

		if (cases[i].log)
			assert_true(g_file_set_contents(path, cases[i].log, -1, NULL));
		found = process_log_explain(folder, "qemu", "it failed");
		assert_string_equal(found, cases[i].wanted);
	}
	g_unlink(path);
	g_rmdir(folder);
}

/* Wherever the part that is looked at begins: a guest's own words are no reason. */
static void
test_process_log__tells_no_piece_of_a_line(void **state)
{
	g_autofree char *folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "vmm.log", NULL);

	(void)state;
	for (gsize length = 0; length < 120; length++) {
		g_autoptr(GString) log = g_string_new("carrel-vmm[1]: error: long ago\n");
		g_autofree char *words = g_strnfill(length, 'x');
		g_autofree char *found = NULL;

		for (guint i = 0; i < 100; i++)
			g_string_append_printf(log, "carrel-vmm[1]: info: guest 'd': %s\n", words);
		assert_true(g_file_set_contents(path, log->str, -1, NULL));
		found = process_log_explain(folder, "vmm", "it panicked");
		assert_string_equal(found, "it panicked");
	}
	g_unlink(path);
	g_rmdir(folder);
}

static void
test_process_log__is_bounded_and_follows_no_link(void **state)
{
	g_autofree char *folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "qemu.log", NULL);
	g_autofree char *other = g_build_filename(folder, "other.log", NULL);
	g_autofree char *line = g_strnfill(1000, 'x');
	g_autofree char *found = NULL;
	g_autofree char *linked = NULL;

	(void)state;
	assert_true(g_file_set_contents(path, line, -1, NULL));
	found = process_log_explain(folder, "qemu", "");
	assert_in_range(strlen(found), PROCESS_LOG_MAX_LINE, PROCESS_LOG_MAX_LINE + 60);
	g_unlink(path);
	assert_true(g_file_set_contents(other, "secret", -1, NULL));
	assert_int_equal(symlink(other, path), 0);
	linked = process_log_explain(folder, "qemu", "it failed");
	assert_string_equal(linked, "it failed");
	g_unlink(path);
	g_unlink(other);
	g_rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_log__tells_the_last_line),
		cmocka_unit_test(test_process_log__tells_no_piece_of_a_line),
		cmocka_unit_test(test_process_log__is_bounded_and_follows_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
