/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_folder.c - a desktop's folder, made, read again and removed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "host/desktop_folder.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"
#define SESSION "s-aaaaaaaaaaaaaaaaaaaa"

struct fixture {
	char *lib;
	char *desktops;
	struct desktop_folder folder;
};

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->lib = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	f->desktops = g_build_filename(f->lib, "desktops", NULL);
	desktop_folder_init(&f->folder, f->lib, DESKTOP);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_false(g_file_test(f->folder.path, G_FILE_TEST_EXISTS));
	g_remove(f->desktops);
	assert_int_equal(g_rmdir(f->lib), 0);
	desktop_folder_done(&f->folder);
	g_free(f->desktops);
	g_free(f->lib);
	g_free(f);
	return 0;
}

static void
test_desktop_folder__is_made_without_an_old_overlay(void **state)
{
	struct fixture *f = *state;

	assert_null(desktop_folder_make(&f->folder, FALSE));
	assert_true(g_file_set_contents(f->folder.overlay, "old", -1, NULL));
	assert_null(desktop_folder_make(&f->folder, FALSE));
	assert_false(g_file_test(f->folder.overlay, G_FILE_TEST_EXISTS));
	assert_true(g_file_set_contents(f->folder.overlay, "new", -1, NULL));
	desktop_folder_remove(&f->folder);
}

static void
test_desktop_folder__that_cannot_be_made_says_so(void **state)
{
	struct fixture *f = *state;
	g_autofree char *wanted = g_strdup_printf(
		"its folder '%s' cannot be made: Not a directory: ", f->folder.path);
	g_autofree char *reason = NULL;

	assert_true(g_file_set_contents(f->desktops, "a file", -1, NULL));
	reason = desktop_folder_make(&f->folder, TRUE);
	assert_non_null(reason);
	assert_true(g_str_has_prefix(reason, wanted));
}

static void
test_desktop_folder__tells_of_the_network(void **state)
{
	struct fixture *f = *state;

	for (gboolean network = FALSE; network <= TRUE; network++) {
		assert_null(desktop_folder_make(&f->folder, network));
		assert_int_equal(desktop_folder_has_network(&f->folder), network);
		desktop_folder_remove(&f->folder);
		assert_false(desktop_folder_has_network(&f->folder));
	}
}

static void
test_desktop_folder__tells_of_the_session(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->folder.path, "session", NULL);
	g_autofree char *session = NULL;

	assert_null(desktop_folder_make(&f->folder, FALSE));
	assert_null(desktop_folder_read_session(&f->folder));
	assert_true(desktop_folder_write_session(&f->folder, SESSION));
	session = desktop_folder_read_session(&f->folder);
	assert_string_equal(session, SESSION);
	assert_true(g_file_set_contents(path, "not an id", -1, NULL));
	assert_null(desktop_folder_read_session(&f->folder));
	desktop_folder_remove(&f->folder);
	assert_false(desktop_folder_write_session(&f->folder, SESSION));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_desktop_folder__is_made_without_an_old_overlay,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_desktop_folder__that_cannot_be_made_says_so,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_desktop_folder__tells_of_the_network, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_desktop_folder__tells_of_the_session, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
