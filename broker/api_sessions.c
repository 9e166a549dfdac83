/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_sessions.c - sessions: list, timing, tickets, their end (carrel-broker)
 *
 * Users see and end their own sessions only, by the query itself; operators see all. A ticket is for the session's user
 * alone, whatever role somebody else has.
 */
#include <string.h>

#include "broker/api.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/host_sync.h"
#include "broker/http.h"
#include "broker/problem.h"
#include "broker/routes.h"
#include "broker/store.h"
#include "broker/ticket_issue.h"
#include "broker/token.h"

#define SESSION_COLUMNS                                                                                           \
	"s.id AS id, s.user AS user, s.pool AS pool, s.desktop AS desktop, d.host AS host, " ASSIGN_SESSION_STATE \
	" AS state, s.opened_ms AS opened_ms, s.closed_ms AS closed_ms, s.reason AS reason FROM session s JOIN desktop d ON d.id = s.desktop"

/* The user whose sessions the caller may see; "" is everybody's. */
static const char *
api_sessions_scope(const struct http_request *request)
{
	return request->identity.roles & ROUTE_ROLE_OPERATOR ? "" : request->identity.user;
}

void
api_sessions_list(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *rows = store_query(broker->store, &error,
				   "SELECT " SESSION_COLUMNS
				   " WHERE ($1 = '' OR s.user = $1) AND s.id > $2"
				   " ORDER BY s.id LIMIT $3",
				   "ssi", api_sessions_scope(request),
				   request->after ? request->after : "", (gint64)BROKER_PAGE_ROWS);

	if (rows)
		api_list_respond(request, "sessions", "id", rows);
	else
		problem_respond_error(request, error);
}

static json_t *
api_sessions_find(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *row = store_query_one(broker->store, &error,
				      "SELECT " SESSION_COLUMNS
				      " WHERE s.id = $1 AND ($2 = '' OR s.user = $2)",
				      "ss", request->name, api_sessions_scope(request));

	if (!row)
		problem_respond_unknown(request, "session", error);
	return row;
}

void
api_sessions_show(struct broker *broker, struct http_request *request)
{
	json_t *row = api_sessions_find(broker, request);

	if (row)
		http_respond(request, 200, row);
}

/* "warm": the step was done before the session began, so its user did not wait for it. */
void
api_sessions_timing(struct broker *broker, struct http_request *request)
{
	json_t *session = api_sessions_find(broker, request);
	g_autoptr(GError) error = NULL;
	json_t *rows;

	if (!session)
		return;
	rows = store_query(
		broker->store, &error,
		"SELECT step, ms, at_ms, CASE WHEN subject = $2 AND at_ms < $3 THEN 1 ELSE 0 END AS warm FROM timing"
		" WHERE subject IN ($1, $2) ORDER BY CASE step WHEN 'authenticate' THEN 0 WHEN 'assign' THEN 1"
		" WHEN 'fork' THEN 2 WHEN 'agent' THEN 3 WHEN 'identify' THEN 4 WHEN 'log in' THEN 5 WHEN 'connect' THEN 6"
		" ELSE 7 END",
		"ssi", request->name, json_get_text(session, "desktop", ""),
		(gint64)json_get_integer(session, "opened_ms", 0));
	json_decref(session);
	for (gsize i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		json_object_set_new(row, "warm",
				    json_boolean(json_get_integer(row, "warm", 0) != 0));
	}
	if (rows)
		http_respond(request, 200,
			     json_pack("{s:s, s:o}", "session", request->name, "steps", rows));
	else
		problem_respond_error(request, error);
}

void
api_sessions_ticket(struct broker *broker, struct http_request *request)
{
	const char *protocol = json_get_text(request->body, "protocol", "");

	if (strcmp(protocol, "spice") == 0 || strcmp(protocol, "vnc") == 0)
		ticket_issue_begin(broker->tickets, request, protocol);
	else
		problem_respond(request, 400, "ticket.protocol", "'protocol' must be spice or vnc");
}

static gboolean
api_sessions_release(struct broker *broker, const json_t *rows, const char *reason,
		     gboolean revoked, GError **error)
{
	gboolean ok = store_begin(broker->store, error);

	for (gsize i = 0; ok && i < json_array_size(rows); i++)
		ok = assign_release(broker->store, json_get_text(json_array_get(rows, i), "id", ""),
				    reason, revoked, error);
	if (ok && store_commit(broker->store, error))
		return TRUE;
	store_rollback(broker->store);
	return FALSE;
}

void
api_sessions_delete(struct broker *broker, struct http_request *request)
{
	json_t *row = api_sessions_find(broker, request);
	g_autoptr(GError) error = NULL;
	json_t *rows;

	if (!row)
		return;
	rows = json_pack("[o]", row);
	if (api_sessions_release(broker, rows, "released", TRUE, &error)) {
		host_sync_reconcile(broker->hosts);
		http_respond(request, 204, NULL);
	} else {
		problem_respond_error(request, error);
	}
	json_decref(rows);
}

/* A user's sessions and tokens, or everybody's: who revokes wants nobody to come back with an old token. */
void
api_sessions_revoke(struct broker *broker, struct http_request *request)
{
	const char *user = json_get_text(request->body, "user", "");
	gboolean all = json_get_flag(request->body, "all", FALSE) != 0;
	gboolean may = (request->identity.roles & ROUTE_ROLE_OPERATOR) ||
		       (!all && strcmp(user, request->identity.user) == 0);
	g_autoptr(GError) error = NULL;
	json_t *rows;

	if (all == (user[0] != '\0')) {
		problem_respond(request, 400, "request.body", "give either 'user' or 'all': true");
		return;
	}
	if (!may) {
		problem_respond(request, 403, "role.missing",
				"only an operator may revoke other users' sessions");
		return;
	}
	rows = store_query(
		broker->store, &error,
		"SELECT id FROM session WHERE closed_ms IS NULL AND ($1 = '' OR user = $1)", "s",
		user);
	if (rows && api_sessions_release(broker, rows, "revoked", TRUE, &error) &&
	    store_change(broker->store, &error, "DELETE FROM token WHERE $1 = '' OR user = $1", "s",
			 user) >= 0) {
		host_sync_reconcile(broker->hosts);
		http_respond(request, 200,
			     json_pack("{s:I}", "revoked", (json_int_t)json_array_size(rows)));
	} else {
		problem_respond_error(request, error);
	}
	json_decref(rows);
}
