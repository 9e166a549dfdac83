/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_copy.c - what lies of a desktop in the folder that hosts share goes, when it is out of date or given up (carrel-hostd)
 *
 * How it works: it is removed by a thread (move_clear.c) that is one for all desktops, for that folder may hang. An older copy goes
 * when the desktop is seen to be whole here (desktop_forget_copy), and what there is of one that is given up with it (desktop_give_up).
 * So nothing waits for that thread but what would put the desktop there, or take it from there (desktop_claim_copy), and one that is
 * given up when it has left for there (DESKTOP_HOLD_DISCARD).
 */
#include "base/log.h"
#include "host/desktop_move.h"
#include "host/desktop_parts.h"
#include "host/move_clear.h"

/* Somebody has to do something first. */
#define FORGET_AGAIN_US (60 * G_USEC_PER_SEC)

gboolean
desktop_claim_copy(const struct desktop *desktop)
{
	return !desktop->host->clear || move_clear_drop(desktop->host->clear, desktop->id);
}

/* Of one that has gone: nobody tries it again. */
static void
desktop_tell_cleared(const char *id, gboolean found, gboolean expected, const GError *error)
{
	if (error && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		log_warning("desktop=%s: what is left of it where hosts share it is not removed: "
			    "%s; remove it there, if there is something",
			    id, error->message);
	else if (!error && !found)
		log_write(expected ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			  "desktop=%s: nothing of it is where hosts share it; see that that is "
			  "mounted, and remove it there, if there is something",
			  id);
}

static void
desktop_handle_cleared(void *context, const char *id, gboolean found, const GError *error)
{
	(void)context;
	desktop_tell_cleared(id, found, FALSE, error);
}

static void
desktop_handle_discarded(void *context, const char *id, gboolean found, const GError *error)
{
	struct desktop *desktop = context;

	desktop_tell_cleared(id, found, desktop->state == DESKTOP_STATE_EXPORTED, error);
	if (desktop_move_is_orphan(desktop))
		return;
	desktop->hold = DESKTOP_HOLD_NONE;
	desktop_retire(desktop, "it was given up");
	desktop_unref(desktop);
}

/* It was to be forked, mostly, and never was; or it was to come, or has gone before this hostd was started. */
static gboolean
desktop_is_unknown(const struct desktop *desktop)
{
	return desktop->state == DESKTOP_STATE_FORKING && !desktop->manifest && !desktop->vm;
}

void
desktop_give_up(struct desktop *desktop, const char *reason)
{
	struct move_clear *clear = desktop->host->clear;
	gboolean waits = clear && (desktop->state == DESKTOP_STATE_EXPORTING ||
				   desktop->state == DESKTOP_STATE_EXPORTED);
	gboolean clears = clear && (waits || desktop->may_have_copy || desktop_is_unknown(desktop));

	desktop->is_given_up = desktop_is_held(desktop);
	if (desktop->is_given_up)
		return;
	/* What is just being removed need not be removed again. */
	if (clears && desktop_claim_copy(desktop))
		move_clear_add(clear, desktop->id,
			       waits ? desktop_handle_discarded : desktop_handle_cleared,
			       waits ? desktop_ref(desktop) : NULL);
	else
		waits = FALSE;
	desktop->may_have_copy = FALSE;
	desktop->hold = waits ? DESKTOP_HOLD_DISCARD : DESKTOP_HOLD_NONE;
	desktop_retire(desktop, reason);
}

/* A copy in the exchange folder is older than what is here: an earlier hostd was about to export it, or has just taken it in. */
static void
desktop_handle_forgotten(void *context, const char *id, gboolean found, const GError *error)
{
	struct desktop *desktop = context;

	if (!error) {
		desktop->may_have_copy = FALSE;
	} else if (desktop->state == DESKTOP_STATE_RETIRING ||
		   desktop->state == DESKTOP_STATE_GONE) {
		/* When it was given up this was under way, and so nothing else was begun. */
		desktop_tell_cleared(id, found, FALSE, error);
	} else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		log_write(desktop->forget_again_us == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
			  "desktop=%s: an older copy of it may be left where hosts share it: %s; "
			  "while the desktop is here it is tried again",
			  id, error->message);
		desktop->forget_again_us = g_get_monotonic_time() + FORGET_AGAIN_US;
	}
	desktop_unref(desktop);
}

/* It is suspended here with all its files, or was and runs. */
static gboolean
desktop_is_whole_here(const struct desktop *desktop, GError **error)
{
	if (desktop->state == DESKTOP_STATE_SUSPENDED)
		return move_files_is_whole(desktop->host->lib, desktop->id, error);
	return desktop->state >= DESKTOP_STATE_IDENTIFYING &&
	       desktop->state <= DESKTOP_STATE_DISCONNECTED;
}

void
desktop_forget_copy(struct desktop *desktop)
{
	struct move_clear *clear = desktop->host->clear;
	g_autoptr(GError) error = NULL;

	if (!clear || !desktop->may_have_copy || desktop_is_held(desktop) ||
	    g_get_monotonic_time() < desktop->forget_again_us)
		return;
	desktop_ref(desktop);
	if (desktop_is_whole_here(desktop, &error)) {
		if (!move_clear_add(clear, desktop->id, desktop_handle_forgotten, desktop))
			desktop_unref(desktop);
	} else if (error) {
		desktop_handle_forgotten(desktop, desktop->id, FALSE, error);
	} else {
		desktop_unref(desktop);
	}
}

/* What is removed of one that was given up goes on. */
void
desktop_leave_copy(struct desktop *desktop)
{
	if (desktop->host->clear && !desktop_is_held(desktop))
		move_clear_leave(desktop->host->clear, desktop);
}
