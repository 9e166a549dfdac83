/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_forger.h - a machine's state file, changed as an input says (fuzzers)
 *
 * An edit is the number of a section, where in it (2 bytes; 0xffff: its length changes to what the next 2 bytes say, the high
 * one first), how many bytes, and these.
 */
#ifndef TESTS_FUZZ_STATE_FORGER_H
#define TESTS_FUZZ_STATE_FORGER_H

#include <stddef.h>

struct fuzz_input;

#define STATE_FORGER_MAX_EDITS 16

/* All the input's edits of these sections, each of which the file has; checksums are put right. */
void state_forger_edit(int fd, const char *const *sections, size_t n_sections,
		       struct fuzz_input *input);

#endif
