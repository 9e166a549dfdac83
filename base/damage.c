/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * damage.c - which parts of a picture have changed (carrel-vmm, carrel-display)
 *
 * How it works: damage_add() drops what is covered already, joins neighbours when that costs few pixels, and joins the
 * cheapest pair when the list is full. So a slow reader costs no memory, however much is drawn.
 */
#include "base/damage.h"

#define JOIN_SLACK_PERCENT 15 /* pixels that did not change, copied for one rectangle less */

static uint32_t
damage_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t
damage_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint64_t
damage_rect_area(const struct damage_rect *rect)
{
	return (uint64_t)rect->width * rect->height;
}

static struct damage_rect
damage_rect_join(const struct damage_rect *a, const struct damage_rect *b)
{
	struct damage_rect joined = { .x = damage_min(a->x, b->x), .y = damage_min(a->y, b->y) };

	joined.width = damage_max(a->x + a->width, b->x + b->width) - joined.x;
	joined.height = damage_max(a->y + a->height, b->y + b->height) - joined.y;
	return joined;
}

bool
damage_rect_fits(const struct damage_rect *rect, uint32_t width, uint32_t height)
{
	return rect->width > 0 && rect->height > 0 && (uint64_t)rect->x + rect->width <= width &&
	       (uint64_t)rect->y + rect->height <= height;
}

/* Joins "rect" with a listed one; with "cheap" only when that adds few pixels. True when it did. */
static bool
damage_join(struct damage *damage, struct damage_rect *rect, bool cheap)
{
	size_t best = DAMAGE_MAX_RECTS;
	uint64_t best_area = UINT64_MAX;
	struct damage_rect joined;

	for (size_t i = 0; i < damage->count; i++) {
		uint64_t sum = damage_rect_area(&damage->rects[i]) + damage_rect_area(rect);
		uint64_t area;

		joined = damage_rect_join(&damage->rects[i], rect);
		area = damage_rect_area(&joined);
		if (area < best_area && (!cheap || area <= sum + sum * JOIN_SLACK_PERCENT / 100)) {
			best = i;
			best_area = area;
		}
	}
	if (best == DAMAGE_MAX_RECTS)
		return false;
	*rect = damage_rect_join(&damage->rects[best], rect);
	damage->rects[best] = damage->rects[--damage->count];
	return true;
}

void
damage_add(struct damage *damage, const struct damage_rect *rect)
{
	struct damage_rect added = *rect;

	while (damage_join(damage, &added, true))
		;
	if (damage->count == DAMAGE_MAX_RECTS)
		damage_join(damage, &added, false);
	damage->rects[damage->count++] = added;
}

void
damage_add_all(struct damage *damage, uint32_t width, uint32_t height)
{
	damage->count = 1;
	damage->rects[0] = (struct damage_rect){ 0, 0, width, height };
}
