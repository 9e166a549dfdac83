/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_life.c - the states of a session and the way between them (carrel-viewer)
 *
 * How it works: session_change() is the only place that changes the state; state_table says from where to where.
 * session_enter_idle() is the way back from everywhere: it throws the api away, and with it whatever is in flight.
 */
#include "viewer/session_life.h"

#include <glib/gi18n.h>

#define TO(state) (1u << SESSION_STATE_##state)

static const struct {
	const char *name;
	const char *progress;
	guint next;
} state_table[] = {
	[SESSION_STATE_IDLE] = { "idle", NULL, TO(CONTACTING) | TO(CONNECTING) },
	[SESSION_STATE_CONTACTING] = { "contacting", N_("Reaching the broker …"),
				       TO(TRUSTING) | TO(ANSWERING) },
	[SESSION_STATE_TRUSTING] = { "trusting", NULL, TO(CONTACTING) },
	[SESSION_STATE_ANSWERING] = { "answering", N_("Logging in …"), TO(ASKING) | TO(LISTING) },
	[SESSION_STATE_ASKING] = { "asking", NULL, TO(ANSWERING) },
	[SESSION_STATE_LISTING] = { "listing", N_("Looking for your desktops …"),
				    TO(CHOOSING) | TO(ASSIGNING) },
	[SESSION_STATE_CHOOSING] = { "choosing", NULL, TO(ASSIGNING) | TO(LISTING) },
	[SESSION_STATE_ASSIGNING] = { "assigning", N_("Getting a desktop …"),
				      TO(PREPARING) | TO(TICKETING) | TO(CHOOSING) },
	[SESSION_STATE_PREPARING] = { "preparing", N_("Making your desktop ready …"),
				      TO(TICKETING) | TO(LISTING) },
	[SESSION_STATE_TICKETING] = { "ticketing", N_("Opening the display …"),
				      TO(CONNECTING) | TO(WAITING) | TO(LISTING) },
	[SESSION_STATE_CONNECTING] = { "connecting", N_("Connecting to the display …"),
				       TO(CONNECTED) | TO(WAITING) | TO(LISTING) },
	[SESSION_STATE_CONNECTED] = { "connected", NULL, TO(WAITING) | TO(LISTING) },
	[SESSION_STATE_WAITING] = { "waiting", N_("The connection was lost."),
				    TO(TICKETING) | TO(LISTING) },
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_table) == SESSION_STATE_COUNT);

void
session_stop_timer(struct session *session)
{
	if (session->timer != 0)
		g_source_remove(session->timer);
	session->timer = 0;
}

gboolean
session_change(struct session *session, enum session_state state)
{
	if (state != SESSION_STATE_IDLE &&
	    (state_table[session->state].next & (1u << state)) == 0) {
		g_warning("session: %s -> %s is not legal", state_table[session->state].name,
			  state_table[state].name);
		return FALSE;
	}
	g_debug("session: %s -> %s", state_table[session->state].name, state_table[state].name);
	session_stop_timer(session);
	session->state = state;
	session->events->changed(session->context, state);
	return TRUE;
}

void
session_set_notice(struct session *session, const char *notice)
{
	char *copy = g_strdup(notice);

	if (notice)
		g_info("session: the user is told: %s", notice);
	g_free(session->notice);
	session->notice = copy;
}

void
session_forget_desktop(struct session *session)
{
	g_clear_pointer(&session->id, g_free);
	g_clear_pointer(&session->ticket, g_free);
	g_clear_pointer(&session->title, g_free);
	session->n_waits = 0;
	session->had_picture = FALSE;
}

void
session_enter_idle(struct session *session, const char *notice)
{
	session_set_notice(session, notice);
	session_forget_desktop(session);
	g_clear_pointer(&session->api, client_api_free);
	g_clear_pointer(&session->login, g_free);
	g_clear_pointer(&session->prompts, json_decref);
	g_clear_pointer(&session->pools, json_decref);
	session->events->disconnect(session->context);
	session_change(session, SESSION_STATE_IDLE);
}

void
session_fail(struct session *session, const struct client_api_answer *answer)
{
	g_autofree char *notice = g_strdup(answer->notice);

	session_enter_idle(session, notice);
}

const char *
session_state_get_progress(enum session_state state)
{
	return state_table[state].progress;
}
