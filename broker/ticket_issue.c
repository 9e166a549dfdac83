/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ticket_issue.c - display tickets between the viewer that asks and the host that acknowledges (carrel-broker)
 *
 * How it works: ticket_issue_begin() makes the routing secret and the password, stores the secret's hash, and keeps both in
 * memory as a pending ticket while the viewer waits. The next sync answer carries hash and password to the host. Its
 * report decides (ticket_issue_note): ready answers the viewer with the .vv, anything else with a problem. A ticket is in
 * sync answers only until then; after a restart of the broker or of hostd it is void, never sent again.
 *
 * The newest client of a session gets its display, so two viewers that open it again by themselves would take it from each
 * other for ever. A viewer that lost its display names that display's ticket ("after"); when a newer one was
 * used, it gets none (ticket_issue_was_replaced), and leaves it to its user to take the desktop back.
 *
 * Who opens a suspended desktop waits until it runs, but not where its host says that it cannot resume it.
 */
#include "broker/ticket_issue.h"

#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/host_sync.h"
#include "broker/http.h"
#include "broker/problem.h"
#include "broker/store.h"
#include "common/api_times.h"
#include "common/hash.h"

#define TICKET_DEADLINE_S      10
#define TICKET_TTL_MS	       30000
#define TICKET_MAX_PENDING     256
#define TICKET_MAX_PER_SESSION 4

enum ticket_decision {
	TICKET_PENDING,
	TICKET_READY,
	TICKET_REFUSED,
	TICKET_TOO_LATE, /* its session has ended */
	TICKET_STUCK	 /* its desktop was suspended, and its host cannot resume it */
};

/* In the others nobody is logged in inside yet, or not any more. */
static const char *const ticket_shown_states[] = { "assigned", "active", "disconnected", NULL };

struct ticket_table {
	struct broker *broker;
	GHashTable *pending; /* hash -> struct ticket */
};

struct ticket {
	struct ticket_table *table;
	struct http_request *request;
	enum ticket_decision decision;
	char secret[ID_SECRET_SIZE];
	char password[ID_PASSWORD_SIZE];
	char *hash;
	char *session;
	char *user;
	char *desktop;
	char *host;
	char *proxy;
	char *protocol;
	gint64 generation;
	json_t *report; /* what the host said, once decided */
	guint deadline;
};

static void
ticket_issue_free(gpointer data)
{
	struct ticket *ticket = data;

	explicit_bzero(ticket->secret, sizeof(ticket->secret));
	explicit_bzero(ticket->password, sizeof(ticket->password));
	if (ticket->deadline)
		g_source_remove(ticket->deadline);
	json_decref(ticket->report);
	g_free(ticket->hash);
	g_free(ticket->session);
	g_free(ticket->user);
	g_free(ticket->desktop);
	g_free(ticket->host);
	g_free(ticket->proxy);
	g_free(ticket->protocol);
	g_free(ticket);
}

struct ticket_table *
ticket_table_new(struct broker *broker)
{
	struct ticket_table *table = g_new0(struct ticket_table, 1);

	table->broker = broker;
	table->pending = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, ticket_issue_free);
	return table;
}

void
ticket_table_free(struct ticket_table *table)
{
	GHashTableIter iter;
	gpointer value;

	if (!table)
		return;
	g_hash_table_iter_init(&iter, table->pending);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		problem_respond(((struct ticket *)value)->request, 503, "server.stopping",
				"the broker is stopping; try again in a moment");
	g_hash_table_unref(table->pending);
	g_free(table);
}

/* Nobody waits for it any more. */
static void
ticket_issue_void(const struct ticket *ticket)
{
	store_change(
		ticket->table->broker->store, NULL,
		"UPDATE ticket SET state = 'void' WHERE hash = $1 AND state IN ('sent', 'ready')",
		"s", ticket->hash);
}

static gboolean
ticket_issue_handle_deadline(gpointer data)
{
	struct ticket *ticket = data;
	struct ticket_table *table = ticket->table;

	ticket->deadline = 0;
	ticket_issue_void(ticket);
	log_warning(
		"host '%s' did not acknowledge a ticket for desktop=%s session=%s in time; it is void",
		ticket->host, ticket->desktop, ticket->session);
	problem_respond(ticket->request, 503, "ticket.timeout",
			"the desktop's host does not answer in time; try again in a moment");
	g_hash_table_remove(table->pending, ticket->hash);
	return G_SOURCE_REMOVE;
}

/* The open session of this user with its desktop; a stranger's session looks like none. */
static json_t *
ticket_issue_find_session(struct store *store, const struct http_request *request)
{
	return store_query_one(
		store, NULL,
		"SELECT s.id AS session, s.user AS user, s.desktop AS desktop, s.generation AS generation,"
		" d.state AS state, d.suspend AS suspend, h.maintenance AS maintenance, d.host AS host, h.instance AS instance, h.proxy AS proxy FROM session s"
		" JOIN desktop d ON d.id = s.desktop JOIN host h ON h.name = d.host"
		" WHERE s.id = $1 AND s.user = $2 AND s.closed_ms IS NULL",
		"ss", request->name, request->identity.user);
}

static guint
ticket_issue_count(const struct ticket_table *table, const char *session)
{
	GHashTableIter iter;
	gpointer value;
	guint count = 0;

	g_hash_table_iter_init(&iter, table->pending);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		count += strcmp(((const struct ticket *)value)->session, session) == 0;
	return count;
}

static struct ticket *
ticket_issue_new(struct ticket_table *table, const json_t *session, const char *protocol)
{
	struct ticket *ticket = g_new0(struct ticket, 1);

	ticket->table = table;
	if (id_new_secret(ticket->secret) < 0 || id_new_secret(ticket->password) < 0) {
		ticket_issue_free(ticket);
		return NULL;
	}
	ticket->hash = hash_text(ticket->secret);
	ticket->session = g_strdup(json_get_text(session, "session", ""));
	ticket->user = g_strdup(json_get_text(session, "user", ""));
	ticket->desktop = g_strdup(json_get_text(session, "desktop", ""));
	ticket->host = g_strdup(json_get_text(session, "host", ""));
	ticket->proxy = g_strdup(json_get_text(session, "proxy", ""));
	ticket->protocol = g_strdup(protocol);
	ticket->generation = json_get_integer(session, "generation", 0);
	return ticket;
}

static gboolean
ticket_issue_store(struct ticket_table *table, const struct ticket *ticket, const char *instance,
		   GError **error)
{
	return store_change(
		       table->broker->store, error,
		       "INSERT INTO ticket (hash, session, desktop, generation, host, instance, protocol, state, created_ms)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, 'sent', $8)",
		       "sssisssi", ticket->hash, ticket->session, ticket->desktop,
		       ticket->generation, ticket->host, instance, ticket->protocol,
		       broker_now_ms()) == 1;
}

/* Has a newer ticket of the session been used than the one that the viewer lost its display with ("after")? */
static gboolean
ticket_issue_was_replaced(struct store *store, const struct http_request *request)
{
	return store_query_integer(
		       store, NULL, 0,
		       "SELECT count(*) FROM ticket mine JOIN ticket newer ON newer.session = mine.session"
		       " AND newer.created_ms > mine.created_ms AND newer.state = 'spent'"
		       " WHERE mine.hash = $1 AND mine.session = $2",
		       "ss", json_get_text(request->body, "after", ""), request->name) > 0;
}

/*
 * Who opens a suspended desktop has it resumed, and waits. A viewer that lost its display to that comes again by itself: it
 * leaves it to its user to ask for the desktop. FALSE when that was responded.
 */
static gboolean
ticket_issue_wake(struct ticket_table *table, struct http_request *request, const json_t *session)
{
	const char *state = json_get_text(session, "state", "");
	gboolean suspended = json_get_integer(session, "suspend", 0) != 0 ||
			     json_get_integer(session, "maintenance", 0) != 0 ||
			     strcmp(state, "suspending") == 0 || strcmp(state, "suspended") == 0;
	g_autoptr(GError) error = NULL;

	if (!suspended)
		return TRUE;
	if (json_get_integer(session, "maintenance", 0) != 0) {
		problem_respond(
			request, 409, "host.maintenance",
			"the desktop's host is in maintenance; it goes on when that is over");
	} else if (json_get_text(request->body, "after", "")[0] != '\0') {
		problem_respond(request, 409, "session.suspended",
				"the desktop was suspended; open it again and it goes on");
	} else if (assign_wake(table->broker->store, json_get_text(session, "desktop", ""),
			       &error)) {
		log_info("desktop=%s is resumed for '%s'", json_get_text(session, "desktop", ""),
			 request->identity.user);
		return TRUE;
	} else {
		problem_respond_error(request, error);
	}
	return FALSE;
}

void
ticket_issue_begin(struct ticket_table *table, struct http_request *request, const char *protocol)
{
	json_t *session = ticket_issue_find_session(table->broker->store, request);
	const char *state = json_get_text(session, "state", "");
	gboolean on_its_way = !g_strv_contains(ticket_shown_states, state);
	g_autoptr(GError) error = NULL;
	struct ticket *ticket;

	if (!session) {
		problem_respond(request, 404, "session.unknown",
				"you have no open session with that id");
		return;
	}
	if (ticket_issue_was_replaced(table->broker->store, request)) {
		problem_respond(request, 409, "session.elsewhere",
				"the desktop was opened in another viewer since");
		json_decref(session);
		return;
	}
	if (!ticket_issue_wake(table, request, session)) {
		json_decref(session);
		return;
	}
	if (g_hash_table_size(table->pending) >= TICKET_MAX_PENDING ||
	    ticket_issue_count(table, request->name) >= TICKET_MAX_PER_SESSION) {
		problem_respond(request, 503, "ticket.busy",
				"too many tickets are being made; try again in a moment");
		json_decref(session);
		return;
	}
	ticket = ticket_issue_new(table, session, protocol);
	if (!ticket ||
	    !ticket_issue_store(table, ticket, json_get_text(session, "instance", ""), &error)) {
		problem_respond_error(request, error);
		g_clear_pointer(&ticket, ticket_issue_free);
		json_decref(session);
		return;
	}
	ticket->request = request;
	ticket->deadline = g_timeout_add_seconds(on_its_way ? API_TICKET_MAX_S : TICKET_DEADLINE_S,
						 ticket_issue_handle_deadline, ticket);
	g_hash_table_insert(table->pending, ticket->hash, ticket);
	json_decref(session);
	host_sync_notify(table->broker->hosts);
}

/* A desktop shows nothing to its user before the log-in inside is done: until then its tickets wait here. */
static gboolean
ticket_issue_desktop_is_up(struct ticket_table *table, const struct ticket *ticket)
{
	json_t *row = store_query_one(
		table->broker->store, NULL,
		"SELECT state FROM desktop WHERE id = $1 AND generation = $2 AND want = 'ready'",
		"si", ticket->desktop, ticket->generation);
	gboolean up = g_strv_contains(ticket_shown_states, json_get_text(row, "state", ""));

	json_decref(row);
	return up;
}

json_t *
ticket_issue_list(struct ticket_table *table, const char *host)
{
	json_t *list = json_array();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, table->pending);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct ticket *ticket = value;

		if (strcmp(ticket->host, host) != 0 || ticket->decision != TICKET_PENDING ||
		    !ticket_issue_desktop_is_up(table, ticket))
			continue;
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:i}", "hash",
						ticket->hash, "password", ticket->password,
						"desktop", ticket->desktop, "generation",
						(json_int_t)ticket->generation, "session",
						ticket->session, "user", ticket->user, "protocol",
						ticket->protocol, "ttl_ms", TICKET_TTL_MS));
	}
	return list;
}

gboolean
ticket_issue_note(struct ticket_table *table, const char *host, const json_t *report,
		  GError **error)
{
	const char *hash = json_get_text(report, "hash", "");
	const char *state = json_get_text(report, "state", "");
	struct ticket *ticket = g_hash_table_lookup(table->pending, hash);

	if (ticket && strcmp(ticket->host, host) == 0 && ticket->decision == TICKET_PENDING) {
		ticket->decision = strcmp(state, "ready") == 0 ? TICKET_READY : TICKET_REFUSED;
		ticket->report = json_deep_copy(report);
	}
	/* A state goes forward only; what the host repeats changes nothing. */
	return store_change(
		       table->broker->store, error,
		       "UPDATE ticket SET state = $1 WHERE hash = $2 AND host = $3 AND state IN ('sent', 'ready')"
		       " AND state <> $1",
		       "sss", state, hash, host) >= 0;
}

static void
ticket_issue_respond_ready(struct ticket *ticket)
{
	json_t *vv = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:s}", "type",
			       ticket->protocol, "host", ticket->secret, "password",
			       ticket->password, "proxy", ticket->proxy, "tls-port",
			       (json_int_t)json_get_integer(ticket->report, "tls_port", 0), "ca",
			       json_get_text(ticket->report, "ca", ""), "host-subject",
			       json_get_text(ticket->report, "host_subject", ""), "secure-channels",
			       "all", "delete-this-file", 1, "title", ticket->desktop);

	http_respond(ticket->request, 200, json_pack("{s:o}", "vv", vv));
}

static gboolean
ticket_issue_session_is_open(struct ticket_table *table, const struct ticket *ticket)
{
	return store_query_integer(
		       table->broker->store, NULL, 0,
		       "SELECT count(*) FROM session WHERE id = $1 AND closed_ms IS NULL", "s",
		       ticket->session) == 1;
}

/* Its host tries again, which may help or not: nobody should have to wait for that without a word. */
static gboolean
ticket_issue_is_stuck(struct ticket_table *table, const struct ticket *ticket)
{
	return store_query_integer(table->broker->store, NULL, 0,
				   "SELECT count(*) FROM desktop WHERE id = $1 AND generation = $2"
				   " AND state = 'suspended' AND suspend = 0 AND error <> ''",
				   "si", ticket->desktop, ticket->generation) == 1;
}

static void
ticket_issue_respond_stuck(struct ticket *ticket)
{
	ticket_issue_void(ticket);
	problem_respond(
		ticket->request, 503, "desktop.stuck",
		"the desktop was suspended, and its host cannot resume it; that is tried again, and "
		"'carrel desktop list' says why");
}

static gboolean
ticket_issue_answer_one(gpointer key, gpointer value, gpointer data)
{
	struct ticket *ticket = value;

	(void)key;
	if (!ticket_issue_session_is_open(data, ticket))
		ticket->decision = TICKET_TOO_LATE;
	else if (ticket->decision == TICKET_PENDING && ticket_issue_is_stuck(data, ticket))
		ticket->decision = TICKET_STUCK;
	if (ticket->decision == TICKET_PENDING)
		return FALSE;
	if (ticket->decision == TICKET_READY)
		ticket_issue_respond_ready(ticket);
	else if (ticket->decision == TICKET_STUCK)
		ticket_issue_respond_stuck(ticket);
	else if (ticket->decision == TICKET_TOO_LATE)
		problem_respond(ticket->request, 404, "session.unknown",
				"the session has ended; its desktop is not there any more");
	else
		problem_respond(
			ticket->request, 409, "ticket.refused",
			"the desktop's host refused the ticket (%s); try again, and look at the desktop if it stays so",
			json_get_text(ticket->report, "state", "void"));
	return TRUE;
}

void
ticket_issue_answer(struct ticket_table *table)
{
	g_hash_table_foreach_remove(table->pending, ticket_issue_answer_one, table);
}

gboolean
ticket_issue_void_host(struct ticket_table *table, const char *host, GError **error)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, table->pending);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ticket *ticket = value;

		if (strcmp(ticket->host, host) == 0 && ticket->decision == TICKET_PENDING)
			ticket->decision = TICKET_REFUSED;
	}
	return store_change(
		       table->broker->store, error,
		       "UPDATE ticket SET state = 'void' WHERE host = $1 AND state IN ('sent', 'ready')",
		       "s", host) >= 0;
}
