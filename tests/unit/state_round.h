/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * state_round.h - a device's state goes into a file and out of it, as it is and forged; with cmocka's assertions
 */
#ifndef TESTS_UNIT_STATE_ROUND_H
#define TESTS_UNIT_STATE_ROUND_H

#include <stddef.h>
#include <stdint.h>

struct state_reader;
struct state_writer;

struct state_round {
	const char *section;
	void (*save)(void *context, struct state_writer *writer);
	int (*load)(void *context, struct state_reader *reader);
};

/* A value that is written over those in the section, and what is said of it. */
struct state_forgery {
	size_t offset;
	uint32_t bytes; /* of the value, little-endian */
	uint64_t value;
	const char *problem;
};

/* Returns the file, which is the caller's to close. */
int state_round_save(const struct state_round *round, void *context);
/* Loads the file into another device; saved again, it gives the same file. */
void state_round_load(const struct state_round *round, void *context, int fd);
/* The same of a device that time has changed since: it is not compared. */
void state_round_load_later(const struct state_round *round, void *context, int fd);
/* The file is refused with an error, which is returned, the section's name and this text. */
int state_round_fail(const struct state_round *round, void *context, int fd, const char *problem);
/* So it is, and the device stays as it was. */
int state_round_refuse(const struct state_round *round, void *context, int fd, const char *problem);
/*
 * Each of these forgeries of the file is refused so; and a section that is too short, too long or
 * of a later version.
 */
void state_round_refuse_all(const struct state_round *round, void *context, int fd,
			    const struct state_forgery *forgeries, size_t n_forgeries);

#endif
