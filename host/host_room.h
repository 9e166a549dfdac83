/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_room.h - what this host has left of memory and disk, and what a desktop that begins to run takes of it
 */
#ifndef HOST_HOST_ROOM_H
#define HOST_HOST_ROOM_H

#include <glib.h>

struct engine_ops;

/* Of memory, beyond what is kept for the host itself. */
guint host_room_get_free_mib(guint reserve_mib);

/*
 * Would the folder's file system have its reserve left when so much more was written? Overlays grow; where they lie, the broker and
 * other desktops write, too. TRUE when that cannot be known.
 */
gboolean host_room_has_disk(const char *folder, guint64 bytes);

/* Memory that a new fork soon takes. */
guint host_room_get_fork_mib(guint ram_mib);

/* Memory that one takes when it is resumed, and soon after. pages_bytes: of its file of pages. */
guint host_room_get_resume_mib(const struct engine_ops *engine, guint ram_mib, guint64 pages_bytes);

#endif
