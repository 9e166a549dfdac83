/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * user_session.h - one user's way from the log-in page to a desktop, as one life cycle
 *
 * The session talks to the broker and knows no widget; the window shows what its state says. All calls and callbacks
 * are in the main loop and none blocks.
 */
#ifndef VIEWER_USER_SESSION_H
#define VIEWER_USER_SESSION_H

#include <glib.h>

#include "base/json.h"
#include "viewer/display.h"

struct connection_file;
struct session;

/*
 * idle -> contacting -> (trusting ->) asking <-> answering -> listing -> (choosing ->) assigning -> preparing ->
 * ticketing -> connecting -> connected. A lost display: connected, connecting or ticketing -> waiting -> ticketing.
 * A desktop that is gone: any -> listing; log-off, an ended token or the user's wish: any -> idle. A .vv file takes
 * idle -> connecting. session_change() checks this.
 */
enum session_state {
	SESSION_STATE_IDLE,	  /* nobody is logged in */
	SESSION_STATE_CONTACTING, /* is the broker there, and is it the one we know? */
	SESSION_STATE_TRUSTING,	  /* first use: the user compares the fingerprint */
	SESSION_STATE_ANSWERING,  /* log-in: the broker works */
	SESSION_STATE_ASKING,	  /* log-in: PAM's prompts wait for the user */
	SESSION_STATE_LISTING,
	SESSION_STATE_CHOOSING,
	SESSION_STATE_ASSIGNING,
	SESSION_STATE_PREPARING, /* assigned; the host makes the desktop ready */
	SESSION_STATE_TICKETING,
	SESSION_STATE_CONNECTING,
	SESSION_STATE_CONNECTED,
	SESSION_STATE_WAITING, /* the display was lost; the next try comes by itself */
	SESSION_STATE_COUNT,
};

struct session_events {
	/* After every change; what there is to show is asked for with the getters. */
	void (*changed)(void *context, enum session_state state);
	/* A display shall be opened with this file; the session waits in CONNECTING. */
	void (*connect)(void *context, const struct connection_file *file);
	/* The display shall be closed; session_handle_display_ended() is not expected any more. */
	void (*disconnect)(void *context);
};

struct session *session_new(const struct session_events *events, void *context);
void session_free(struct session *session);

/* A screen that many people use: who leaves a desktop, or whose desktop ends, is logged out. */
void session_set_shared(struct session *session, gboolean shared);

/*
 * What the user does; before there is a token: session_login.h. Calls that the state does not allow are ignored.
 */
void session_choose(struct session *session, const char *pool);
void session_open_file(struct session *session, const char *path);
void session_retry(struct session *session); /* WAITING: do not wait any longer */
void session_disconnect(
	struct session *session); /* leaves the desktop running, goes to the desktops or to IDLE */
void session_log_off(struct session *session); /* ends the desktop's session at the broker */

/* What the display does. */
void session_handle_display_shown(struct session *session);
void session_handle_display_ended(struct session *session, enum display_end end);

/* What there is to show. */
enum session_state session_get_state(const struct session *session);
const char *
session_get_notice(const struct session *session); /* what went wrong last; NULL: nothing */
const char *session_get_progress(const struct session *session);
const char *session_get_fingerprint(const struct session *session);
const char *session_get_broker(const struct session *session);
const char *session_get_user(const struct session *session);
const char *session_get_title(const struct session *session); /* of the desktop */
json_t *session_get_prompts(const struct session *session);   /* PROTOCOL.md "prompts", borrowed */
json_t *session_get_pools(const struct session *session);     /* array, borrowed */
gboolean session_can_log_off(const struct session *session);  /* FALSE: a .vv file's display */
guint session_get_wait_s(const struct session *session);

#endif
