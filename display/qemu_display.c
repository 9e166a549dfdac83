/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qemu_display.c - what QEMU's D-Bus display tells its listener (carrel-display)
 */
#include "display/qemu_display.h"

#include <errno.h>

#include "display/surface.h"

static bool
qemu_display_read_pixels(GVariant *value, uint32_t stride, uint32_t format,
			 struct surface_pixels *ret_pixels)
{
	gsize size = 0;

	ret_pixels->data = g_variant_get_fixed_array(value, &size, 1);
	ret_pixels->size = size;
	ret_pixels->stride = stride;
	ret_pixels->format = format;
	return ret_pixels->data != NULL;
}

static int
qemu_display_handle_scanout(struct surface *surface, GVariant *body)
{
	g_autoptr(GVariant) data = NULL;
	struct surface_pixels pixels;
	guint32 width, height, stride, format;

	g_variant_get(body, "(uuuu@ay)", &width, &height, &stride, &format, &data);
	if (!qemu_display_read_pixels(data, stride, format, &pixels))
		return -EINVAL;
	return surface_set_scanout(surface, width, height, &pixels);
}

static int
qemu_display_handle_update(struct surface *surface, GVariant *body)
{
	g_autoptr(GVariant) data = NULL;
	struct surface_pixels pixels;
	gint32 x, y, width, height;
	guint32 stride, format;

	g_variant_get(body, "(iiiiuu@ay)", &x, &y, &width, &height, &stride, &format, &data);
	if (x < 0 || y < 0 || width <= 0 || height <= 0)
		return -EINVAL;
	if (!qemu_display_read_pixels(data, stride, format, &pixels))
		return -EINVAL;
	return surface_set_rect(surface,
				&(struct damage_rect){ (uint32_t)x, (uint32_t)y, (uint32_t)width,
						       (uint32_t)height },
				&pixels);
}

static int
qemu_display_handle_disable(struct surface *surface, GVariant *body G_GNUC_UNUSED)
{
	surface_set_black(surface);
	return 0;
}

static int
qemu_display_handle_mouse(struct surface *surface, GVariant *body)
{
	gint32 x, y, on;

	g_variant_get(body, "(iii)", &x, &y, &on);
	surface_move_cursor(surface, x, y, on != 0);
	return 0;
}

static int
qemu_display_handle_cursor(struct surface *surface, GVariant *body)
{
	g_autoptr(GVariant) data = NULL;
	struct surface_pixels pixels;
	gint32 width, height, hot_x, hot_y;

	g_variant_get(body, "(iiii@ay)", &width, &height, &hot_x, &hot_y, &data);
	if (width <= 0 || height <= 0 || hot_x < 0 || hot_y < 0)
		return -EINVAL;
	if (!qemu_display_read_pixels(data, 0, SURFACE_FORMAT_A8R8G8B8, &pixels))
		return -EINVAL;
	return surface_set_cursor(surface, (uint32_t)width, (uint32_t)height, (uint32_t)hot_x,
				  (uint32_t)hot_y, &pixels);
}

static const struct {
	const char *member;
	const char *signature;
	int (*handle)(struct surface *surface, GVariant *body);
} listener_table[] = {
	{ "Update", "(iiiiuuay)", qemu_display_handle_update },
	{ "Scanout", "(uuuuay)", qemu_display_handle_scanout },
	{ "MouseSet", "(iii)", qemu_display_handle_mouse },
	{ "CursorDefine", "(iiiiay)", qemu_display_handle_cursor },
	{ "Disable", NULL, qemu_display_handle_disable },
};

int
qemu_display_call(struct surface *surface, const char *member, GVariant *body)
{
	for (size_t i = 0; i < G_N_ELEMENTS(listener_table); i++) {
		if (g_strcmp0(listener_table[i].member, member) != 0)
			continue;
		if (listener_table[i].signature &&
		    (!body ||
		     !g_variant_is_of_type(body, G_VARIANT_TYPE(listener_table[i].signature))))
			return -EBADMSG;
		return listener_table[i].handle(surface, body);
	}
	return -ENOSYS;
}
