/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_life.h - what the parts of a session share: its state, the one function that changes it, and its way back
 *
 * For user_session.c, session_login.c and session_desktop.c only; everybody else uses user_session.h.
 */
#ifndef VIEWER_SESSION_LIFE_H
#define VIEWER_SESSION_LIFE_H

#include "viewer/client_api.h"
#include "viewer/user_session.h"

struct session {
	enum session_state state;
	const struct session_events *events;
	void *context;
	struct api *api; /* NULL: nobody is logged in, or the display is that of a .vv file */
	char *broker;
	char *user;
	char *wanted_pool; /* from --pool */
	char *pool;	   /* the one chosen */
	char *login;	   /* id of the log-in */
	char *id;	   /* of the session at the broker; NULL for a .vv file */
	char *ticket; /* hash of the one that opened the display; NULL: the user wants it here, whoever has it */
	char *title;
	char *notice;
	char *fingerprint;
	json_t *prompts;
	json_t *pools;
	guint timer;
	guint n_waits;	      /* tries since the last picture */
	gboolean had_picture; /* of this desktop */
	gboolean shared;      /* whoever leaves the desktop is logged out */
};

/* The only place where the state changes. FALSE (and a warning) when the table does not allow it. */
gboolean session_change(struct session *session, enum session_state state);

/* The state's name in the log, and what the user reads while it lasts (NULL: nothing). */
const char *session_state_get_progress(enum session_state state);

/* What the user is told on the next page; NULL: nothing. */
void session_set_notice(struct session *session, const char *notice);

/* Stops the timer of polling or waiting. */
void session_stop_timer(struct session *session);

/* Nothing of a desktop is known any more. */
void session_forget_desktop(struct session *session);

/* Throws the api away, and with it whatever is in flight; closes the display. */
void session_enter_idle(struct session *session, const char *notice);

/* A call failed before there was a session: the token is over, or the broker cannot help. */
void session_fail(struct session *session, const struct client_api_answer *answer);

#endif
