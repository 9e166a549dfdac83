/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_state.h - the life of a desktop as this host reports it (docs/PROTOCOL.md, Sync)
 */
#ifndef HOST_DESKTOP_STATE_H
#define HOST_DESKTOP_STATE_H

#include <glib.h>

/*
 *	forking -> identifying -> ready -> assigned -> active <-> disconnected
 *
 * forking: folder, process, template's state. identifying: the agent's resync and its names. ready: waits for a user.
 * assigned: a user is logged in inside. active, disconnected: a client is there, or was.
 *
 *	ready, assigned, active, disconnected -> suspending -> suspended -> resuming -> identifying
 *
 * suspending: the guest stands, its memory is written; when that fails it goes on as an adopted one. suspended: it has no process,
 * its files are all that it is. resuming: its machine is made again; when that fails it is suspended again.
 *
 *	suspended -> exporting -> exported -> arriving -> suspended
 *
 * exporting: its files go to the folder that hosts share; when that fails it is suspended. exported: they are there and not here.
 * arriving: they come from there, mostly on another host, where it begins so; when that fails it is exported.
 * Any of them -> retiring (not wanted any more) or failed (with a reason; not suspended); failed -> retiring; retiring -> gone.
 * An adopted desktop begins anew at identifying, and so does a resumed one, and is at once what it was: ready, assigned. One that is
 * found suspended, or on its way there or to another host, goes there from forking.
 *
 *	forking -> unread
 *
 * unread: it was found, and what says whether it is suspended cannot be read. Unknown is not none: nothing is done with it and nothing
 * of it is removed. It is reported as suspended, with the reason, until it can be read and is found anew.
 */
enum desktop_state {
	DESKTOP_STATE_FORKING,
	DESKTOP_STATE_IDENTIFYING,
	DESKTOP_STATE_READY,
	DESKTOP_STATE_ASSIGNED,
	DESKTOP_STATE_ACTIVE,
	DESKTOP_STATE_DISCONNECTED,
	DESKTOP_STATE_SUSPENDING,
	DESKTOP_STATE_SUSPENDED,
	DESKTOP_STATE_RESUMING,
	DESKTOP_STATE_EXPORTING,
	DESKTOP_STATE_EXPORTED,
	DESKTOP_STATE_ARRIVING,
	DESKTOP_STATE_RETIRING,
	DESKTOP_STATE_GONE,
	DESKTOP_STATE_FAILED,
	DESKTOP_STATE_UNREAD,
	DESKTOP_STATE_COUNT,
};

const char *desktop_state_name(enum desktop_state state);
gboolean desktop_state_may_change(enum desktop_state from, enum desktop_state to);

/* Its machine runs, is about to, or can be made to. */
gboolean desktop_state_lives(enum desktop_state state);

#endif
