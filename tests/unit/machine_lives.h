/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_lives.h - machines on /dev/kvm with all devices, each in the hands of a guest and of somebody outside who get one of them to
 * do all that it can
 *
 * No cmocka here: a life is for a child process, under the machine's own filters.
 */
#ifndef TESTS_UNIT_MACHINE_LIVES_H
#define TESTS_UNIT_MACHINE_LIVES_H

#include <stdbool.h>
#include <stddef.h>

struct life_stage;

struct machine_life {
	const char *guest;			/* of tests/guests */
	const char *command_line;		/* "": none */
	void (*play)(struct life_stage *stage); /* hostd, and what else is outside; NULL: nobody */
	bool tap;				/* its network: for those who may make one */
};

/* The first one needs no file. */
extern const struct machine_life machine_lives[];
extern const size_t machine_n_lives;

/* Whether lives with a tap device are possible here. */
bool machine_life_may_have_tap(void);

/* From its start to its end: an exit status, 0 when it went as it should. */
int machine_life_live(const struct machine_life *life);

#endif
