/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * folders_stage.c - the folders of a desktop's files on two hosts, and the one between them (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "host/desktop_folder.h"
#include "tests/unit/folders_stage.h"
#include "tests/unit/scratch.h"

static const char *const names[] = { "origin.json",	"suspended.json",  "session",
				     "suspended.state", "suspended.pages", "overlay.qcow2" };

static const char *const folders[] = { OWN, OTHER, AWAY };

char *
folders_stage_get_path(const struct folders_stage *f, const char *folder, const char *name)
{
	return g_build_filename(f->root, folder, name, NULL);
}

void
folders_stage_put(const struct folders_stage *f, const char *folder, const char *text)
{
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(folder, names[i], NULL);

		scratch_put(f->root, path, text);
	}
}

gboolean
folders_stage_has(const struct folders_stage *f, const char *path)
{
	g_autofree char *full = g_build_filename(f->root, path, NULL);

	return g_file_test(full, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK);
}

void
folders_stage_expect_none(const struct folders_stage *f, const char *folder)
{
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(folder, names[i], NULL);

		assert_false(folders_stage_has(f, path));
	}
}

void
folders_stage_expect_whole(const struct folders_stage *f, const char *folder, const char *text)
{
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = folders_stage_get_path(f, folder, names[i]);
		g_autofree char *found = NULL;

		assert_true(g_file_get_contents(path, &found, NULL, NULL));
		assert_string_equal(found, text);
	}
}

void
folders_stage_expect_only(const struct folders_stage *f, const char *folder, const char *text)
{
	folders_stage_expect_whole(f, folder, text);
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
		if (strcmp(folders[i], folder) != 0)
			folders_stage_expect_none(f, folders[i]);
	assert_false(folders_stage_has(f, AWAY ".part"));
	assert_false(folders_stage_has(f, OWN "/arriving"));
	assert_false(folders_stage_has(f, OTHER "/arriving"));
}

gboolean
folders_stage_check(const struct desktop_folder *folder, const void *context, GError **error)
{
	struct folders_stage *f = *(struct folders_stage *const *)context;
	g_autofree char *mark = g_build_filename(folder->path, "suspended.json", NULL);
	g_autofree char *pages = g_build_filename(folder->path, "suspended.pages", NULL);

	f->checks++;
	assert_true(g_file_test(mark, G_FILE_TEST_EXISTS));
	/* before the large ones are copied, unless it was here before */
	assert_true(f->is_here == g_file_test(pages, G_FILE_TEST_EXISTS));
	if (f->refuses)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "another CPU");
	return !f->refuses;
}

void
folders_stage_export(struct folders_stage *f)
{
	g_autoptr(GError) error = NULL;

	if (!move_files_export(&f->from, &error))
		fail_msg("%s", error->message);
}

void
folders_stage_import(struct folders_stage *f)
{
	g_autoptr(GError) error = NULL;

	if (!move_files_import(&f->to, folders_stage_check, &f, &error))
		fail_msg("%s", error->message);
}

void
folders_stage_expect_refused(gboolean ok, const GError *error, const char *word)
{
	assert_false(ok);
	print_message("%s\n", error->message);
	assert_non_null(strstr(error->message, word));
}

void
folders_stage_refuse_export(struct folders_stage *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = move_files_export(&f->from, &error);

	folders_stage_expect_refused(ok, error, word);
}

void
folders_stage_refuse_import(struct folders_stage *f, const char *word)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = move_files_import(&f->to, folders_stage_check, &f, &error);

	folders_stage_expect_refused(ok, error, word);
	assert_null(strstr(error->message, "/'"));
}

int
folders_stage_setup(void **state)
{
	struct folders_stage *f = g_new0(struct folders_stage, 1);
	g_autofree char *other = NULL;

	f->root = scratch_new();
	other = folders_stage_get_path(f, OTHER, NULL);
	f->from = (struct move_files){ folders_stage_get_path(f, "lib", NULL),
				       folders_stage_get_path(f, "exchange", NULL),
				       g_strdup(DESKTOP), 0 };
	f->to = (struct move_files){ folders_stage_get_path(f, "other", NULL), f->from.exchange,
				     f->from.id, 0 };
	assert_int_equal(g_mkdir(f->from.exchange, 0700), 0);
	folders_stage_put(f, OWN, "new");
	/* launch has made it */
	assert_int_equal(g_mkdir_with_parents(other, 0700), 0);
	*state = f;
	return 0;
}

int
folders_stage_teardown(void **state)
{
	struct folders_stage *f = *state;

	scratch_remove(f->root);
	g_free(f->from.lib);
	g_free(f->from.exchange);
	g_free(f->from.id);
	g_free(f->to.lib);
	g_free(f->root);
	g_free(f);
	return 0;
}
