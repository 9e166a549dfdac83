/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_login.c - from the broker's address to a token: trust, PAM's prompts, log-out (carrel-viewer)
 *
 * How it works: session_begin() asks the broker who it is. One that was never used waits for session_trust(); then the
 * log-in begins, and session_handle_login() shows each batch of prompts until the broker says that it is done. A batch
 * without a question is answered with an empty list, once the user has seen it.
 */
#include "viewer/session_login.h"

#include "viewer/session_desktop.h"
#include "viewer/session_life.h"

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

static void
session_handle_logged_out(void *context, const struct client_api_answer *answer)
{
	struct session *session = context;

	/* On a shared screen the desktop's end was the reason, and the user wants to know why. */
	session_enter_idle(session, session->shared ? session->notice : NULL);
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
