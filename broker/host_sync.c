/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_sync.c - the one call between carrel-hostd and the broker (carrel-broker)
 *
 * How it works: a report is checked, then applied in one transaction (host_report.c), then pools are reconciled. The answer
 * is made from the store each time (host_sync_make_answer); its digest tells whether it differs from the last one, and
 * then its number grows. A host whose "seen" is not that number is answered at once; otherwise the request waits
 * until host_sync_notify() finds a new digest, a newer request of the same host comes, or HOST_SYNC_WAIT_S have gone.
 * Numbers begin at the time of the broker's start, so that none of an earlier broker's is taken for a new one.
 */
#include "broker/host_sync.h"

#include <string.h>

#include "base/log.h"
#include "base/name.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/host_orders.h"
#include "broker/host_report.h"
#include "broker/http.h"
#include "broker/moves.h"
#include "broker/pools.h"
#include "broker/problem.h"
#include "broker/store.h"
#include "broker/ticket_issue.h"
#include "common/hash.h"

#define HOST_SYNC_WAIT_S    20
#define HOST_SYNC_MAX_HOSTS 64

struct host_table {
	struct broker *broker;
	GHashTable *hosts; /* name -> struct host */
	gint64 next_number;
	gint64 next_request;
	guint notify;
};

struct host {
	struct host_table *table;
	char *name;
	gint64 number;
	gint64 acknowledged;
	char *digest;		      /* of the answer with that number */
	struct http_request *request; /* waits, or NULL */
	guint timeout;
	struct host_orders *orders;
};

static void
host_sync_free_host(gpointer data)
{
	struct host *host = data;

	if (host->timeout)
		g_source_remove(host->timeout);
	host_orders_free(host->orders);
	g_free(host->digest);
	g_free(host->name);
	g_free(host);
}

struct host_table *
host_table_new(struct broker *broker)
{
	struct host_table *table = g_new0(struct host_table, 1);

	table->broker = broker;
	table->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, host_sync_free_host);
	table->next_number = broker_now_ms();
	table->next_request = table->next_number;
	return table;
}

void
host_table_free(struct host_table *table)
{
	if (!table)
		return;
	if (table->notify)
		g_source_remove(table->notify);
	g_hash_table_unref(table->hosts);
	g_free(table);
}

static struct host *
host_sync_get(struct host_table *table, const char *name)
{
	struct host *host = g_hash_table_lookup(table->hosts, name);

	if (host || g_hash_table_size(table->hosts) >= HOST_SYNC_MAX_HOSTS)
		return host;
	host = g_new0(struct host, 1);
	host->table = table;
	host->name = g_strdup(name);
	host->orders = host_orders_new();
	g_hash_table_insert(table->hosts, host->name, host);
	return host;
}

static json_t *
host_sync_make_session(const json_t *row)
{
	if (!json_is_string(json_object_get(row, "session")))
		return json_null();
	return json_pack("{s:s, s:s, s:o, s:{s:s, s:s}, s:s, s:s}", "id",
			 json_get_text(row, "session", ""), "user", json_get_text(row, "user", ""),
			 "groups", json_loads(json_get_text(row, "groups", "[]"), 0, NULL),
			 "keyboard", "layout", json_get_text(row, "keyboard", ""), "variant",
			 json_get_text(row, "variant", ""), "locale",
			 json_get_text(row, "locale", ""), "timezone",
			 json_get_text(row, "timezone", ""));
}

static json_t *
host_sync_list_desktops(struct store *store, const char *host)
{
	json_t *rows = store_query(
		store, NULL,
		"SELECT d.id AS id, d.generation AS generation, d.pool AS pool, d.template AS template,"
		" d.version AS version, d.engine AS engine, d.kind AS kind, d.ram_mib AS ram_mib,"
		" d.network AS network, " ASSIGN_DESKTOP_WANT
		" AS want, s.id AS session, s.user AS user, s.groups AS groups,"
		" s.keyboard AS keyboard, s.variant AS variant, s.locale AS locale, s.timezone AS timezone"
		" FROM desktop d LEFT JOIN session s ON s.desktop = d.id AND s.closed_ms IS NULL"
		" WHERE d.host = $1 AND d.state <> 'gone' AND NOT (d.state = 'failed' AND d.want = 'gone')"
		" ORDER BY d.created_ms, d.id",
		"s", host);
	static const char *const of_session[] = { "user",    "groups", "keyboard",
						  "variant", "locale", "timezone" };

	for (gsize i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		json_object_set_new(row, "session", host_sync_make_session(row));
		for (gsize k = 0; k < G_N_ELEMENTS(of_session); k++)
			json_object_del(row, of_session[k]);
	}
	return rows ? rows : json_array();
}

/* What the host has begun by itself is its own. */
static json_t *
host_sync_list_jobs(struct store *store, const char *host)
{
	json_t *rows = store_query(
		store, NULL,
		"SELECT id, kind, arguments, cancel FROM job WHERE host = $1"
		" AND kind <> 'seal' AND state IN ('queued', 'running') ORDER BY created_ms, id",
		"s", host);

	for (gsize i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		json_object_set_new(row, "arguments",
				    json_loads(json_get_text(row, "arguments", "{}"), 0, NULL));
		json_object_set_new(row, "cancel",
				    json_boolean(json_get_integer(row, "cancel", 0) != 0));
	}
	return rows ? rows : json_array();
}

/* Revoked sessions stay in the answer until their desktop is gone: a restart on either side loses none. */
static json_t *
host_sync_list_revoked(struct store *store, const char *host)
{
	json_t *rows = store_query(
		store, NULL,
		"SELECT s.id AS id FROM session s JOIN desktop d ON d.id = s.desktop WHERE d.host = $1"
		" AND s.revoked = 1 AND d.state NOT IN ('gone', 'failed') ORDER BY s.id",
		"s", host);
	json_t *list = json_array();

	for (gsize i = 0; i < json_array_size(rows); i++)
		json_array_append(list, json_object_get(json_array_get(rows, i), "id"));
	json_decref(rows);
	return list;
}

/* What the host shall have, without number. The number grows when it differs from the last one. */
static json_t *
host_sync_make_answer(struct host *host)
{
	struct broker *broker = host->table->broker;
	json_t *answer = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "v", 1, "desktops",
				   host_sync_list_desktops(broker->store, host->name), "left",
				   moves_list_left(broker->store, host->name), "jobs",
				   host_sync_list_jobs(broker->store, host->name), "tickets",
				   ticket_issue_list(broker->tickets, host->name), "requests",
				   host_orders_list(host->orders), "revoked",
				   host_sync_list_revoked(broker->store, host->name));
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
	g_autofree char *digest = hash_text(text);

	explicit_bzero(text, strlen(text));
	free(text);
	if (g_strcmp0(digest, host->digest) != 0) {
		g_free(host->digest);
		host->digest = g_steal_pointer(&digest);
		host->number = ++host->table->next_number;
		host_orders_stamp(host->orders, host->number);
	}
	return answer;
}

static void
host_sync_respond(struct host *host, json_t *answer)
{
	struct http_request *request = g_steal_pointer(&host->request);

	if (host->timeout)
		g_source_remove(host->timeout);
	host->timeout = 0;
	json_object_set_new(answer, "number", json_integer(host->number));
	json_object_set_new(answer, "acknowledged", json_integer(host->acknowledged));
	http_respond(request, 200, answer);
}

/* Answers the waiting request if there is something new for it. */
static void
host_sync_look(struct host *host)
{
	gint64 before = host->number;
	json_t *answer;

	if (!host->request)
		return;
	answer = host_sync_make_answer(host);
	if (host->number != before)
		host_sync_respond(host, answer);
	else
		json_decref(answer);
}

static gboolean
host_sync_handle_notify(gpointer data)
{
	struct host_table *table = data;
	GHashTableIter iter;
	gpointer value;

	table->notify = 0;
	g_hash_table_iter_init(&iter, table->hosts);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		host_sync_look(value);
	return G_SOURCE_REMOVE;
}

void
host_sync_notify(struct host_table *table)
{
	if (table->notify == 0)
		table->notify = g_idle_add(host_sync_handle_notify, table);
}

void
host_sync_reconcile(struct host_table *table)
{
	g_autoptr(GError) error = NULL;
	gboolean changed;

	if (!pools_reconcile(table->broker->store, &changed, &error))
		log_error(
			"the pools' desktops could not be counted: %s; the next change tries again",
			error ? error->message : "no reason given");
	ticket_issue_answer(table->broker->tickets);
	host_sync_notify(table);
}

static gboolean
host_sync_handle_timeout(gpointer data)
{
	struct host *host = data;

	host->timeout = 0;
	host_sync_respond(host, host_sync_make_answer(host));
	return G_SOURCE_REMOVE;
}

/* What the host has seen and done of its orders. */
static void
host_sync_settle_orders(struct host *host, const json_t *report)
{
	gint64 seen = json_get_integer(report, "seen", 0);

	if (seen <= host->number)
		host_orders_drop_seen(host->orders, seen);
	host_orders_take_answers(host->orders, json_object_get(report, "answers"));
}

static gboolean
host_sync_apply(struct host *host, const json_t *report, GError **error)
{
	struct broker *broker = host->table->broker;

	/* Its number is another one from here on, when anything has changed since the last. */
	json_decref(host_sync_make_answer(host));
	if (!store_begin(broker->store, error))
		return FALSE;
	if (host_report_apply(broker, host->name, report, host->number, &host->acknowledged,
			      error) &&
	    store_commit(broker->store, error))
		return TRUE;
	store_rollback(broker->store);
	return FALSE;
}

static void
host_sync_wait(struct host *host, struct http_request *request)
{
	gboolean news = json_array_size(json_object_get(request->body, "events")) > 0;
	gint64 seen = json_get_integer(request->body, "seen", 0);
	json_t *answer;

	host->request = request;
	answer = host_sync_make_answer(host);
	if (news || seen != host->number) {
		host_sync_respond(host, answer);
		return;
	}
	json_decref(answer);
	host->timeout = g_timeout_add_seconds(HOST_SYNC_WAIT_S, host_sync_handle_timeout, host);
}

void
host_sync_handle(struct host_table *table, struct http_request *request)
{
	struct host *host = name_valid(request->name) ? host_sync_get(table, request->name) : NULL;
	struct json_problem problem;
	g_autoptr(GError) error = NULL;

	if (!host) {
		problem_respond(request, 400, "host.name",
				"that is no host name, or there are more than %d hosts",
				HOST_SYNC_MAX_HOSTS);
		return;
	}
	if (!request->body || host_report_check(request->body, &problem) < 0) {
		problem_respond(request, 400, "request.body", "%s",
				request->body ? problem.text : "the report is missing");
		return;
	}
	if (host->request)
		host_sync_respond(host, host_sync_make_answer(host));
	if (!host_sync_apply(host, request->body, &error)) {
		problem_respond_error(request, error);
		return;
	}
	host_sync_settle_orders(host, request->body);
	host_sync_reconcile(table);
	host_sync_wait(host, request);
}

gint64
host_sync_request(struct host_table *table, const char *host_name, const char *verb,
		  const char *desktop, struct http_request *waiting)
{
	struct host *host = host_sync_get(table, host_name);
	gint64 id = table->next_request + 1;

	if (!host || !host_orders_add(host->orders, id, verb, desktop, waiting))
		return 0;
	table->next_request = id;
	host_sync_notify(table);
	return id;
}
