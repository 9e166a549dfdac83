/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_edit.h - a machine's state file for tests, written and read, and as somebody would forge it:
 * changed inside, its checksums right
 *
 * No cmocka here. What cannot be done ends the test.
 */
#ifndef TESTS_UNIT_STATE_EDIT_H
#define TESTS_UNIT_STATE_EDIT_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/state_file.h"

/* An empty file in memory. */
int state_edit_new(void);
/* A copy of it. */
int state_edit_copy(int fd);

/* What "save" puts, in a file; -errno. */
int state_edit_save(void (*save)(void *context, struct state_writer *writer), void *context);
/* All of the file by "load". 0, or -errno and what is wrong with it. */
int state_edit_load(int fd, int (*load)(void *context, struct state_reader *reader), void *context,
		    char ret_problem[STATE_PROBLEM_BYTES]);

/* How many bytes the section has. */
size_t state_edit_measure(int fd, const char *section);
/* Writes over bytes of a section. */
void state_edit_patch(int fd, const char *section, size_t offset, const void *bytes, size_t size);
/* A copy with these bytes of a value, which is little-endian, over those of a section. */
int state_edit_forge(int fd, const char *section, size_t offset, uint64_t value, size_t bytes);
/* Makes a section shorter or, with zeros, longer. */
void state_edit_resize(int fd, const char *section, size_t bytes);
void state_edit_rename(int fd, const char *section, const char *name);
void state_edit_set_version(int fd, const char *section, uint32_t version);

/* Do both files hold the same bytes? */
int state_edit_is_same(int a, int b);
/* The first section of "a" that is not the same in "b" at the same place: a text until the next call. NULL: there is none. */
const char *state_edit_find_difference(int a, int b);

#endif
