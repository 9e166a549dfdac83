/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qxl_command.h - the few commands of the QXL device that libspice-server's worker gets from us
 *
 * spice/qxl_dev.h. Each is one block of memory, freed with g_free(); the worker names it again by its release id.
 */
#ifndef DISPLAY_QXL_COMMAND_H
#define DISPLAY_QXL_COMMAND_H

#include <stddef.h>
#include <stdint.h>
#include <spice/qxl_dev.h>

#define QXL_COMMAND_PIXEL_BYTES 4

struct surface_cursor;
struct damage_rect;

struct qxl_command {
	QXLCommandExt ext;
	size_t bytes; /* of the whole block */
};

/* Puts pixels, tightly packed, at "rect"; the caller fills ret_pixels. "number" names the image, each its own. */
struct qxl_command *qxl_command_new_draw(const struct damage_rect *rect, uint32_t number,
					 uint8_t **ret_pixels);

/* A cursor's shape (its argb is copied) and place; only its place and whether it is seen. */
struct qxl_command *qxl_command_new_shape(const struct surface_cursor *cursor);
struct qxl_command *qxl_command_new_move(const struct surface_cursor *cursor);

#endif
