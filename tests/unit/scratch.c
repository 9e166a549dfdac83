/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scratch.c - a folder of a test's own, with files in it
 */
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <glib.h>
#include <stdio.h>

#define MAX_OPEN_FOLDERS 8

char *
scratch_new(void)
{
	char *root = g_dir_make_tmp("carrel-test-XXXXXX", NULL);

	assert_non_null(root);
	return root;
}

void
scratch_put(const char *root, const char *path, const char *text)
{
	g_autofree char *full = g_build_filename(root, path, NULL);
	g_autofree char *folder = g_path_get_dirname(full);

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	assert_true(g_file_set_contents(full, text, -1, NULL));
}

/* A thread of what was tested may just be removing it, too. */
static int
scratch_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status, (void)type, (void)place;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

void
scratch_remove(const char *root)
{
	assert_int_equal(nftw(root, scratch_remove_one, MAX_OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS), 0);
}
