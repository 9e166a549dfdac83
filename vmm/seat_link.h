/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat_link.h - the conversation with carrel-display (base/proto_source.h)
 *
 * The devices tell it what there is to see; it asks for pixels when somebody wants to see them, and passes input on.
 * Nothing here fails towards the guest: who is not connected sees nothing.
 */
#ifndef VMM_SEAT_LINK_H
#define VMM_SEAT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/sound_sink.h"

struct damage_rect;
struct seat_link;
struct loop;
struct source_cursor;

#define SEAT_LINK_MAX_POSITION 32767 /* of the pointer on either axis */

/* What the devices do for it. All of them return at once. */
struct seat_link_ops {
	/* Fills "rect" of the scanout's picture; "target" is where the picture's first pixel goes. */
	void (*draw)(void *context, uint32_t scanout, const struct damage_rect *rect,
		     uint8_t *target, uint32_t stride);
	/* What the client would like; 0 x 0: no such monitor. */
	void (*set_size)(void *context, uint32_t scanout, uint32_t width, uint32_t height);
	void (*send_key)(void *context, uint32_t qnum, bool down);
	/* 0 to SEAT_LINK_MAX_POSITION over all scanouts side by side; buttons as in source_pointer. */
	void (*send_pointer)(void *context, uint32_t x, uint32_t y, uint32_t buttons);
	void (*turn_wheel)(void *context, int32_t steps);
	/* The client is gone: nothing is pressed any more. */
	void (*release_all)(void *context);
};

struct seat_link_setup {
	int listen_fd; /* stays the caller's */
	uint32_t
		uid; /* the only one that may connect: carrel-hostd's, who hands it to carrel-display */
	uint32_t n_scanouts; /* 1 to SOURCE_MAX_SCANOUTS */
	const char *device_address;
	const struct seat_link_ops *ops;
	void *context;
};

int seat_link_new(struct loop *loop, const struct seat_link_setup *setup,
		  struct seat_link **ret_link);
/* Calls none of its ops any more. */
void seat_link_free(struct seat_link *link);

/* What the scanout shows now; 0 x 0: nothing. All of its picture has changed, and is sent with the next damage. */
void seat_link_set_scanout(struct seat_link *link, uint32_t scanout, uint32_t width,
			   uint32_t height);
/* "rect" lies within the scanout. */
void seat_link_add_damage(struct seat_link *link, uint32_t scanout, const struct damage_rect *rect);
/* A new shape with its place; "argb" in rows of 4 * width bytes. Width and height are at most SOURCE_MAX_CURSOR. */
void seat_link_set_cursor(struct seat_link *link, const struct source_cursor *cursor,
			  const uint8_t *argb);
void seat_link_move_cursor(struct seat_link *link, uint32_t scanout, int32_t x, int32_t y);
/* As in source_leds. */
void seat_link_set_leds(struct seat_link *link, uint32_t leds);

/* As in struct sound_sink. */
void seat_link_change_sound(struct seat_link *link, enum sound_direction direction, bool moves);
void seat_link_play(struct seat_link *link, const int16_t *samples, uint32_t n_frames);
uint32_t seat_link_record(struct seat_link *link, int16_t *samples, uint32_t n_frames);

#endif
