/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * surface.h - the picture of one of a desktop's monitors: between one source that writes it and the sinks that read it
 *
 * Pixels are 32 bit, x8r8g8b8 in host order (bytes B, G, R, x). They are the surface's own, rows tightly packed, or
 * shared memory that another process writes. All functions may be called from any thread. Whatever a source says is
 * checked here: sizes, strides (in 64 bit), formats, byte counts.
 */
#ifndef DISPLAY_SURFACE_H
#define DISPLAY_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/damage.h"

#define SURFACE_MAX_CURSOR 512 /* pixels a side */

/* Pixman's names for what a source may send. */
#define SURFACE_FORMAT_X8R8G8B8 UINT32_C(0x20020888)
#define SURFACE_FORMAT_A8R8G8B8 UINT32_C(0x20028888)
#define SURFACE_FORMAT_R5G6B5	UINT32_C(0x10020565)

struct surface;

/* Who reads: what one has taken is still new to the other. */
enum surface_reader {
	SURFACE_READER_SPICE,
	SURFACE_READER_VNC,
	SURFACE_READER_COUNT,
};

/* Pixels as a source hands them over: "size" bytes, rows "stride" bytes apart. */
struct surface_pixels {
	uint32_t stride;
	uint32_t format;
	const uint8_t *data;
	size_t size;
};

struct surface_info {
	uint32_t width; /* 0: nothing is shown here */
	uint32_t height;
	uint64_t generation; /* grows with each change of size */
	uint8_t leds;	     /* bit 0 scroll, 1 num, 2 caps: the same in QEMU and SPICE */
};

struct surface_cursor {
	uint64_t shape;	   /* grows with each new shape; 0: none yet */
	uint64_t position; /* grows with each move, show and hide */
	int32_t x;	   /* of the top left corner: pointer minus hot spot */
	int32_t y;
	bool visible;
	uint32_t width;
	uint32_t height;
	uint32_t hot_x;
	uint32_t hot_y;
	uint8_t *argb; /* width * height * 4 bytes */
};

/* "changed" is called without any lock, from the writer's thread, after each change. */
struct surface *surface_new(void (*changed)(void *context), void *context);
void surface_free(struct surface *surface);

/*
 * The writer's side: 0, -EINVAL for what does not fit together, -ERANGE for a rectangle outside the picture, -E2BIG for
 * more than DISPLAY_MAX_*.
 */
int surface_set_scanout(struct surface *surface, uint32_t width, uint32_t height,
			const struct surface_pixels *pixels);
int surface_set_rect(struct surface *surface, const struct damage_rect *rect,
		     const struct surface_pixels *pixels);
/* The picture's size stays; pixels become the surface's own. */
void surface_set_black(struct surface *surface);
/* There is no picture any more. */
void surface_set_off(struct surface *surface);

/*
 * The picture is this mapping of pixels->size bytes, format X8R8G8B8, from now on: the surface reads it where it is, and
 * takes it over to munmap() it, unless it returns an error. surface_mark_rect() then says what has changed in it:
 * -EINVAL when the picture is the surface's own.
 */
int surface_set_shared(struct surface *surface, uint32_t width, uint32_t height,
		       const struct surface_pixels *pixels);
int surface_mark_rect(struct surface *surface, const struct damage_rect *rect);

/*
 * "taken" is called each time a reader has taken damage, from that reader's thread and under the surface's lock: it may
 * only take a note. NULL: nobody wants to know, and nobody is told any more.
 */
void surface_set_taken(struct surface *surface, void (*taken)(void *context), void *context);

int surface_set_cursor(struct surface *surface, uint32_t width, uint32_t height, uint32_t hot_x,
		       uint32_t hot_y, const struct surface_pixels *pixels);
void surface_move_cursor(struct surface *surface, int32_t x, int32_t y, bool visible);
void surface_set_leds(struct surface *surface, uint8_t leds);

/* The reader's side. */
struct surface_info surface_get_info(struct surface *surface);

/* Moves the reader's dirty rectangles out; none when the size has changed since "generation". */
size_t surface_take_damage(struct surface *surface, enum surface_reader reader, uint64_t generation,
			   struct damage_rect rects[DAMAGE_MAX_RECTS]);

/* Copies a rectangle, tightly packed; -ESTALE when the size has changed since "generation". */
int surface_copy_rect(struct surface *surface, uint64_t generation, const struct damage_rect *rect,
		      uint8_t *target);

/* ret_cursor->argb is the caller's to g_free(); NULL unless the shape is newer than "seen_shape". */
void surface_copy_cursor(struct surface *surface, uint64_t seen_shape,
			 struct surface_cursor *ret_cursor);

#endif
