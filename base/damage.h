/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * damage.h - which parts of a picture have changed: a short list of rectangles that never grows
 */
#ifndef BASE_DAMAGE_H
#define BASE_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DAMAGE_MAX_RECTS 16

struct damage_rect {
	uint32_t x;
	uint32_t y;
	uint32_t width;
	uint32_t height;
};

/* Zero-initialised: nothing has changed. */
struct damage {
	size_t count;
	struct damage_rect rects[DAMAGE_MAX_RECTS];
};

/* True when the rectangle holds something and lies within width x height; whatever its numbers are. */
bool damage_rect_fits(const struct damage_rect *rect, uint32_t width, uint32_t height);

/* "rect" must fit into the picture. Neighbours are joined; so is the cheapest pair when the list is full. */
void damage_add(struct damage *damage, const struct damage_rect *rect);
void damage_add_all(struct damage *damage, uint32_t width, uint32_t height);

#endif
