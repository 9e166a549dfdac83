/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_clear.h - what desktops have left in the folder that hosts share is removed, one after the other
 *
 * That folder may be on a server that does not answer, and then a thread hangs: it is one for all desktops. Whose removal waits for
 * it can be had back (move_clear_drop).
 */
#ifndef HOST_MOVE_CLEAR_H
#define HOST_MOVE_CLEAR_H

#include "host/move_files.h"

struct move_clear;

/* How it is done, in a thread: move_files_discard(). */
typedef gboolean (*move_clear_work)(const struct move_files *files, gboolean *ret_found,
				    GError **error);

/* error NULL: it is not there any more, and found says whether it was. G_IO_ERROR_CANCELLED: nothing was done. */
typedef void (*move_clear_callback)(void *context, const char *id, gboolean found,
				    const GError *error);

struct move_clear *move_clear_new(const char *exchange, move_clear_work work);
/* What waits is cancelled; what is under way ends by itself, and calls back then. */
void move_clear_free(struct move_clear *clear); /* may be NULL */

/* FALSE: that of this id waits, or is under way, already, and the callback does not come. */
gboolean move_clear_add(struct move_clear *clear, const char *id, move_clear_callback callback,
			void *context);

/* From here on nothing of this id is removed. FALSE: it is just being done. */
gboolean move_clear_drop(struct move_clear *clear, const char *id);
/* The same for what waits with this context. */
void move_clear_leave(struct move_clear *clear, const void *context);

#endif
