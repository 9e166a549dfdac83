/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * image_list.c - the golden images that builds have made on this host (carrel-hostd)
 */
#include "host/image_list.h"

#include <glib.h>
#include <glib/gstdio.h>

#include "base/name.h"

#define IMAGE_LIST_MAX_S G_GINT64_CONSTANT(0xffffffff) /* a file's time may be anything */

json_t *
image_list_read(const char *lib)
{
	g_autofree char *folder = g_build_filename(lib, "images", NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	json_t *list = json_array();
	const char *name;

	while (dir && (name = g_dir_read_name(dir)) && json_array_size(list) < IMAGE_LIST_MAX) {
		g_autofree char *path = g_build_filename(folder, name, "image.json", NULL);
		GStatBuf about;

		if (!name_valid(name) || g_stat(path, &about) < 0)
			continue;
		json_array_append_new(
			list,
			json_pack("{s:s, s:I}", "name", name, "created_ms",
				  CLAMP((json_int_t)about.st_mtime, 0, IMAGE_LIST_MAX_S) * 1000));
	}
	return list;
}
