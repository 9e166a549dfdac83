/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_scanout.c - one scanout of the display's link (carrel-vmm)
 *
 * How it works: pixels go from the guest's memory into the surface, which is shared memory, only in
 * link_scanout_draw(): when a surface is offered, and when a DAMAGE goes out. Between a DAMAGE and
 * its DRAWN the peer reads, and nothing is written. So what is copied is what the peer has asked
 * for, however often the guest draws.
 */
#include "vmm/link_scanout.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/seq.h"
#include "vmm/seat_link.h"

static_assert(DAMAGE_MAX_RECTS == SOURCE_MAX_RECTS, "a list of damage is one message");

static const char *const state_names[] = { "stale", "made", "offered", "shown", "read" };

static_assert(sizeof(state_names) / sizeof(state_names[0]) == LINK_SCANOUT_STATE_COUNT,
	      "a name a state");

/* Each frame is two changes: only what cannot be is logged. */
static void
link_scanout_move(struct link_scanout *scanout, enum link_scanout_state state)
{
	bool drawn = scanout->state == LINK_SCANOUT_READ && state == LINK_SCANOUT_SHOWN;

	if (state == LINK_SCANOUT_STALE || state == scanout->state + 1 || drawn)
		scanout->state = state;
	else
		log_error("scanout %u cannot go from '%s' to '%s'", scanout->index,
			  state_names[scanout->state], state_names[state]);
}

void
link_scanout_init(struct link_scanout *scanout, uint32_t index, const struct seat_link_ops *ops,
		  void *context)
{
	scanout->index = index;
	scanout->ops = ops;
	scanout->context = context;
	scanout->cursor.head.scanout = index;
}

void
link_scanout_begin(struct link_scanout *scanout)
{
	link_scanout_move(scanout, LINK_SCANOUT_STALE);
	scanout->cursor_news = LINK_CURSOR_CHANGED;
}

void
link_scanout_end(struct link_scanout *scanout)
{
	picture_file_close(&scanout->surface);
}

int
link_scanout_send(int fd, enum source_type type, const void *payload, size_t bytes, int passed_fd)
{
	struct seq_header head = { .type = type, .size = (uint32_t)bytes };

	return seq_send(fd, &head, payload, &passed_fd, passed_fd >= 0 ? 1 : 0);
}

/* Copies what has changed out of the guest's memory. */
static void
link_scanout_draw(struct link_scanout *scanout)
{
	for (size_t i = 0; i < scanout->damage.count; i++)
		scanout->ops->draw(scanout->context, scanout->index, &scanout->damage.rects[i],
				   scanout->surface.pixels, scanout->surface.stride);
}

static bool
link_scanout_is_offered(const struct link_scanout *scanout)
{
	return scanout->width == scanout->offered_width &&
	       scanout->height == scanout->offered_height;
}

static int
link_scanout_make_surface(struct link_scanout *scanout)
{
	int error;

	picture_file_close(&scanout->surface);
	scanout->generation++;
	scanout->offered_width = scanout->width;
	scanout->offered_height = scanout->height;
	if (scanout->width > 0) {
		error = picture_file_new(scanout->width, scanout->height, &scanout->surface);
		if (error < 0)
			return error;
		damage_add_all(&scanout->damage, scanout->width, scanout->height);
		link_scanout_draw(scanout);
	}
	scanout->damage.count = 0;
	link_scanout_move(scanout, LINK_SCANOUT_MADE);
	return 0;
}

static int
link_scanout_offer(struct link_scanout *scanout, int fd)
{
	struct source_scanout payload = { .scanout = scanout->index };
	bool on;
	int error = 0;

	if (scanout->state == LINK_SCANOUT_STALE)
		error = link_scanout_make_surface(scanout);
	if (error < 0)
		return error;
	on = scanout->width > 0;
	payload.width = scanout->width;
	payload.height = scanout->height;
	payload.stride = on ? scanout->surface.stride : 0;
	payload.generation = scanout->generation;
	error = link_scanout_send(fd, SOURCE_SCANOUT, &payload, sizeof(payload),
				  on ? scanout->surface.fd : -1);
	if (error < 0)
		return error;
	link_scanout_move(scanout, LINK_SCANOUT_OFFERED);
	return 0;
}

static int
link_scanout_send_damage(struct link_scanout *scanout, int fd)
{
	struct source_damage payload = {
		.scanout = scanout->index,
		.n_boxes = (uint32_t)scanout->damage.count,
		.generation = scanout->generation,
	};
	int error;

	link_scanout_draw(scanout);
	for (size_t i = 0; i < scanout->damage.count; i++) {
		const struct damage_rect *rect = &scanout->damage.rects[i];

		payload.boxes[i] =
			(struct source_box){ rect->x, rect->y, rect->width, rect->height };
	}
	error = link_scanout_send(fd, SOURCE_DAMAGE, &payload, sizeof(payload), -1);
	if (error < 0)
		return error;
	scanout->damage.count = 0;
	link_scanout_move(scanout, LINK_SCANOUT_READ);
	return 0;
}

static int
link_scanout_send_cursor(struct link_scanout *scanout, int fd)
{
	const struct source_cursor *head = &scanout->cursor.head;
	struct source_move move = { head->scanout, head->visible, head->x, head->y };
	size_t bytes = (size_t)head->width * head->height * PICTURE_PIXEL_BYTES;
	int error;

	if (scanout->cursor_news == LINK_CURSOR_CHANGED)
		error = link_scanout_send(fd, SOURCE_CURSOR, &scanout->cursor,
					  sizeof(*head) + bytes, -1);
	else
		error = link_scanout_send(fd, SOURCE_MOVE, &move, sizeof(move), -1);
	if (error < 0)
		return error;
	scanout->cursor_news = LINK_CURSOR_KNOWN;
	return 0;
}

int
link_scanout_tell(struct link_scanout *scanout, int fd)
{
	int error = 0;

	if (scanout->state == LINK_SCANOUT_STALE || scanout->state == LINK_SCANOUT_MADE)
		error = link_scanout_offer(scanout, fd);
	if (error == 0 && scanout->state == LINK_SCANOUT_SHOWN && scanout->damage.count > 0)
		error = link_scanout_send_damage(scanout, fd);
	if (error == 0 && scanout->cursor_news != LINK_CURSOR_KNOWN)
		error = link_scanout_send_cursor(scanout, fd);
	return error;
}

int
link_scanout_take_ack(struct link_scanout *scanout, uint64_t generation)
{
	if (scanout->state != LINK_SCANOUT_OFFERED || generation != scanout->generation)
		return -EPROTO;
	link_scanout_move(scanout, link_scanout_is_offered(scanout) ? LINK_SCANOUT_SHOWN
								    : LINK_SCANOUT_STALE);
	return 0;
}

int
link_scanout_take_drawn(struct link_scanout *scanout, uint64_t generation)
{
	if (generation < scanout->generation)
		return 0; /* a new surface was made meanwhile */
	if (generation > scanout->generation)
		return -EPROTO;
	if (scanout->state == LINK_SCANOUT_STALE)
		return 0; /* or is about to be */
	if (scanout->state != LINK_SCANOUT_READ)
		return -EPROTO;
	link_scanout_move(scanout, LINK_SCANOUT_SHOWN);
	return 0;
}

void
link_scanout_set_size(struct link_scanout *scanout, uint32_t width, uint32_t height)
{
	scanout->width = width;
	scanout->height = height;
	scanout->damage.count = 0;
	if (width > 0)
		damage_add_all(&scanout->damage, width, height);
	if (scanout->state != LINK_SCANOUT_OFFERED && !link_scanout_is_offered(scanout))
		link_scanout_move(scanout, LINK_SCANOUT_STALE);
}

void
link_scanout_set_cursor(struct link_scanout *scanout, const struct source_cursor *cursor,
			const uint8_t *argb)
{
	size_t bytes = (size_t)cursor->width * cursor->height * PICTURE_PIXEL_BYTES;

	scanout->cursor.head = *cursor;
	if (bytes > 0)
		memcpy(scanout->cursor.argb, argb, bytes);
	scanout->cursor_news = LINK_CURSOR_CHANGED;
}

void
link_scanout_move_cursor(struct link_scanout *scanout, int32_t x, int32_t y)
{
	scanout->cursor.head.x = x;
	scanout->cursor.head.y = y;
	if (scanout->cursor_news == LINK_CURSOR_KNOWN)
		scanout->cursor_news = LINK_CURSOR_MOVED;
}
