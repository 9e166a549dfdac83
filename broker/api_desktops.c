/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_desktops.c - desktops and hosts (carrel-broker)
 */
#include <string.h>

#include "base/log.h"
#include "broker/api.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/host_sync.h"
#include "broker/http.h"
#include "broker/moves.h"
#include "broker/problem.h"
#include "broker/store.h"

#define DESKTOP_COLUMNS                                                                                   \
	"d.id AS id, d.generation AS generation, d.pool AS pool, d.host AS host, d.template AS template," \
	" d.version AS version, d.engine AS engine, " ASSIGN_DESKTOP_WANT                                 \
	" AS want, d.state AS state, d.move_to AS move_to,"                                               \
	" CASE WHEN d.error <> '' THEN d.error ELSE d.move_error END AS error,"                           \
	" d.created_ms AS created_ms, s.id AS session, s.user AS user FROM desktop d LEFT JOIN session s" \
	" ON s.desktop = d.id AND s.closed_ms IS NULL"

void
api_desktops_list(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *rows =
		store_query(broker->store, &error,
			    "SELECT " DESKTOP_COLUMNS
			    " WHERE d.state <> 'gone' AND d.id > $1 ORDER BY d.id LIMIT $2",
			    "si", request->after ? request->after : "", (gint64)BROKER_PAGE_ROWS);

	if (rows)
		api_list_respond(request, "desktops", "id", rows);
	else
		problem_respond_error(request, error);
}

static json_t *
api_desktops_find(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *row =
		store_query_one(broker->store, &error, "SELECT " DESKTOP_COLUMNS " WHERE d.id = $1",
				"s", request->name);

	if (!row)
		problem_respond_unknown(request, "desktop", error);
	return row;
}

void
api_desktops_show(struct broker *broker, struct http_request *request)
{
	json_t *row = api_desktops_find(broker, request);

	if (row)
		http_respond(request, 200, row);
}

/* Of what is wanted gone its host hears with any answer, whether there is room for the order or not. */
static gboolean
api_desktops_goes(struct broker *broker, const char *id)
{
	return store_query_integer(broker->store, NULL, 0,
				   "SELECT count(*) FROM desktop WHERE id = $1 AND want = 'gone'",
				   "s", id) > 0;
}

static void
api_desktops_send_order(struct broker *broker, struct http_request *request, const char *host,
			const char *verb)
{
	gboolean waits = strcmp(verb, "screenshot") == 0; /* for the picture */
	gboolean goes = strcmp(verb, "stop") == 0 && api_desktops_goes(broker, request->name);
	gint64 number =
		host_sync_request(broker->hosts, host, verb, request->name, waits ? request : NULL);

	if (goes)
		host_sync_reconcile(broker->hosts);
	if ((number > 0 && !waits) || goes)
		http_respond(request, 202, json_pack("{s:I}", "request", (json_int_t)number));
	else if (number == 0)
		problem_respond(request, 503, "host.busy",
				"the host has too many requests waiting; is it running?");
}

static void
api_desktops_order(struct broker *broker, struct http_request *request, const char *verb)
{
	json_t *row = api_desktops_find(broker, request);
	g_autoptr(GError) error = NULL;

	if (!row)
		return;
	if (strcmp(json_get_text(row, "state", ""), "gone") == 0 ||
	    strcmp(json_get_text(row, "state", ""), "failed") == 0) {
		problem_respond(request, 409, "desktop.gone", "desktop %s does not run any more",
				request->name);
	} else if (strcmp(verb, "stop") == 0 &&
		   !moves_give_up(broker->store, request->name, &error)) {
		problem_respond_error(request, error);
	} else {
		api_desktops_send_order(broker, request, json_get_text(row, "host", ""), verb);
	}
	json_decref(row);
}

void
api_desktops_stop(struct broker *broker, struct http_request *request)
{
	api_desktops_order(broker, request, "stop");
}

void
api_desktops_powerdown(struct broker *broker, struct http_request *request)
{
	api_desktops_order(broker, request, "powerdown");
}

void
api_desktops_screenshot(struct broker *broker, struct http_request *request)
{
	api_desktops_order(broker, request, "screenshot");
}

static void
api_desktops_respond_wanted(struct broker *broker, struct http_request *request)
{
	json_t *row = api_desktops_find(broker, request);

	if (row)
		http_respond(request, 202, row);
}

/* What is wanted is kept, and its host makes it so: at once, or when it is there again. */
static void
api_desktops_want(struct broker *broker, struct http_request *request, gboolean suspended)
{
	json_t *row = api_desktops_find(broker, request);
	g_autoptr(GError) error = NULL;
	gint64 changed;

	if (!row)
		return;
	changed = store_change(broker->store, &error,
			       "UPDATE desktop SET suspend = $1 WHERE id = $2 AND want = 'ready'"
			       " AND state NOT IN ('retiring', 'gone', 'failed')",
			       "is", (gint64)suspended, request->name);
	json_decref(row);
	if (changed < 0) {
		problem_respond_error(request, error);
		return;
	}
	if (changed == 0) {
		problem_respond(request, 409, "desktop.gone", "desktop %s does not run any more",
				request->name);
		return;
	}
	log_info("desktop=%s shall be %s, says '%s'", request->name,
		 suspended ? "suspended" : "resumed", request->identity.user);
	host_sync_reconcile(broker->hosts);
	api_desktops_respond_wanted(broker, request);
}

void
api_desktops_suspend(struct broker *broker, struct http_request *request)
{
	api_desktops_want(broker, request, TRUE);
}

void
api_desktops_resume(struct broker *broker, struct http_request *request)
{
	api_desktops_want(broker, request, FALSE);
}

/* As above; what its host or the other one finds against it is told in the list. */
void
api_desktops_move(struct broker *broker, struct http_request *request)
{
	const char *host = json_get_text(request->body, "host", "");

	if (!moves_begin(broker->store, request, host))
		return;
	log_info("desktop=%s shall be moved to host '%s', says '%s'", request->name, host,
		 request->identity.user);
	host_sync_reconcile(broker->hosts);
	api_desktops_respond_wanted(broker, request);
}

static void
api_desktops_unpack_host(json_t *row)
{
	api_list_unpack(row, "engines");
	json_object_set_new(row, "drain", json_boolean(json_get_integer(row, "drain", 0) != 0));
	json_object_set_new(row, "maintenance",
			    json_boolean(json_get_integer(row, "maintenance", 0) != 0));
}

void
api_hosts_list(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *rows = store_query(
		broker->store, &error,
		"SELECT name, seen_ms, drain, maintenance, ram_mib, ram_free_mib, cpus, engines, proxy, (SELECT count(*) FROM"
		" desktop d WHERE d.host = host.name AND d.want = 'ready') AS desktops FROM host"
		" WHERE name > $1 ORDER BY name LIMIT $2",
		"si", request->after ? request->after : "", (gint64)BROKER_PAGE_ROWS);

	if (!rows) {
		problem_respond_error(request, error);
		return;
	}
	for (gsize i = 0; i < json_array_size(rows); i++)
		api_desktops_unpack_host(json_array_get(rows, i));
	api_list_respond(request, "hosts", "name", rows);
}

/* What the body does not name stays: -1. */
static gint64
api_hosts_get_wish(const struct http_request *request, const char *name)
{
	return json_object_get(request->body, name) ? json_get_flag(request->body, name, FALSE)
						    : -1;
}

void
api_hosts_change(struct broker *broker, struct http_request *request)
{
	gint64 drain = api_hosts_get_wish(request, "drain");
	gint64 maintenance = api_hosts_get_wish(request, "maintenance");
	g_autoptr(GError) error = NULL;
	gint64 changed;

	if (drain < 0 && maintenance < 0) {
		problem_respond(request, 400, "request.body", "give 'drain' or 'maintenance'");
		return;
	}
	changed = store_change(
		broker->store, &error,
		"UPDATE host SET drain = CASE WHEN $1 < 0 THEN drain ELSE $1 END,"
		" maintenance = CASE WHEN $2 < 0 THEN maintenance ELSE $2 END WHERE name = $3",
		"iis", drain, maintenance, request->name);
	if (changed <= 0) {
		problem_respond_unknown(request, "host", error);
		return;
	}
	if (drain >= 0)
		log_info("host '%s' is %s by '%s'", request->name, drain ? "drained" : "resumed",
			 request->identity.user);
	if (maintenance >= 0)
		log_info("host '%s' is %s maintenance, says '%s'", request->name,
			 maintenance ? "in" : "out of", request->identity.user);
	host_sync_reconcile(broker->hosts);
	http_respond(request, 200, json_incref(request->body));
}

void
api_hosts_sync(struct broker *broker, struct http_request *request)
{
	host_sync_handle(broker->hosts, request);
}
