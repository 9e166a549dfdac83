/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_qemu_display.c - what QEMU, when its guest owns it, may send to the display's listener
 *
 * A sequence of calls: a byte for the member, one for the body's size in units of 8 bytes, and the body as a serialised
 * GVariant of that member's type.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "display/qemu_display.h"
#include "display/surface.h"

#define UNIT_BYTES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *member;
	const char *type;
} calls[] = {
	{ "Scanout", "(uuuuay)" },	{ "Update", "(iiiiuuay)" }, { "MouseSet", "(iii)" },
	{ "CursorDefine", "(iiiiay)" }, { "Disable", "()" },	    { "Update", "(uuuuay)" },
};

static void
ignore_change(void *context)
{
	(void)context;
}

static void
call(struct surface *surface, uint8_t which, const uint8_t *data, size_t size)
{
	size_t i = which % G_N_ELEMENTS(calls);
	/* Aligned, as GDBus has it; the variant frees it. */
	void *copy = g_memdup2(data, size);
	GVariant *body = g_variant_ref_sink(g_variant_new_from_data(
		G_VARIANT_TYPE(calls[i].type), copy, size, FALSE, g_free, copy));

	qemu_display_call(surface, calls[i].member, body);
	g_variant_unref(body);
}

static void
check(struct surface *surface)
{
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct surface_info info = surface_get_info(surface);
	size_t count = surface_take_damage(surface, SURFACE_READER_SPICE, info.generation, rects);
	struct surface_cursor cursor;

	for (size_t i = 0; i < count; i++) {
		uint8_t *pixels = g_malloc((size_t)rects[i].width * rects[i].height * 4);

		if (surface_copy_rect(surface, info.generation, &rects[i], pixels) < 0)
			abort();
		g_free(pixels);
	}
	surface_copy_cursor(surface, 0, &cursor);
	g_free(cursor.argb);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct surface *surface = surface_new(ignore_change, NULL);

	while (size >= 2) {
		size_t body = MIN((size_t)data[1] * UNIT_BYTES, size - 2);

		call(surface, data[0], data + 2, body);
		data += 2 + body;
		size -= 2 + body;
	}
	check(surface);
	surface_free(surface);
	return 0;
}
