/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_forger.c - a machine's state file, changed as an input says (fuzzers)
 */
#include "tests/fuzz/state_forger.h"

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/state_edit.h"

#define RESIZE 0xffff

static void
state_forger_edit_section(int fd, const char *section, struct fuzz_input *input)
{
	size_t offset = fuzz_input_take(input, 2);
	size_t bytes = fuzz_input_take(input, 1);
	size_t room = state_edit_measure(fd, section);

	if (offset == RESIZE) {
		state_edit_resize(fd, section, bytes << 8 | fuzz_input_take(input, 1));
		return;
	}
	bytes = bytes < input->left ? bytes : input->left;
	offset = room > 0 ? offset % room : 0;
	bytes = bytes < room - offset ? bytes : room - offset;
	state_edit_patch(fd, section, offset, input->next, bytes);
	input->next += bytes;
	input->left -= bytes;
}

void
state_forger_edit(int fd, const char *const *sections, size_t n_sections, struct fuzz_input *input)
{
	for (int i = 0; i < STATE_FORGER_MAX_EDITS && input->left > 0; i++) {
		size_t number = fuzz_input_take(input, 1) % n_sections;

		state_forger_edit_section(fd, sections[number], input);
	}
}
