/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * heads.h - a desktop's monitors: how large each is, and where it stands
 *
 * They stand side by side in the order of their numbers, tops level: so carrel-vmm proposes them to the guest, so the
 * guest's vdagent is asked to arrange them, and so one picture holds them all. The first is always there.
 */
#ifndef DISPLAY_HEADS_H
#define DISPLAY_HEADS_H

#include <stdbool.h>
#include <stdint.h>

#define HEADS_MAX	4
#define HEADS_MAX_WIDTH 16384 /* of all together, pixels */

struct surface;

struct head {
	uint32_t x;
	uint32_t width; /* 0: it is off */
	uint32_t height;
};

struct heads {
	struct head list[HEADS_MAX];
	uint32_t width; /* of all together */
	uint32_t height;
};

/* Sets places and the whole from the sizes. What does not fit into HEADS_MAX_WIDTH any more is off. */
void heads_place(struct heads *heads);

/* What is seen at this place; false: nothing. */
bool heads_find(const struct heads *heads, uint32_t x, uint32_t y, uint32_t *ret_head,
		uint32_t *ret_x);

/* How many there are up to the last one that is on. */
uint32_t heads_count(const struct heads *heads);

#endif
