/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_stage.h - the display's link in a loop of its own, which notes what it is asked for, and a display; with cmocka's
 * assertions
 */
#ifndef TESTS_UNIT_LINK_STAGE_H
#define TESTS_UNIT_LINK_STAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/display_peer.h"
#include "vmm/seat_link.h"

struct link_stage {
	pthread_mutex_t lock;
	struct loop *loop;
	int listen_fd;
	struct seat_link *link;
	struct display_peer *peer;
	uint32_t paint; /* the colour of all that is drawn */
	uint32_t n_draws;
	uint64_t drawn_pixels;
	uint32_t n_keys, qnum;
	bool down;
	uint32_t x, y, buttons;
	int32_t steps;
	uint32_t n_sizes, size_scanout, width, height;
	uint32_t n_releases;
};

/* cmocka's: *state is the stage. Two scanouts; nobody is connected. */
int link_stage_open(void **state);
/* Only a user who is not the test's may connect. */
int link_stage_open_for_another(void **state);
int link_stage_close(void **state);

/* Until nobody has anything to say any more. */
void link_stage_settle(struct link_stage *stage);
/* A display comes; "answers": it says ACK and DRAWN by itself. */
void link_stage_attach(struct link_stage *stage, bool answers);

#endif
