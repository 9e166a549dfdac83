/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * user_session.c - one user's way from the log-in page to a desktop (carrel-viewer)
 *
 * How it works: session_change() is the only place that changes the state; legal_table says from where to where. Each
 * state that waits for the broker has one call in flight, whose handler (session_handle_...) starts the next step.
 * session_enter_idle() throws the api away, and with it whatever is in flight.
 *
 * A lost display costs no session: session_wait() backs off (wait_table) and session_ask_ticket() gets a new ticket,
 * until the broker says that the session or the token is over. Polling while the host prepares the desktop, and the
 * back-off, are one timer (session->timer).
 */
#include "viewer/user_session.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "viewer/client_api.h"
#include "viewer/client_settings.h"
#include "viewer/connection_file.h"

#define POLL_MS	      300
#define PATH_SESSIONS "/api/v1/sessions/"

struct session {
	enum session_state state;
	const struct session_events *events;
	void *context;
	struct api *api;
	char *broker;
	char *user;
	char *wanted_pool; /* from --pool */
	char *pool;	   /* the one chosen */
	char *login;	   /* id of the log-in */
	char *id;	   /* of the session at the broker; NULL for a .vv file */
	char *title;
	char *notice;
	char *fingerprint;
	json_t *prompts;
	json_t *pools;
	guint timer;
	guint n_waits; /* tries since the last picture */
};

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

static void session_ask_ticket(struct session *session);
static void session_list(struct session *session);

const char *
session_state_to_text(enum session_state state)
{
	return state < SESSION_STATE_COUNT ? state_table[state].name : "unknown";
}

static void
session_stop_timer(struct session *session)
{
	if (session->timer != 0)
		g_source_remove(session->timer);
	session->timer = 0;
}

static gboolean
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

static void
session_set_notice(struct session *session, const char *notice)
{
	char *copy = g_strdup(notice);

	g_free(session->notice);
	session->notice = copy;
}

static void
session_forget_desktop(struct session *session)
{
	g_clear_pointer(&session->id, g_free);
	g_clear_pointer(&session->title, g_free);
	session->n_waits = 0;
}

static void
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

/* A failed call before there is a session: the token is over, or the broker cannot help. */
static void
session_fail(struct session *session, const struct client_api_answer *answer)
{
	g_autofree char *notice = g_strdup(answer->notice);

	session_enter_idle(session, notice);
}

static void
session_handle_login(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;
	const char *state;

	if (answer->outcome != CLIENT_API_OUTCOME_OK) {
		session_fail(session, answer);
		return;
	}
	state = json_get_text(answer->body, "state", "");
	if (g_str_equal(state, "done")) {
		g_clear_pointer(&session->prompts, json_decref);
		client_api_set_token(session->api, json_get_text(answer->body, "token", ""));
		g_free(session->user);
		session->user = g_strdup(json_get_text(answer->body, "user", ""));
		session_list(session);
		return;
	}
	if (json_get_text(answer->body, "login", NULL)) {
		g_free(session->login);
		session->login = g_strdup(json_get_text(answer->body, "login", ""));
	}
	g_clear_pointer(&session->prompts, json_decref);
	session->prompts = json_incref(json_object_get(answer->body, "prompts"));
	session_change(session, SESSION_STATE_ASKING);
}

static void
session_handle_server(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;

	if (answer->outcome == CLIENT_API_OUTCOME_UNKNOWN_BROKER) {
		g_free(session->fingerprint);
		session->fingerprint = g_strdup(answer->fingerprint);
		session_change(session, SESSION_STATE_TRUSTING);
		return;
	}
	if (answer->outcome != CLIENT_API_OUTCOME_OK) {
		session_fail(session, answer);
		return;
	}
	if (session_change(session, SESSION_STATE_ANSWERING))
		client_api_call(session->api, "POST", "/api/v1/login",
				json_pack("{s:s}", "user", session->user), NULL,
				session_handle_login);
}

void
session_begin(struct session *session, const char *broker, const char *user, const char *pool)
{
	g_autoptr(GError) error = NULL;

	if (session->state != SESSION_STATE_IDLE)
		return;
	session_set_notice(session, NULL);
	g_free(session->broker);
	g_free(session->user);
	g_free(session->wanted_pool);
	session->broker = g_strdup(broker);
	session->user = g_strdup(user);
	session->wanted_pool = g_strdup(pool);
	session->api = client_api_new(broker, session, &error);
	if (!session->api) {
		session_enter_idle(session, error->message);
		return;
	}
	if (session_change(session, SESSION_STATE_CONTACTING))
		client_api_call(session->api, "GET", "/api/v1/server", NULL, NULL,
				session_handle_server);
}

void
session_trust(struct session *session)
{
	g_autoptr(GError) error = NULL;

	if (session->state != SESSION_STATE_TRUSTING)
		return;
	if (!client_api_pin(session->api, session->fingerprint, &error)) {
		session_enter_idle(session, error->message);
		return;
	}
	if (session_change(session, SESSION_STATE_CONTACTING))
		client_api_call(session->api, "GET", "/api/v1/server", NULL, NULL,
				session_handle_server);
}

void
session_answer(struct session *session, const char *const *answers)
{
	g_autofree char *path = NULL;
	json_t *list;

	if (session->state != SESSION_STATE_ASKING || !session->login)
		return;
	list = json_array();
	for (gsize i = 0; answers[i]; i++)
		json_array_append_new(list, json_string(answers[i]));
	path = g_strdup_printf("/api/v1/login/%s", session->login);
	if (session_change(session, SESSION_STATE_ANSWERING))
		client_api_call(session->api, "POST", path, json_pack("{s:o}", "answers", list),
				NULL, session_handle_login);
	else
		json_decref(list);
}

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

static void
session_handle_pools(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;
	gboolean returning = session->pools != NULL;
	json_t *list = answer->body;
	g_autofree char *pool = NULL;

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

static void
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

static gboolean
session_state_is_ready(const char *state)
{
	return g_strv_contains(
		(const char *const[]){ "ready", "assigned", "active", "disconnected", NULL },
		state);
}

static gboolean
session_state_is_over(const char *state)
{
	return g_strv_contains(
		(const char *const[]){ "ended", "closed", "released", "gone", "failed", NULL },
		state);
}

static void session_handle_prepared(void *context, const struct client_api_answer *answer);

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

	if (answer->outcome == CLIENT_API_OUTCOME_REFUSED) {
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

	if (answer->outcome == CLIENT_API_OUTCOME_REFUSED && answer->status != 401) {
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

static void
session_handle_ticket(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;
	g_autoptr(GError) error = NULL;
	struct connection_file *file;

	if (answer->outcome == CLIENT_API_OUTCOME_UNREACHABLE ||
	    (answer->outcome == CLIENT_API_OUTCOME_REFUSED && answer->status >= 500)) {
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
	if (session_change(session, SESSION_STATE_CONNECTING))
		session->events->connect(session->context, file);
	connection_file_free(file);
}

static void
session_ask_ticket(struct session *session)
{
	g_autofree char *path = g_strconcat(PATH_SESSIONS, session->id, "/ticket", NULL);

	if (session_change(session, SESSION_STATE_TICKETING))
		client_api_call(session->api, "POST", path,
				json_pack("{s:s}", "protocol", display_spice_ops.protocol), NULL,
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
	else if (end == DISPLAY_END_UNTRUSTED)
		session_leave_desktop(session, _(end_notices[end]));
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

static void
session_handle_logged_out(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;

	session_enter_idle(session, NULL);
}

void
session_log_out(struct session *session)
{
	if (session->state == SESSION_STATE_CHOOSING || session->state == SESSION_STATE_LISTING)
		client_api_call(session->api, "POST", "/api/v1/logout", json_object(), NULL,
				session_handle_logged_out);
	else
		session_enter_idle(session, NULL);
}

struct session *
session_new(const struct session_events *events, void *context)
{
	struct session *session = g_new0(struct session, 1);

	session->events = events;
	session->context = context;
	return session;
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
	const char *text = state_table[session->state].progress;

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
