/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_desktop.c - from the list of desktops to a picture, and back to it when it is lost (carrel-viewer)
 *
 * How it works: each state that waits for the broker has one call in flight, whose handler (session_handle_...) starts
 * the next step: pools, assign, poll until the host has prepared the desktop, ticket, connect.
 *
 * A lost display costs no session: session_wait() backs off (wait_table) and session_ask_ticket() gets a new ticket,
 * until the broker says that the session or the token is over, or that another viewer has the desktop now: then
 * the user may take it back, but this program does not, for the other one would do the same. Polling while the host prepares the desktop, and the
 * back-off, are one timer (session->timer).
 */
#include "viewer/session_desktop.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "common/api_times.h"
#include "common/hash.h"
#include "viewer/client_settings.h"
#include "viewer/connection_file.h"
#include "viewer/session_life.h"
#include "viewer/session_login.h"

#define POLL_MS	      300
#define PATH_SESSIONS "/api/v1/sessions/"
#define TO(state)     (1u << SESSION_STATE_##state)

static const guint wait_table[] = { 0, 1, 2, 4, 8, 15 }; /* seconds */

static const char *const end_notices[] = {
	[DISPLAY_END_CLOSED] = N_("The display was closed."),
	[DISPLAY_END_LOST] = N_("The connection to your desktop was lost."),
	[DISPLAY_END_UNREACHABLE] = N_("The display cannot be reached, or it refused the ticket."),
	[DISPLAY_END_UNTRUSTED] =
		N_("The display showed another certificate than the broker named. "
		   "Nothing was sent to it; tell your administrator."),
	[DISPLAY_END_REFUSED] = N_("The display refused the ticket: it is used up or too old."),
};
G_STATIC_ASSERT(G_N_ELEMENTS(end_notices) == DISPLAY_END_COUNT);

/*
 * spice-gtk does not tell a display that ended in the middle of the handshake from one with a wrong certificate. Whoever
 * had a picture already is worth another try: nothing is said to a display that is not the one named.
 */
#define UNSAFE_NOTICE                                                                                \
	N_("No safe connection to the display came about: it ended too early, or it showed another " \
	   "certificate than the broker named. Nothing was sent to it.")

static void session_ask_ticket(struct session *session);
static void session_handle_prepared(void *context, const struct client_api_answer *answer);

/* The pool to take without asking: the one wanted, or the only one. NULL: the user chooses. */
static const char *
session_find_only_pool(struct session *session)
{
	gsize index;
	json_t *pool;

	if (session->wanted_pool) {
		json_array_foreach(session->pools, index, pool) {
			const char *name = json_get_text(pool, "name", "");

			if (g_str_equal(name, session->wanted_pool))
				return name;
		}
		session_set_notice(
			session,
			_("The desktop that was asked for is not offered to you. Choose another."));
	}
	if (json_array_size(session->pools) == 1 && !session->wanted_pool)
		return json_get_text(json_array_get(session->pools, 0), "name", NULL);
	return NULL;
}

/* A failed call that says nothing of the token: the user stays logged in and sees why. */
static gboolean
session_is_still_logged_in(const struct client_api_answer *answer)
{
	return answer->outcome == CLIENT_API_OUTCOME_UNREACHABLE ||
	       (answer->outcome == CLIENT_API_OUTCOME_REFUSED && answer->status != 401);
}

static void
session_handle_pools(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;
	gboolean returning = session->pools != NULL;
	json_t *list = answer->body;
	g_autofree char *pool = NULL;

	if (returning && session->shared) {
		session_log_out(session);
		return;
	}
	if (returning && session_is_still_logged_in(answer)) {
		session_set_notice(session, answer->notice);
		session_change(session, SESSION_STATE_CHOOSING);
		return;
	}
	if (answer->outcome != CLIENT_API_OUTCOME_OK) {
		session_fail(session, answer);
		return;
	}
	if (json_is_object(list))
		list = json_object_get(list, "pools") ? json_object_get(list, "pools")
						      : json_object_get(list, "items");
	g_clear_pointer(&session->pools, json_decref);
	session->pools = json_is_array(list) ? json_incref(list) : json_array();
	/* Whoever comes back from a desktop chooses: else a failing one would be opened for ever. */
	if (!returning)
		pool = g_strdup(session_find_only_pool(session));
	if (pool)
		session_choose(session, pool);
	else
		session_change(session, SESSION_STATE_CHOOSING);
}

void
session_list(struct session *session)
{
	if (session_change(session, SESSION_STATE_LISTING))
		client_api_call(session->api, "GET", "/api/v1/pools", NULL, NULL,
				session_handle_pools);
}

/* The desktop is over, the user is still logged in. */
static void
session_leave_desktop(struct session *session, const char *notice)
{
	session->events->disconnect(session->context);
	if (!session->api) {
		session_enter_idle(session, notice);
		return;
	}
	session_set_notice(session, notice);
	session_forget_desktop(session);
	session_list(session);
}

/* One that was suspended comes back when its ticket is asked for, or the answer says why it does not. */
static gboolean
session_state_is_ready(const char *state)
{
	return g_strv_contains((const char *const[]){ "ready", "assigned", "active", "disconnected",
						      "suspending", "suspended", "resuming", NULL },
			       state);
}

static gboolean
session_state_is_over(const char *state)
{
	return g_strv_contains((const char *const[]){ "ended", "closed", "released", "retiring",
						      "gone", "failed", NULL },
			       state);
}

static gboolean
session_poll(void *data)
{
	struct session *session = data;
	g_autofree char *path = g_strconcat(PATH_SESSIONS, session->id, NULL);

	session->timer = 0;
	client_api_call(session->api, "GET", path, NULL, NULL, session_handle_prepared);
	return G_SOURCE_REMOVE;
}

static void
session_handle_prepared(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;
	const char *state;

	if (session_is_still_logged_in(answer)) {
		session_leave_desktop(session, answer->status == 404
						       ? _("The desktop could not be made ready.")
						       : answer->notice);
		return;
	}
	if (answer->outcome != CLIENT_API_OUTCOME_OK) {
		session_fail(session, answer);
		return;
	}
	state = json_get_text(answer->body, "state", "");
	if (session_state_is_ready(state))
		session_ask_ticket(session);
	else if (session_state_is_over(state))
		session_leave_desktop(session, _("The desktop could not be made ready."));
	else
		session->timer = g_timeout_add(POLL_MS, session_poll, session);
}

static void
session_handle_assigned(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;

	if (session_is_still_logged_in(answer)) {
		session_set_notice(session, answer->notice);
		session_change(session, SESSION_STATE_CHOOSING);
		return;
	}
	if (answer->outcome != CLIENT_API_OUTCOME_OK) {
		session_fail(session, answer);
		return;
	}
	g_free(session->id);
	session->id = g_strdup(json_get_text(answer->body, "session", ""));
	g_free(session->title);
	session->title = g_strdup(session->pool);
	if (session_change(session, SESSION_STATE_PREPARING))
		session_handle_prepared(session, answer);
}

void
session_choose(struct session *session, const char *pool)
{
	g_autofree char *path = g_strdup_printf("/api/v1/pools/%s/assign", pool);
	g_autofree char *key = g_uuid_string_random();
	char *copy = g_strdup(pool);

	if (session->state == SESSION_STATE_CHOOSING)
		session_set_notice(session, NULL);
	g_free(session->pool);
	session->pool = copy;
	if (session_change(session, SESSION_STATE_ASSIGNING))
		client_api_call(session->api, "POST", path, client_settings_describe(), key,
				session_handle_assigned);
}

static gboolean
session_handle_wait_over(void *data)
{
	struct session *session = data;

	session->timer = 0;
	session_ask_ticket(session);
	return G_SOURCE_REMOVE;
}

guint
session_get_wait_s(const struct session *session)
{
	return wait_table[MIN(session->n_waits, G_N_ELEMENTS(wait_table) - 1)];
}

static void
session_wait(struct session *session, const char *notice)
{
	guint wait_s = session_get_wait_s(session);

	session_set_notice(session, notice);
	if (!session_change(session, SESSION_STATE_WAITING))
		return;
	session->n_waits++;
	session->timer = g_timeout_add(wait_s * 1000 + 100, session_handle_wait_over, session);
}

/* The next try may get it: broker or host are busy, restarting, or away. */
static gboolean
session_ticket_may_come(const struct client_api_answer *answer)
{
	return answer->outcome == CLIENT_API_OUTCOME_UNREACHABLE ||
	       (answer->outcome == CLIENT_API_OUTCOME_REFUSED &&
		(answer->status >= 500 || g_str_equal(answer->code, "ticket.refused")));
}

static void
session_handle_ticket(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;
	g_autoptr(GError) error = NULL;
	struct connection_file *file;

	if (session_ticket_may_come(answer)) {
		session_wait(session, answer->notice);
		return;
	}
	if (answer->outcome == CLIENT_API_OUTCOME_REFUSED && answer->status != 401) {
		session_leave_desktop(session, answer->status == 404 || answer->status == 410
						       ? _("Your session on the desktop has ended.")
						       : answer->notice);
		return;
	}
	if (answer->outcome != CLIENT_API_OUTCOME_OK) {
		session_fail(session, answer);
		return;
	}
	file = connection_file_from_json(json_object_get(answer->body, "vv"), &error);
	if (!file) {
		session_leave_desktop(session, error->message);
		return;
	}
	g_free(session->ticket);
	session->ticket = hash_text(file->host);
	if (session_change(session, SESSION_STATE_CONNECTING))
		session->events->connect(session->context, file);
	connection_file_free(file);
}

static void
session_ask_ticket(struct session *session)
{
	g_autofree char *path = g_strconcat(PATH_SESSIONS, session->id, "/ticket", NULL);

	if (session_change(session, SESSION_STATE_TICKETING))
		client_api_call_for(session->api, API_TICKET_PATIENCE_S, "POST", path,
				    json_pack("{s:s, s:s*}", "protocol", display_spice_ops.protocol,
					      "after", session->ticket),
				    session_handle_ticket);
}

void
session_open_file(struct session *session, const char *path)
{
	g_autoptr(GError) error = NULL;
	struct connection_file *file;

	if (session->state != SESSION_STATE_IDLE)
		return;
	file = connection_file_load(path, &error);
	if (!file) {
		session_enter_idle(session, error->message);
		return;
	}
	g_free(session->title);
	session->title = g_strdup(file->title ? file->title : _("Desktop"));
	if (session_change(session, SESSION_STATE_CONNECTING))
		session->events->connect(session->context, file);
	connection_file_free(file);
}

void
session_handle_display_shown(struct session *session)
{
	session->n_waits = 0;
	session->had_picture = TRUE;
	session_set_notice(session, NULL);
	if (session->state == SESSION_STATE_CONNECTING)
		session_change(session, SESSION_STATE_CONNECTED);
}

void
session_handle_display_ended(struct session *session, enum display_end end)
{
	if (session->state != SESSION_STATE_CONNECTING && session->state != SESSION_STATE_CONNECTED)
		return;
	session->events->disconnect(session->context);
	if (!session->id)
		session_enter_idle(session, _(end_notices[end]));
	else if (end == DISPLAY_END_UNTRUSTED && !session->had_picture)
		session_leave_desktop(session, _(end_notices[end]));
	else if (end == DISPLAY_END_UNTRUSTED)
		session_wait(session, _(UNSAFE_NOTICE));
	else
		session_wait(session, _(end_notices[end]));
}

void
session_retry(struct session *session)
{
	if (session->state != SESSION_STATE_WAITING)
		return;
	session->n_waits = 0;
	session_ask_ticket(session);
}

/* States in which there is a desktop to leave. */
static gboolean
session_has_desktop(const struct session *session)
{
	return (TO(PREPARING) | TO(TICKETING) | TO(CONNECTING) | TO(CONNECTED) | TO(WAITING)) &
	       (1u << session->state);
}

void
session_disconnect(struct session *session)
{
	if (session_has_desktop(session))
		session_leave_desktop(session, NULL);
}

static void
session_handle_logged_off(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;

	if (answer->outcome != CLIENT_API_OUTCOME_OK && answer->status != 404 &&
	    session->state == SESSION_STATE_CHOOSING) {
		session_set_notice(session, answer->notice);
		session->events->changed(session->context, session->state);
	}
}

void
session_log_off(struct session *session)
{
	g_autofree char *path = NULL;

	if (!session_has_desktop(session))
		return;
	if (session->id && session->api) {
		path = g_strconcat(PATH_SESSIONS, session->id, NULL);
		client_api_call(session->api, "DELETE", path, NULL, NULL,
				session_handle_logged_off);
	}
	session_leave_desktop(session, NULL);
}
