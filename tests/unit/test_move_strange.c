/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_move_strange.c - what others may put into the folder that hosts share is not taken for a desktop's files
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/folders_stage.h"
#include "tests/unit/scratch.h"

/* A file, or the desktop's folder: nobody is told to take as his own what he has not written. */
static void
refuse_strange(struct folders_stage *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = move_files_import(&f->to, folders_stage_check, &f, &error);

	folders_stage_expect_refused(ok, error, word);
	assert_non_null(strstr(error->message, "find out who wrote it, or remove it"));
	assert_null(strstr(error->message, "chown"));
	assert_null(strstr(error->message, "mounted"));
}

/* What cannot be looked at is not taken for one that is not there. */
static void
test_move_strange__what_cannot_be_opened_is_told_as_it_is(void **state)
{
	struct folders_stage *f = *state;

	scratch_remove(f->from.lib);
	scratch_put(f->root, AWAY, "a file");
	folders_stage_refuse_export(f, "Not a directory");
	folders_stage_refuse_import(f, "Not a directory");
}

/* What somebody else has put there. */
static void
spoil(const struct folders_stage *f, const char *what, const char *name)
{
	g_autofree char *path = folders_stage_get_path(f, AWAY, name);
	g_autofree char *second = folders_stage_get_path(f, "exchange", "second");

	if (strcmp(what, "second name") == 0) {
		assert_int_equal(link(path, second), 0);
		return;
	}
	if (strcmp(what, "large") == 0) {
		assert_int_equal(truncate(path, 8193), 0);
		return;
	}
	assert_int_equal(g_unlink(path), 0);
	if (strcmp(what, "link") == 0)
		assert_int_equal(symlink("/etc/passwd", path), 0);
	else if (strcmp(what, "pipe") == 0)
		assert_int_equal(mkfifo(path, 0600), 0);
	else if (strcmp(what, "folder") == 0)
		assert_int_equal(g_mkdir(path, 0700), 0);
}

static void
test_move_strange__nothing_but_plain_files_is_taken(void **unused)
{
	static const struct {
		const char *what;
		const char *name;
		const char *word;
	} cases[] = {
		{ "link", "overlay.qcow2", "symbolic links" },
		{ "link", "suspended.json", "symbolic links" },
		{ "link", "session", "symbolic links" },
		{ "pipe", "suspended.state", "is no plain file" },
		{ "folder", "suspended.pages", "is no plain file" },
		{ "second name", "overlay.qcow2", "has another name" },
		{ "large", "suspended.json", "too large" },
		{ "large", "session", "too large" },
		{ "missing", "overlay.qcow2", "No such file" },
		{ "missing", "origin.json", "No such file" },
	};

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		void *state = NULL;
		struct folders_stage *f;

		folders_stage_setup(&state);
		f = state;
		folders_stage_export(f);
		spoil(f, cases[i].what, cases[i].name);
		folders_stage_refuse_import(f, cases[i].word);
		folders_stage_expect_none(f, OTHER);
		assert_false(folders_stage_has(f, OTHER "/arriving"));
		assert_true(folders_stage_has(f, AWAY));
		folders_stage_teardown(&state);
	}
}

static void
test_move_strange__a_folder_that_is_a_link_is_not_followed(void **state)
{
	struct folders_stage *f = *state;
	g_autofree char *away = folders_stage_get_path(f, AWAY, NULL);
	g_autofree char *part = g_strconcat(away, ".part", NULL);
	g_autofree char *victim = folders_stage_get_path(f, "victim", NULL);

	folders_stage_put(f, "victim", "theirs");
	assert_int_equal(symlink(victim, away), 0);
	assert_int_equal(symlink(victim, part), 0);
	folders_stage_refuse_import(f, DESKTOP);
	folders_stage_expect_whole(f, "victim", "theirs");
	folders_stage_export(f);
	folders_stage_expect_only(f, AWAY, "new");
	folders_stage_expect_whole(f, "victim", "theirs");
}

static void
refuse_all(struct folders_stage *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean found = FALSE;
	gboolean ok = move_files_discard(&f->from, &found, &error);

	folders_stage_expect_refused(ok, error, word);
	folders_stage_refuse_export(f, word);
	folders_stage_refuse_import(f, word);
}

/* What others may write to, or is another's, is not where a machine's memory comes from; what is not mounted is root's. */
static void
test_move_strange__a_folder_of_others_is_not_used(void **state)
{
	struct folders_stage *f = *state;
	g_autofree char *away = folders_stage_get_path(f, AWAY, NULL);
	g_autofree char *overlay = folders_stage_get_path(f, AWAY, "overlay.qcow2");

	folders_stage_export(f);
	assert_int_equal(g_chmod(f->from.exchange, 0720), 0);
	refuse_all(f, "'chmod go-w'");
	assert_int_equal(g_chmod(f->from.exchange, 0700), 0);
	assert_int_equal(g_chmod(away, 0702), 0);
	refuse_strange(f, "with mode 0702");
	assert_int_equal(g_chmod(away, 0700), 0);
	assert_int_equal(g_chmod(overlay, 0660), 0);
	refuse_strange(f, "overlay.qcow2");
	assert_int_equal(g_chmod(overlay, 0600), 0);
	folders_stage_expect_whole(f, AWAY, "new");
	folders_stage_import(f);
}

/* Only root can give files away. */
static void
test_move_strange__files_of_another_uid_are_not_taken(void **state)
{
	struct folders_stage *f = *state;
	g_autofree char *away = folders_stage_get_path(f, AWAY, NULL);
	g_autofree char *pages = folders_stage_get_path(f, AWAY, "suspended.pages");

	if (geteuid() != 0)
		skip();
	folders_stage_export(f);
	assert_int_equal(chown(f->from.exchange, 1, (gid_t)-1), 0);
	refuse_all(f, "'chown 0'");
	assert_int_equal(chown(f->from.exchange, 0, (gid_t)-1), 0);
	assert_int_equal(chown(away, 1, (gid_t)-1), 0);
	refuse_strange(f, "belongs to uid 1");
	assert_int_equal(chown(away, 0, (gid_t)-1), 0);
	assert_int_equal(chown(pages, 1, (gid_t)-1), 0);
	refuse_strange(f, "suspended.pages");
	folders_stage_expect_none(f, OTHER);
	assert_true(folders_stage_has(f, AWAY "/suspended.json"));
}

#define TEST(name)                                                                      \
	cmocka_unit_test_setup_teardown(test_move_strange__##name, folders_stage_setup, \
					folders_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_opened_is_told_as_it_is),
		cmocka_unit_test(test_move_strange__nothing_but_plain_files_is_taken),
		TEST(a_folder_that_is_a_link_is_not_followed),
		TEST(a_folder_of_others_is_not_used),
		TEST(files_of_another_uid_are_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
