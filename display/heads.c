/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * heads.c - a desktop's monitors: how large each is, and where it stands (carrel-display)
 */
#include "display/heads.h"

void
heads_place(struct heads *heads)
{
	heads->width = 0;
	heads->height = 0;
	for (uint32_t i = 0; i < HEADS_MAX; i++) {
		struct head *head = &heads->list[i];

		if (head->width > HEADS_MAX_WIDTH - heads->width)
			head->width = 0;
		if (head->width == 0)
			head->height = 0;
		head->x = heads->width;
		heads->width += head->width;
		if (head->height > heads->height)
			heads->height = head->height;
	}
}

bool
heads_find(const struct heads *heads, uint32_t x, uint32_t y, uint32_t *ret_head, uint32_t *ret_x)
{
	for (uint32_t i = 0; i < HEADS_MAX; i++) {
		const struct head *head = &heads->list[i];

		if (x < head->x || x - head->x >= head->width || y >= head->height)
			continue;
		*ret_head = i;
		*ret_x = x - head->x;
		return true;
	}
	return false;
}

uint32_t
heads_count(const struct heads *heads)
{
	uint32_t count = HEADS_MAX;

	while (count > 0 && heads->list[count - 1].width == 0)
		count--;
	return count;
}
