/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scratch.h - a folder of a test's own, with files in it
 */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

/* Returns its path, for g_free(). */
char *scratch_new(void);
/* A file with this text below it, with the folders that its path names. */
void scratch_put(const char *root, const char *path, const char *text);
/* With all that is in it. */
void scratch_remove(const char *root);

#endif
