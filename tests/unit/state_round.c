/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_round.c - a device's state goes into a file and out of it, as it is and forged
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/state_round.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/state_edit.h"

int
state_round_save(const struct state_round *round, void *context)
{
	int fd = state_edit_save(round->save, context);

	assert_true(fd >= 0);
	return fd;
}

void
state_round_load_later(const struct state_round *round, void *context, int fd)
{
	char problem[STATE_PROBLEM_BYTES];
	int error = state_edit_load(fd, round->load, context, problem);

	assert_string_equal(problem, "");
	assert_int_equal(error, 0);
}

void
state_round_load(const struct state_round *round, void *context, int fd)
{
	int again;

	state_round_load_later(round, context, fd);
	again = state_round_save(round, context);
	assert_true(state_edit_is_same(fd, again));
	close(again);
}

int
state_round_fail(const struct state_round *round, void *context, int fd, const char *text)
{
	char problem[STATE_PROBLEM_BYTES], section[STATE_PROBLEM_BYTES];
	int error = state_edit_load(fd, round->load, context, problem);

	snprintf(section, sizeof(section), "section '%s'", round->section);
	assert_true(error == -EBADMSG || error == -ENOTSUP);
	if (!strstr(problem, section) || !strstr(problem, text))
		fail_msg("'%s' is to name '%s' and '%s'", problem, section, text);
	return error;
}

int
state_round_refuse(const struct state_round *round, void *context, int fd, const char *text)
{
	int before = state_round_save(round, context), after;
	int error = state_round_fail(round, context, fd, text);

	after = state_round_save(round, context);
	assert_true(state_edit_is_same(before, after));
	close(before);
	close(after);
	return error;
}

void
state_round_refuse_all(const struct state_round *round, void *context, int fd,
		       const struct state_forgery *forgeries, size_t n_forgeries)
{
	size_t bytes = state_edit_measure(fd, round->section);
	const size_t lengths[] = { 0, bytes - 1, bytes + 1 };
	int forged;

	for (size_t i = 0; i < n_forgeries; i++) {
		forged = state_edit_forge(fd, round->section, forgeries[i].offset,
					  forgeries[i].value, forgeries[i].bytes);
		state_round_refuse(round, context, forged, forgeries[i].problem);
		close(forged);
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		forged = state_edit_copy(fd);
		state_edit_resize(forged, round->section, lengths[i]);
		state_round_refuse(round, context, forged, "");
		close(forged);
	}
	forged = state_edit_copy(fd);
	state_edit_set_version(forged, round->section, 2);
	state_round_refuse(round, context, forged, "");
	close(forged);
}
