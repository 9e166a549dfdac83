/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_up_folders.c - the state folder of "carrel up": uid ranges, what is made, who may not use it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/up_folders.h"

static void
test_up_folders__takes_a_range_with_room_for_all(void **state)
{
	static const char *const good[] = { "200000-465535", "65535-131137", "65535-4294967294" };
	static const char *const bad[] = {
		"",
		"200000",
		"200000-",
		"-465535",
		"200000-200100",
		"465535-200000",
		"65534-465535",
		"65535-131136",
		"200000-465535 ",
		"a-b",
		"200000-465535-80",
		"200000-99999999999",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
		struct up_ids ids = { 0 };

		assert_true(up_ids_parse(&ids, good[i], NULL));
		assert_string_equal(ids.range, good[i]);
		assert_int_equal(ids.gateway, ids.broker + 1);
		assert_int_equal(ids.hostd, ids.broker + 2);
		assert_int_equal(ids.group, ids.broker);
		g_free(ids.range);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		struct up_ids ids = { 0 };

		assert_false(up_ids_parse(&ids, bad[i], &error));
		assert_null(ids.range);
		assert_non_null(strstr(error->message, "[host] of carrel.conf"));
	}
}

/* All of them belong to whoever runs the test, so that it needs no root. */
static const struct up_ids *
own_ids(struct up_ids *ids)
{
	*ids = (struct up_ids){ getuid(), getuid(), getuid(), getgid(), (char *)"7-8" };
	return ids;
}

/* Does not follow links. */
static void
remove_tree(const char *path)
{
	g_autoptr(GDir) folder = NULL;
	const char *name;

	if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
		folder = g_dir_open(path, 0, NULL);
	while (folder && (name = g_dir_read_name(folder))) {
		g_autofree char *below = g_build_filename(path, name, NULL);

		remove_tree(below);
	}
	g_remove(path);
}

static int
make_temporary(void **state)
{
	/* Everybody may go through /tmp; TMPDIR may be closed. */
	*state = g_mkdtemp(g_strdup("/tmp/up_folders.XXXXXX"));
	return *state && g_chmod(*state, 0711) == 0 ? 0 : -1;
}

static int
drop_temporary(void **state)
{
	remove_tree(*state);
	g_free(*state);
	return 0;
}

static void
test_up_folders__makes_all_with_their_modes(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
	} wanted[] = {
		{ "", 0711 },
		{ "run", 01771 },
		{ "run/desktops", 0711 },
		{ "lib/broker", 0700 },
		{ "lib/staging", 0711 },
		{ "lib/templates", 0755 },
		{ "lib/desktops", 0711 },
		{ "lib/hostd", 0700 },
		{ "pam", 0700 },
	};
	g_autofree char *place = g_build_filename(*state, "a", "b", NULL);
	struct up_folders folders;
	struct up_ids ids;

	/* Twice: the second start finds them, whatever somebody did to a mode. */
	for (int n = 0; n < 2; n++) {
		assert_true(up_folders_make(&folders, place, own_ids(&ids), NULL));
		for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
			g_autofree char *path = g_build_filename(place, wanted[i].path, NULL);
			struct stat about;

			assert_int_equal(stat(path, &about), 0);
			assert_int_equal(about.st_mode & 07777, wanted[i].mode);
			assert_int_equal(chmod(path, 0755), 0);
		}
		up_folders_done(&folders);
	}
}

static void
test_up_folders__lets_only_one_in(void **state)
{
	g_autofree char *place = g_build_filename(*state, "s", NULL);
	g_autofree char *pid = g_strdup_printf("(pid %d)", (int)getpid());
	g_autoptr(GError) error = NULL;
	struct up_folders first;
	struct up_folders second;
	struct up_ids ids;

	assert_true(up_folders_make(&first, place, own_ids(&ids), NULL));
	assert_false(up_folders_make(&second, place, &ids, &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY));
	assert_non_null(strstr(error->message, pid));
	up_folders_done(&second);
	up_folders_done(&first);
	assert_true(up_folders_make(&second, place, &ids, NULL));
	up_folders_done(&second);
}

static void
test_up_folders__refuses_a_closed_parent_and_what_is_no_folder(void **state)
{
	g_autofree char *closed = g_build_filename(*state, "closed", NULL);
	g_autofree char *below = g_build_filename(closed, "s", NULL);
	g_autofree char *place = g_build_filename(*state, "s", NULL);
	g_autofree char *file = g_build_filename(place, "run", NULL);
	g_autoptr(GError) error = NULL;
	struct up_folders folders;
	struct up_ids ids;

	assert_int_equal(g_mkdir(closed, 0700), 0);
	assert_false(up_folders_make(&folders, below, own_ids(&ids), &error));
	assert_non_null(strstr(error->message, closed));
	assert_non_null(strstr(error->message, "chmod o+x"));
	up_folders_done(&folders);
	g_clear_error(&error);

	assert_int_equal(g_mkdir(place, 0711), 0);
	assert_int_equal(symlink(closed, file), 0);
	assert_false(up_folders_make(&folders, place, &ids, &error));
	assert_non_null(strstr(error->message, file));
	up_folders_done(&folders);
}

static void
test_up_folders__refuses_a_folder_of_somebody_elses(void **state)
{
	g_autofree char *place = g_build_filename(*state, "s", NULL);
	g_autofree char *letters = g_build_filename(place, "letters", NULL);
	g_autofree char *log = g_build_filename(place, "up.log", NULL);
	g_autofree char *lib = g_build_filename(place, "lib", NULL);
	g_autoptr(GError) error = NULL;
	struct up_folders folders;
	struct up_ids ids;
	struct stat about;

	assert_int_equal(g_mkdir(place, 0755), 0);
	assert_int_equal(g_mkdir(lib, 0755), 0);
	assert_true(g_file_set_contents(letters, "", 0, NULL));
	assert_false(up_folders_make(&folders, place, own_ids(&ids), &error));
	up_folders_done(&folders);
	assert_non_null(strstr(error->message, place));
	assert_non_null(strstr(error->message, "holds 'letters'"));
	assert_non_null(strstr(error->message, "choose another --state"));
	/* and nothing was done to it */
	assert_int_equal(stat(place, &about), 0);
	assert_int_equal(about.st_mode & 07777, 0755);
	assert_int_equal(stat(lib, &about), 0);
	assert_int_equal(about.st_mode & 07777, 0755);

	/* quickstart's log is there first; once it is ours, whatever else lies there does not matter */
	assert_int_equal(g_rename(letters, log), 0);
	for (int n = 0; n < 2; n++) {
		assert_true(up_folders_make(&folders, place, &ids, NULL));
		up_folders_done(&folders);
		assert_true(g_file_set_contents(letters, "", 0, NULL));
	}
}

static void
test_up_folders__refuses_a_database_of_another_uid_range(void **state)
{
	g_autofree char *place = g_build_filename(*state, "s", NULL);
	g_autofree char *database = g_build_filename(place, "lib", "broker", "carrel.db", NULL);
	g_autofree char *owner = g_strdup_printf("uid %u ", (unsigned int)getuid());
	g_autofree char *run = g_build_filename(place, "run", NULL);
	g_autoptr(GError) error = NULL;
	struct up_folders folders;
	struct stat about;
	struct up_ids ids;

	assert_true(up_folders_make(&folders, place, own_ids(&ids), NULL));
	up_folders_done(&folders);
	assert_true(g_file_set_contents(database, "", 0, NULL));
	assert_true(up_folders_make(&folders, place, &ids, NULL));
	up_folders_done(&folders);

	ids.broker++;
	assert_int_equal(g_chmod(run, 0700), 0);
	assert_false(up_folders_make(&folders, place, &ids, &error));
	up_folders_done(&folders);
	assert_non_null(strstr(error->message, database));
	assert_non_null(strstr(error->message, owner));
	assert_non_null(strstr(error->message, "uid_range '7-8'"));
	assert_non_null(strstr(error->message, "set uid_range in [host] of carrel.conf back"));
	assert_int_equal(stat(run, &about), 0);
	assert_int_equal(about.st_mode & 07777, 0700);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_folders__takes_a_range_with_room_for_all),
		cmocka_unit_test_setup_teardown(test_up_folders__makes_all_with_their_modes,
						make_temporary, drop_temporary),
		cmocka_unit_test_setup_teardown(test_up_folders__lets_only_one_in, make_temporary,
						drop_temporary),
		cmocka_unit_test_setup_teardown(
			test_up_folders__refuses_a_closed_parent_and_what_is_no_folder,
			make_temporary, drop_temporary),
		cmocka_unit_test_setup_teardown(test_up_folders__refuses_a_folder_of_somebody_elses,
						make_temporary, drop_temporary),
		cmocka_unit_test_setup_teardown(
			test_up_folders__refuses_a_database_of_another_uid_range, make_temporary,
			drop_temporary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
