/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * user_session.c - one user's way from the log-in page to a desktop (carrel-viewer)
 *
 * How it works: the life cycle is session_life.c; what the user does before there is a token is session_login.c, and
 * after that session_desktop.c. This file makes and frees the session and says what there is to show.
 */
#include "viewer/user_session.h"

#include <glib/gi18n.h>

#include "viewer/session_life.h"

struct session *
session_new(const struct session_events *events, void *context)
{
	struct session *session = g_new0(struct session, 1);

	session->events = events;
	session->context = context;
	return session;
}

void
session_set_shared(struct session *session, gboolean shared)
{
	session->shared = shared;
}

void
session_free(struct session *session)
{
	if (!session)
		return;
	session_stop_timer(session);
	session_forget_desktop(session);
	g_clear_pointer(&session->api, client_api_free);
	g_clear_pointer(&session->prompts, json_decref);
	g_clear_pointer(&session->pools, json_decref);
	g_free(session->broker);
	g_free(session->user);
	g_free(session->wanted_pool);
	g_free(session->pool);
	g_free(session->login);
	g_free(session->notice);
	g_free(session->fingerprint);
	g_free(session);
}

enum session_state
session_get_state(const struct session *session)
{
	return session->state;
}

const char *
session_get_notice(const struct session *session)
{
	return session->notice;
}

const char *
session_get_progress(const struct session *session)
{
	const char *text = session_state_get_progress(session->state);

	return text ? _(text) : "";
}

const char *
session_get_fingerprint(const struct session *session)
{
	return session->fingerprint;
}

const char *
session_get_broker(const struct session *session)
{
	return session->broker;
}

const char *
session_get_user(const struct session *session)
{
	return session->user;
}

const char *
session_get_title(const struct session *session)
{
	return session->title ? session->title : "";
}

json_t *
session_get_prompts(const struct session *session)
{
	return session->prompts;
}

json_t *
session_get_pools(const struct session *session)
{
	return session->pools;
}

gboolean
session_can_log_off(const struct session *session)
{
	return session->id != NULL;
}
