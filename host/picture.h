/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture.h - a guest's picture as PNG
 */
#ifndef HOST_PICTURE_H
#define HOST_PICTURE_H

#include <gio/gio.h>

/* What another process wrote and says of it: nothing of it is relied on. */
struct picture {
	int fd; /* rows of "stride" bytes; 32-bit pixels B, G, R, x (base/proto_source.h) */
	guint32 width;
	guint32 height;
	guint32 stride;
};

/* At the file's present offset. Computes for a while: call it from a worker thread. */
gboolean picture_write_png(const struct picture *picture, int file, GError **error);

#endif
