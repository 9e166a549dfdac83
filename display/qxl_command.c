/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qxl_command.c - the few commands of the QXL device (carrel-display)
 *
 * The structs are packed and speak in addresses: all of them are of this process, and inside the command's own block.
 */
#include "display/qxl_command.h"

#include <glib.h>
#include <spice/enums.h>
#include <string.h>

#include "display/surface.h"

struct draw_command {
	struct qxl_command command;
	QXLDrawable drawable;
	QXLImage image;
	uint8_t pixels[];
};

struct cursor_command {
	struct qxl_command command;
	QXLCursorCmd cmd;
	QXLCursor cursor; /* its chunk ends in the pixels */
	uint8_t pixels[];
};

static void
qxl_command_fill_image(QXLImage *image, const struct damage_rect *rect, uint32_t number,
		       const uint8_t *pixels)
{
	QXL_SET_IMAGE_ID(image, QXL_IMAGE_GROUP_DEVICE, number);
	image->descriptor.type = SPICE_IMAGE_TYPE_BITMAP;
	image->descriptor.width = rect->width;
	image->descriptor.height = rect->height;
	image->bitmap.flags = QXL_BITMAP_DIRECT | QXL_BITMAP_TOP_DOWN;
	image->bitmap.format = SPICE_BITMAP_FMT_32BIT;
	image->bitmap.x = rect->width;
	image->bitmap.y = rect->height;
	image->bitmap.stride = rect->width * QXL_COMMAND_PIXEL_BYTES;
	image->bitmap.data = (uintptr_t)pixels;
}

struct qxl_command *
qxl_command_new_draw(const struct damage_rect *rect, uint32_t number, uint8_t **ret_pixels)
{
	size_t pixel_bytes = (size_t)rect->width * rect->height * QXL_COMMAND_PIXEL_BYTES;
	struct draw_command *draw = g_malloc(sizeof(*draw) + pixel_bytes);
	QXLDrawable *drawable = &draw->drawable;

	memset(draw, 0, sizeof(*draw));
	qxl_command_fill_image(&draw->image, rect, number, draw->pixels);
	drawable->bbox = (QXLRect){
		.top = (int)rect->y,
		.left = (int)rect->x,
		.bottom = (int)(rect->y + rect->height),
		.right = (int)(rect->x + rect->width),
	};
	drawable->clip.type = SPICE_CLIP_TYPE_NONE;
	drawable->effect = QXL_EFFECT_OPAQUE;
	drawable->type = QXL_DRAW_COPY;
	drawable->release_info.id = (uintptr_t)&draw->command;
	for (size_t i = 0; i < G_N_ELEMENTS(drawable->surfaces_dest); i++)
		drawable->surfaces_dest[i] = -1;
	/* The server's multimedia clock is the monotonic one. */
	drawable->mm_time = (uint32_t)(g_get_monotonic_time() / 1000);
	drawable->u.copy.rop_descriptor = SPICE_ROPD_OP_PUT;
	drawable->u.copy.src_bitmap = (uintptr_t)&draw->image;
	drawable->u.copy.src_area =
		(QXLRect){ .right = (int)rect->width, .bottom = (int)rect->height };
	draw->command.bytes = sizeof(*draw) + pixel_bytes;
	draw->command.ext.cmd.type = QXL_CMD_DRAW;
	draw->command.ext.cmd.data = (uintptr_t)drawable;
	*ret_pixels = draw->pixels;
	return &draw->command;
}

static struct cursor_command *
qxl_command_new_cursor(uint8_t type, size_t pixel_bytes)
{
	struct cursor_command *made = g_malloc0(sizeof(*made) + pixel_bytes);

	made->command.bytes = sizeof(*made) + pixel_bytes;
	made->cmd.type = type;
	made->cmd.release_info.id = (uintptr_t)&made->command;
	made->command.ext.cmd.type = QXL_CMD_CURSOR;
	made->command.ext.cmd.data = (uintptr_t)&made->cmd;
	return made;
}

static QXLPoint16
qxl_command_place(const struct surface_cursor *cursor)
{
	return (QXLPoint16){
		.x = (int16_t)(cursor->x + (int32_t)cursor->hot_x),
		.y = (int16_t)(cursor->y + (int32_t)cursor->hot_y),
	};
}

struct qxl_command *
qxl_command_new_shape(const struct surface_cursor *cursor)
{
	size_t bytes = (size_t)cursor->width * cursor->height * QXL_COMMAND_PIXEL_BYTES;
	struct cursor_command *made = qxl_command_new_cursor(QXL_CURSOR_SET, bytes);

	made->cmd.u.set.position = qxl_command_place(cursor);
	made->cmd.u.set.visible = cursor->visible;
	made->cmd.u.set.shape = (uintptr_t)&made->cursor;
	made->cursor.header.unique = cursor->shape;
	made->cursor.header.type = SPICE_CURSOR_TYPE_ALPHA;
	made->cursor.header.width = (uint16_t)cursor->width;
	made->cursor.header.height = (uint16_t)cursor->height;
	made->cursor.header.hot_spot_x = (uint16_t)cursor->hot_x;
	made->cursor.header.hot_spot_y = (uint16_t)cursor->hot_y;
	made->cursor.data_size = (uint32_t)bytes;
	made->cursor.chunk.data_size = (uint32_t)bytes;
	memcpy(made->pixels, cursor->argb, bytes);
	return &made->command;
}

struct qxl_command *
qxl_command_new_move(const struct surface_cursor *cursor)
{
	struct cursor_command *made =
		qxl_command_new_cursor(cursor->visible ? QXL_CURSOR_MOVE : QXL_CURSOR_HIDE, 0);

	made->cmd.u.position = qxl_command_place(cursor);
	return &made->command;
}
