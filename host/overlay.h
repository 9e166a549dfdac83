/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay.h - an empty qcow2 image for a desktop's own writes
 */
#ifndef HOST_OVERLAY_H
#define HOST_OVERLAY_H

#include <glib.h>

#define OVERLAY_MAX_DISK_BYTES (G_GUINT64_CONSTANT(1) << 41)

/*
 * Makes "path" (which must not exist): version 3, 64 KiB clusters, no backing file in its head, because the backing node
 * is given on the command line. Returns it open for reading and writing, or a negative errno.
 */
int overlay_create(const char *path, guint64 disk_bytes);

#endif
