/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_move.h - a suspended desktop on its way from host to host
 */
#ifndef HOST_DESKTOP_MOVE_H
#define HOST_DESKTOP_MOVE_H

#include "host/desktop.h"

/*
 * A suspended one goes to the exchange folder and is not here any more, or, where nothing is known of it, has gone there before.
 * Called again as long as that is wanted; a failure is told as the event move_failed.
 */
void desktop_export(struct desktop *desktop);
/*
 * It comes from there: a new one, or one that was exported. source: the version it must be of, needed during the call; network:
 * whether it must have one. Each failure is told as move_failed, and it is not tried again unless this is called again.
 */
void desktop_arrive(struct desktop *desktop, const struct engine_template *source, gboolean network,
		    guint64 reserve_bytes);
/* It cannot be exported, or cannot come, for a reason outside of it. */
void desktop_refuse_move(struct desktop *desktop, const char *reason);
void desktop_refuse_arrival(struct desktop *desktop, const char *reason);
/* It shall not be moved: the next time that is wanted it is tried at once. */
void desktop_keep_here(struct desktop *desktop);
/* It was to come and did not: why. NULL: it was not refused. */
const char *desktop_get_refusal(const struct desktop *desktop);
/* Until what is done with its files has ended, here or in the exchange folder, nothing else begins with it. */
gboolean desktop_is_held(const struct desktop *desktop);
gboolean desktop_is_moving(
	const struct desktop *desktop); /* a thread reads and writes them, or is about to */

/*
 * desktop_copy.c: the broker says that it is this host's: what lies of it in the exchange folder is out of date, if it was found here, and is removed.
 * Called again as long as that is so; nothing waits for it but a move.
 */
void desktop_forget_copy(struct desktop *desktop);

#endif
