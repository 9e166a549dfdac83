/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * surface.c - the picture of one of a desktop's monitors (carrel-display)
 *
 * How it works: the source writes from its own thread, the sink reads from the main thread, one lock lies between them
 * and is held for a copy only. A slow sink costs no memory: however much is drawn, there is one picture and one short
 * list of rectangles (base/damage.c).
 */
#include "display/surface.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/proto_display.h"

#define PIXEL_BYTES 4

struct surface {
	GMutex lock;
	void (*changed)(void *context);
	void *context;
	void (*taken)(void *context);
	void *taken_context;
	struct surface_info info;
	uint8_t *pixels;     /* own ones; NULL while they are shared */
	const uint8_t *view; /* what is read: own or shared */
	size_t stride;	     /* of the view */
	size_t shared_bytes; /* 0: own ones */
	struct damage damage[SURFACE_READER_COUNT];
	struct surface_cursor cursor;
};

typedef void (*surface_convert)(uint8_t *target, const uint8_t *source, size_t n_pixels);

static void
surface_convert_32(uint8_t *target, const uint8_t *source, size_t n_pixels)
{
	memcpy(target, source, n_pixels * PIXEL_BYTES);
}

static void
surface_convert_565(uint8_t *target, const uint8_t *source, size_t n_pixels)
{
	for (size_t i = 0; i < n_pixels; i++) {
		unsigned int pixel = source[2 * i] | (unsigned int)source[2 * i + 1] << 8;
		unsigned int red = pixel >> 11;
		unsigned int green = (pixel >> 5) & 0x3f;
		unsigned int blue = pixel & 0x1f;

		target[4 * i] = (uint8_t)(blue << 3 | blue >> 2);
		target[4 * i + 1] = (uint8_t)(green << 2 | green >> 4);
		target[4 * i + 2] = (uint8_t)(red << 3 | red >> 2);
		target[4 * i + 3] = 0;
	}
}

static const struct {
	uint32_t format;
	uint32_t bytes;
	surface_convert convert;
} format_table[] = {
	{ SURFACE_FORMAT_X8R8G8B8, 4, surface_convert_32 },
	{ SURFACE_FORMAT_A8R8G8B8, 4, surface_convert_32 },
	{ SURFACE_FORMAT_R5G6B5, 2, surface_convert_565 },
};

/* The converter for "pixels" when they hold width x height, else NULL. */
static surface_convert
surface_check_pixels(const struct surface_pixels *pixels, uint32_t width, uint32_t height)
{
	for (size_t i = 0; i < G_N_ELEMENTS(format_table); i++) {
		uint64_t row = (uint64_t)width * format_table[i].bytes;

		if (format_table[i].format != pixels->format)
			continue;
		/* The last row need not be padded. */
		if (pixels->stride < row ||
		    (uint64_t)pixels->stride * (height - 1) + row > pixels->size)
			return NULL;
		return format_table[i].convert;
	}
	return NULL;
}

struct surface *
surface_new(void (*changed)(void *context), void *context)
{
	struct surface *surface = g_new0(struct surface, 1);

	g_mutex_init(&surface->lock);
	surface->changed = changed;
	surface->context = context;
	return surface;
}

/* Each reader has its own list of what has changed for it. */

static void
surface_damage(struct surface *surface, const struct damage_rect *rect)
{
	for (size_t i = 0; i < SURFACE_READER_COUNT; i++)
		damage_add(&surface->damage[i], rect);
}

static void
surface_damage_all(struct surface *surface)
{
	for (size_t i = 0; i < SURFACE_READER_COUNT; i++)
		damage_add_all(&surface->damage[i], surface->info.width, surface->info.height);
}

static void
surface_damage_none(struct surface *surface)
{
	for (size_t i = 0; i < SURFACE_READER_COUNT; i++)
		surface->damage[i].count = 0;
}

/* Lets go of the picture. */
static void
surface_drop_pixels(struct surface *surface)
{
	if (surface->shared_bytes > 0)
		munmap((void *)(uintptr_t)surface->view, surface->shared_bytes);
	g_clear_pointer(&surface->pixels, g_free);
	surface->view = NULL;
	surface->shared_bytes = 0;
}

void
surface_free(struct surface *surface)
{
	if (!surface)
		return;
	surface_drop_pixels(surface);
	g_mutex_clear(&surface->lock);
	g_free(surface->cursor.argb);
	g_free(surface);
}

static void
surface_resize(struct surface *surface, uint32_t width, uint32_t height)
{
	if (width == surface->info.width && height == surface->info.height)
		return;
	surface->info.width = width;
	surface->info.height = height;
	surface->info.generation++;
}

/* Black pixels of its own, as many as the picture has. */
static void
surface_make_pixels(struct surface *surface)
{
	surface_drop_pixels(surface);
	surface->stride = (size_t)surface->info.width * PIXEL_BYTES;
	surface->pixels = g_malloc0(surface->stride * surface->info.height);
	surface->view = surface->pixels;
}

static void
surface_write_rect(struct surface *surface, const struct damage_rect *rect,
		   const struct surface_pixels *pixels, surface_convert convert)
{
	uint8_t *target =
		surface->pixels + rect->y * surface->stride + (size_t)rect->x * PIXEL_BYTES;

	for (size_t row = 0; row < rect->height; row++)
		convert(target + row * surface->stride, pixels->data + row * pixels->stride,
			rect->width);
}

int
surface_set_scanout(struct surface *surface, uint32_t width, uint32_t height,
		    const struct surface_pixels *pixels)
{
	const struct damage_rect all = { 0, 0, width, height };
	surface_convert convert;

	if (width == 0 || height == 0)
		return -EINVAL;
	if (width > DISPLAY_MAX_WIDTH || height > DISPLAY_MAX_HEIGHT)
		return -E2BIG;
	convert = surface_check_pixels(pixels, width, height);
	if (!convert)
		return -EINVAL;
	g_mutex_lock(&surface->lock);
	if (!surface->pixels || width != surface->info.width || height != surface->info.height) {
		surface_resize(surface, width, height);
		surface_make_pixels(surface);
	}
	surface_write_rect(surface, &all, pixels, convert);
	surface_damage_all(surface);
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
	return 0;
}

int
surface_set_rect(struct surface *surface, const struct damage_rect *rect,
		 const struct surface_pixels *pixels)
{
	surface_convert convert;
	int error = 0;

	if (rect->width == 0 || rect->height == 0)
		return -EINVAL;
	convert = surface_check_pixels(pixels, rect->width, rect->height);
	if (!convert)
		return -EINVAL;
	g_mutex_lock(&surface->lock);
	if (!surface->pixels ||
	    !damage_rect_fits(rect, surface->info.width, surface->info.height)) {
		error = -ERANGE;
	} else {
		surface_write_rect(surface, rect, pixels, convert);
		surface_damage(surface, rect);
	}
	g_mutex_unlock(&surface->lock);
	if (error == 0)
		surface->changed(surface->context);
	return error;
}

void
surface_set_black(struct surface *surface)
{
	g_mutex_lock(&surface->lock);
	if (surface->view) {
		surface_make_pixels(surface);
		surface_damage_all(surface);
	}
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
}

void
surface_set_off(struct surface *surface)
{
	g_mutex_lock(&surface->lock);
	surface_drop_pixels(surface);
	surface_resize(surface, 0, 0);
	surface_damage_none(surface);
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
}

int
surface_set_shared(struct surface *surface, uint32_t width, uint32_t height,
		   const struct surface_pixels *pixels)
{
	if (width == 0 || height == 0 || pixels->format != SURFACE_FORMAT_X8R8G8B8)
		return -EINVAL;
	if (width > DISPLAY_MAX_WIDTH || height > DISPLAY_MAX_HEIGHT)
		return -E2BIG;
	if (!surface_check_pixels(pixels, width, height))
		return -EINVAL;
	g_mutex_lock(&surface->lock);
	surface_drop_pixels(surface);
	surface_resize(surface, width, height);
	surface->view = pixels->data;
	surface->stride = pixels->stride;
	surface->shared_bytes = pixels->size;
	surface_damage_all(surface);
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
	return 0;
}

int
surface_mark_rect(struct surface *surface, const struct damage_rect *rect)
{
	int error = 0;

	g_mutex_lock(&surface->lock);
	if (surface->shared_bytes == 0)
		error = -EINVAL;
	else if (!damage_rect_fits(rect, surface->info.width, surface->info.height))
		error = -ERANGE;
	else
		surface_damage(surface, rect);
	g_mutex_unlock(&surface->lock);
	if (error == 0)
		surface->changed(surface->context);
	return error;
}

void
surface_set_taken(struct surface *surface, void (*taken)(void *context), void *context)
{
	g_mutex_lock(&surface->lock);
	surface->taken = taken;
	surface->taken_context = context;
	g_mutex_unlock(&surface->lock);
}

int
surface_set_cursor(struct surface *surface, uint32_t width, uint32_t height, uint32_t hot_x,
		   uint32_t hot_y, const struct surface_pixels *pixels)
{
	size_t bytes = (size_t)width * height * PIXEL_BYTES;

	if (width == 0 || height == 0 || hot_x >= width || hot_y >= height)
		return -EINVAL;
	if (width > SURFACE_MAX_CURSOR || height > SURFACE_MAX_CURSOR)
		return -E2BIG;
	if (pixels->size < bytes)
		return -EINVAL;
	g_mutex_lock(&surface->lock);
	g_free(surface->cursor.argb);
	surface->cursor.argb = g_memdup2(pixels->data, bytes);
	surface->cursor.width = width;
	surface->cursor.height = height;
	surface->cursor.hot_x = hot_x;
	surface->cursor.hot_y = hot_y;
	surface->cursor.visible = true;
	surface->cursor.shape++;
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
	return 0;
}

void
surface_move_cursor(struct surface *surface, int32_t x, int32_t y, bool visible)
{
	g_mutex_lock(&surface->lock);
	surface->cursor.x = CLAMP(x, -SURFACE_MAX_CURSOR, DISPLAY_MAX_WIDTH);
	surface->cursor.y = CLAMP(y, -SURFACE_MAX_CURSOR, DISPLAY_MAX_HEIGHT);
	surface->cursor.visible = visible;
	surface->cursor.position++;
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
}

void
surface_set_leds(struct surface *surface, uint8_t leds)
{
	g_mutex_lock(&surface->lock);
	surface->info.leds = leds & 7;
	g_mutex_unlock(&surface->lock);
	surface->changed(surface->context);
}

struct surface_info
surface_get_info(struct surface *surface)
{
	struct surface_info info;

	g_mutex_lock(&surface->lock);
	info = surface->info;
	g_mutex_unlock(&surface->lock);
	return info;
}

size_t
surface_take_damage(struct surface *surface, enum surface_reader reader, uint64_t generation,
		    struct damage_rect rects[DAMAGE_MAX_RECTS])
{
	struct damage *damage = &surface->damage[reader];
	size_t count = 0;

	g_mutex_lock(&surface->lock);
	if (generation == surface->info.generation) {
		count = damage->count;
		memcpy(rects, damage->rects, count * sizeof(*rects));
		damage->count = 0;
		if (count > 0 && surface->taken)
			surface->taken(surface->taken_context);
	}
	g_mutex_unlock(&surface->lock);
	return count;
}

int
surface_copy_rect(struct surface *surface, uint64_t generation, const struct damage_rect *rect,
		  uint8_t *target)
{
	size_t row_bytes = (size_t)rect->width * PIXEL_BYTES;
	int error = 0;

	g_mutex_lock(&surface->lock);
	if (generation != surface->info.generation) {
		error = -ESTALE;
	} else if (!damage_rect_fits(rect, surface->info.width, surface->info.height)) {
		error = -EINVAL;
	} else {
		const uint8_t *source =
			surface->view + rect->y * surface->stride + (size_t)rect->x * PIXEL_BYTES;

		for (size_t row = 0; row < rect->height; row++)
			memcpy(target + row * row_bytes, source + row * surface->stride, row_bytes);
	}
	g_mutex_unlock(&surface->lock);
	return error;
}

void
surface_copy_cursor(struct surface *surface, uint64_t seen_shape, struct surface_cursor *ret_cursor)
{
	g_mutex_lock(&surface->lock);
	*ret_cursor = surface->cursor;
	ret_cursor->argb = NULL;
	if (surface->cursor.shape > seen_shape)
		ret_cursor->argb = g_memdup2(surface->cursor.argb, (size_t)surface->cursor.width *
									   surface->cursor.height *
									   PIXEL_BYTES);
	g_mutex_unlock(&surface->lock);
}
