/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_pools.c - pools, and desktops out of them (carrel-broker)
 *
 * A pool is open to the users and the members of the groups it names; '*' among the users is everybody. One that names
 * nobody is open to nobody. Who may not use a pool does not see it either, except operators.
 */
#include <string.h>

#include "base/name.h"
#include "base/proto_auth.h"
#include "broker/api.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/host_sync.h"
#include "broker/http.h"
#include "broker/pools.h"
#include "broker/problem.h"
#include "broker/routes.h"
#include "broker/store.h"

#define POOL_COLUMNS                                                                                                       \
	"p.name AS name, p.template AS template, p.version AS version, p.size AS size, p.spare AS spare,"                  \
	" p.auto_spare AS auto_spare, p.users AS users,"                                                                   \
	" p.groups AS groups, p.network AS network, p.policy AS policy, p.created_ms AS created_ms,"                       \
	" (SELECT count(*) FROM desktop d WHERE d.pool = p.name AND d.want = 'ready' AND d.state = 'ready' AND NOT EXISTS" \
	" (SELECT 1 FROM session s WHERE s.desktop = d.id AND s.closed_ms IS NULL)) AS ready,"                             \
	" (SELECT count(*) FROM session s WHERE s.pool = p.name AND s.closed_ms IS NULL) AS used"

static gboolean
api_pools_list_holds(const json_t *list, const char *text)
{
	for (gsize i = 0; i < json_array_size(list); i++)
		if (g_strcmp0(json_string_value(json_array_get(list, i)), text) == 0)
			return TRUE;
	return FALSE;
}

static gboolean
api_pools_entitled(const struct http_identity *identity, const json_t *pool)
{
	const json_t *users = json_object_get(pool, "users");
	const json_t *groups = json_object_get(pool, "groups");

	if (api_pools_list_holds(users, "*") || api_pools_list_holds(users, identity->user))
		return TRUE;
	for (gsize i = 0; i < json_array_size(groups); i++)
		if (api_pools_list_holds(identity->groups,
					 json_string_value(json_array_get(groups, i))))
			return TRUE;
	return FALSE;
}

/* From the store's columns to the API's: lists, the version as part of the template's name, why it rests. */
static void
api_pools_unpack(struct store *store, json_t *row)
{
	gint64 version = json_get_integer(row, "version", 0);
	gint64 spare = pools_choose_spare(store, row);

	api_list_unpack(row, "users");
	api_list_unpack(row, "groups");
	if (version > 0) {
		g_autofree char *full = g_strdup_printf(
			"%s@%" G_GINT64_FORMAT, json_get_text(row, "template", ""), version);

		json_object_set_new(row, "template", json_string(full));
	}
	json_object_set_new(row, "spare", json_integer(spare));
	json_object_set_new(row, "auto_spare",
			    json_boolean(json_get_integer(row, "auto_spare", 0) != 0));
	json_object_del(row, "version");
	json_object_set_new(row, "error",
			    json_string(pools_explain_rest(store, json_get_text(row, "name", ""))));
}

static json_t *
api_pools_read(struct broker *broker, const char *name, GError **error)
{
	json_t *row =
		store_query_one(broker->store, error,
				"SELECT " POOL_COLUMNS " FROM pool p WHERE p.name = $1", "s", name);

	if (row)
		api_pools_unpack(broker->store, row);
	return row;
}

static gboolean
api_pools_may_see(const struct http_request *request, const json_t *pool)
{
	return (request->identity.roles & ROUTE_ROLE_OPERATOR) ||
	       api_pools_entitled(&request->identity, pool);
}

/* The pool if it exists and the caller may see it. */
static json_t *
api_pools_find(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *row = api_pools_read(broker, request->name, &error);

	if (row && api_pools_may_see(request, row))
		return row;
	json_decref(row);
	problem_respond_unknown(request, "pool", error);
	return NULL;
}

void
api_pools_list(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *rows = store_query(
		broker->store, &error,
		"SELECT " POOL_COLUMNS " FROM pool p WHERE p.name > $1 ORDER BY p.name LIMIT $2",
		"si", request->after ? request->after : "", (gint64)BROKER_PAGE_ROWS);
	json_t *next;

	if (!rows) {
		problem_respond_error(request, error);
		return;
	}
	next = api_list_find_next(rows, "name");
	for (gsize i = json_array_size(rows); i-- > 0;) {
		json_t *row = json_array_get(rows, i);

		api_pools_unpack(broker->store, row);
		if (!api_pools_may_see(request, row))
			json_array_remove(rows, i);
	}
	http_respond(request, 200, json_pack("{s:o, s:o}", "pools", rows, "next", next));
}

void
api_pools_show(struct broker *broker, struct http_request *request)
{
	json_t *row = api_pools_find(broker, request);

	if (row)
		http_respond(request, 200, row);
}

static gboolean
api_pools_list_ok(const json_t *list, gboolean star)
{
	for (gsize i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || (!name_user_valid(text) && !(star && strcmp(text, "*") == 0)))
			return FALSE;
	}
	return TRUE;
}

static gboolean
api_pools_check_body(struct http_request *request)
{
	static const char *const networks[] = { "none", "passt", NULL };
	const json_t *body = request->body;

	if (!api_pools_list_ok(json_object_get(body, "users"), TRUE) ||
	    !api_pools_list_ok(json_object_get(body, "groups"), FALSE))
		problem_respond(request, 400, "pool.users",
				"'users' and 'groups' must hold names; '*' as a user is everybody");
	else if (!g_strv_contains(networks, json_get_text(body, "network", "none")))
		problem_respond(request, 400, "pool.network", "'network' must be none or passt");
	else if (strcmp(json_get_text(body, "policy", "destroy-on-logoff"), "destroy-on-logoff") !=
		 0)
		problem_respond(request, 400, "pool.policy", "'policy' must be destroy-on-logoff");
	else if (json_object_get(body, "spare") && json_get_flag(body, "auto_spare", FALSE))
		problem_respond(request, 400, "pool.spare",
				"'spare' is a number of yours, 'auto_spare' leaves it to the "
				"broker: one of them");
	else
		return TRUE;
	return FALSE;
}

/* A host must offer the network that the request asks for. */
static gboolean
api_pools_check_network(struct broker *broker, struct http_request *request)
{
	const char *network = json_get_text(request->body, "network", "none");
	g_autofree char *refusal = pools_find_network_refusal(broker->store, network);

	if (!refusal)
		return TRUE;
	problem_respond(request, 409, "pool.network-unavailable",
			"no host gives desktops a network (%s); or choose the network none",
			refusal);
	return FALSE;
}

/* The template must be there, and its host must have room for the whole pool. */
static gboolean
api_pools_check_room(struct broker *broker, struct http_request *request, const char *pool,
		     const char *text, gint64 size, char ret_template[NAME_SIZE],
		     uint32_t *ret_version)
{
	g_autoptr(GError) error = NULL;
	struct pools_room room = { 0 };

	if (name_parse_version(text, ret_template, ret_version) < 0)
		problem_respond(request, 400, "template.name",
				"'template' must be like debian-openbox or debian-openbox@3");
	else if (!pools_find_room(broker->store, pool, ret_template, *ret_version, &room, &error))
		problem_respond_error(request, error);
	else if (room.versions == 0)
		problem_respond(
			request, 409, "template.unknown",
			"no host has template '%s'; publish it first (carrel template publish) or look at carrel host list",
			text);
	else if (size > room.fits)
		problem_respond(
			request, 409, "pool.too-large",
			"%" G_GINT64_FORMAT " desktops of '%s' need %" G_GINT64_FORMAT
			" MiB (%" G_GINT64_FORMAT " MiB that they share and %" G_GINT64_FORMAT
			" MiB for each), but the host has %" G_GINT64_FORMAT
			" MiB not promised to other pools: choose a size of at most %" G_GINT64_FORMAT,
			size, text, room.ram_mib + size * room.charge_mib, room.ram_mib,
			room.charge_mib, room.free_mib, room.fits);
	else
		return TRUE;
	return FALSE;
}

static void
api_pools_respond_saved(struct broker *broker, struct http_request *request, guint status)
{
	json_t *row = api_pools_read(broker, request->name, NULL);

	host_sync_reconcile(broker->hosts);
	http_respond(request, status, row);
}

/* A number is the admin's choice; without a word about it, it stays as it was. */
static gboolean
api_pools_wants_auto(const json_t *body, gboolean was)
{
	return json_get_flag(body, "auto_spare", was && !json_object_get(body, "spare"));
}

static gboolean
api_pools_insert(struct broker *broker, struct http_request *request, const char *templ,
		 gint64 version, GError **error)
{
	const json_t *body = request->body;
	const json_t *users = json_object_get(body, "users");
	const json_t *groups = json_object_get(body, "groups");
	g_autofree char *users_text = users ? json_dumps(users, JSON_COMPACT) : g_strdup("[]");
	g_autofree char *groups_text = groups ? json_dumps(groups, JSON_COMPACT) : g_strdup("[]");
	gint64 size = json_get_integer(body, "size", 0);

	return store_change(
		       broker->store, error,
		       "INSERT INTO pool (name, template, version, size, spare, users, groups, network, policy,"
		       " idempotency_key, created_by, created_ms, auto_spare) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
		       " 'destroy-on-logoff', $9, $10, $11, $12)",
		       "ssiiisssssii", request->name, templ, version, size,
		       (gint64)json_get_integer(body, "spare", size), users_text, groups_text,
		       json_get_text(body, "network", "none"), request->idempotency_key,
		       request->identity.user, broker_now_ms(),
		       (gint64)api_pools_wants_auto(body, FALSE)) == 1;
}

void
api_pools_create(struct broker *broker, struct http_request *request)
{
	const json_t *body = request->body;
	g_autoptr(GError) error = NULL;
	char templ[NAME_SIZE];
	uint32_t version;

	request->name = g_strdup(json_get_text(body, "name", ""));
	if (!name_valid(request->name)) {
		problem_respond(
			request, 400, "pool.name",
			"a pool's name has 1 to 63 lower-case letters, digits and inner '-'");
		return;
	}
	if (!api_pools_check_body(request) ||
	    !api_pools_check_room(broker, request, request->name,
				  json_get_text(body, "template", ""),
				  json_get_integer(body, "size", 0), templ, &version) ||
	    !api_pools_check_network(broker, request))
		return;
	if (request->idempotency_key &&
	    store_query_integer(
		    broker->store, NULL, 0,
		    "SELECT count(*) FROM pool WHERE name = $1 AND idempotency_key = $2 AND created_by = $3",
		    "sss", request->name, request->idempotency_key, request->identity.user) == 1)
		api_pools_respond_saved(broker, request, 201);
	else if (api_pools_insert(broker, request, templ, version, &error))
		api_pools_respond_saved(broker, request, 201);
	else if (g_error_matches(error, STORE_ERROR, STORE_ERROR_CONSTRAINT))
		problem_respond(request, 409, "pool.exists",
				"there is a pool '%s' already; change it with PATCH",
				request->name);
	else
		problem_respond_error(request, error);
}

static gboolean
api_pools_update(struct broker *broker, const json_t *pool, const json_t *body, const char *templ,
		 gint64 version, gint64 size, GError **error)
{
	const json_t *users = json_object_get(body, "users");
	const json_t *groups = json_object_get(body, "groups");
	g_autofree char *users_text =
		json_dumps(users ? users : json_object_get(pool, "users"), JSON_COMPACT);
	g_autofree char *groups_text =
		json_dumps(groups ? groups : json_object_get(pool, "groups"), JSON_COMPACT);
	gint64 old_size = json_get_integer(pool, "size", 0);
	gint64 spare = json_get_integer(pool, "spare", 0);

	/* A pool that keeps all its desktops ready goes on doing so when it grows. */
	if (spare == old_size)
		spare = size;
	return store_change(
		       broker->store, error,
		       "UPDATE pool SET template = $1, version = $2, size = $3, spare = $4, users = $5, groups = $6,"
		       " network = $7, auto_spare = $8 WHERE name = $9",
		       "siiisssis", templ, version, size,
		       (gint64)json_get_integer(body, "spare", spare), users_text, groups_text,
		       json_get_text(body, "network", json_get_text(pool, "network", "none")),
		       (gint64)api_pools_wants_auto(body, json_get_flag(pool, "auto_spare", FALSE)),
		       json_get_text(pool, "name", "")) == 1;
}

/* A pool can always shrink or let other people in, even when its template is gone or its host has less memory now. */
static gboolean
api_pools_check_change(struct broker *broker, struct http_request *request, const json_t *pool,
		       gint64 size, char ret_template[NAME_SIZE], uint32_t *ret_version)
{
	const char *old = json_get_text(pool, "template", "");
	const char *new = json_get_text(request->body, "template", old);

	if (strcmp(old, new) == 0 && size <= json_get_integer(pool, "size", 0) &&
	    name_parse_version(old, ret_template, ret_version) == 0)
		return TRUE;
	return api_pools_check_room(broker, request, request->name, new, size, ret_template,
				    ret_version);
}

void
api_pools_change(struct broker *broker, struct http_request *request)
{
	json_t *pool = api_pools_find(broker, request);
	g_autoptr(GError) error = NULL;
	char templ[NAME_SIZE];
	uint32_t version;
	gint64 size;

	if (!pool)
		return;
	size = json_get_integer(request->body, "size", json_get_integer(pool, "size", 0));
	if (api_pools_check_body(request) &&
	    api_pools_check_change(broker, request, pool, size, templ, &version) &&
	    api_pools_check_network(broker, request)) {
		if (api_pools_update(broker, pool, request->body, templ, version, size, &error))
			api_pools_respond_saved(broker, request, 200);
		else
			problem_respond_error(request, error);
	}
	json_decref(pool);
}

static gboolean
api_pools_remove(struct broker *broker, const char *name, GError **error)
{
	if (!store_begin(broker->store, error))
		return FALSE;
	if (store_change(broker->store, error,
			 "UPDATE desktop SET want = 'gone', changed_ms = $1 WHERE pool = $2"
			 " AND want = 'ready'",
			 "is", broker_now_ms(), name) >= 0 &&
	    store_change(broker->store, error, "DELETE FROM pool WHERE name = $1", "s", name) >=
		    0 &&
	    store_commit(broker->store, error))
		return TRUE;
	store_rollback(broker->store);
	return FALSE;
}

void
api_pools_delete(struct broker *broker, struct http_request *request)
{
	json_t *pool = api_pools_find(broker, request);
	gint64 used = json_get_integer(pool, "used", 0);
	g_autoptr(GError) error = NULL;

	if (!pool)
		return;
	json_decref(pool);
	if (used > 0) {
		problem_respond(request, 409, "pool.busy",
				"%" G_GINT64_FORMAT
				" sessions of pool '%s' are open; end them first "
				"(carrel session revoke)",
				used, request->name);
	} else if (!api_pools_remove(broker, request->name, &error)) {
		problem_respond_error(request, error);
	} else {
		host_sync_notify(broker->hosts);
		http_respond(request, 204, NULL);
	}
}

static gboolean
api_pools_text_ok(const char *text)
{
	return text[strspn(
		       text,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,@:/+-")] ==
	       '\0';
}

static gboolean
api_pools_check_client(struct http_request *request, struct assign_request *assign)
{
	static const struct json_field keyboard_fields[] = {
		{ "layout", JSON_KIND_STRING, 1, 1, 32 },
		{ "variant", JSON_KIND_STRING, 1, 0, 32 },
	};
	const json_t *keyboard = json_object_get(request->body, "keyboard");
	struct json_problem problem;

	if (keyboard && json_check_object(keyboard, "keyboard", keyboard_fields,
					  G_N_ELEMENTS(keyboard_fields), &problem) < 0) {
		problem_respond(request, 400, "request.body", "%s", problem.text);
		return FALSE;
	}
	assign->keyboard = json_get_text(keyboard, "layout", "us");
	assign->variant = json_get_text(keyboard, "variant", "");
	assign->locale = json_get_text(request->body, "locale", "C.UTF-8");
	assign->timezone = json_get_text(request->body, "timezone", "UTC");
	if (api_pools_text_ok(assign->keyboard) && api_pools_text_ok(assign->variant) &&
	    api_pools_text_ok(assign->locale) && api_pools_text_ok(assign->timezone))
		return TRUE;
	problem_respond(request, 400, "request.body",
			"keyboard, locale and timezone hold letters, digits and _.,@:/+- only");
	return FALSE;
}

void
api_pools_assign(struct broker *broker, struct http_request *request)
{
	json_t *pool = api_pools_find(broker, request);
	g_autofree char *groups = json_dumps(request->identity.groups, JSON_COMPACT);
	struct assign_request assign = { .user = request->identity.user,
					 .groups = groups,
					 .pool = request->name,
					 .key = request->idempotency_key,
					 .begun_us = request->begun_us,
					 .authenticate_ms = request->identity.authenticate_ms };
	g_autoptr(GError) error = NULL;
	gboolean entitled = pool && api_pools_entitled(&request->identity, pool);
	json_t *session = NULL;

	json_decref(pool);
	if (!pool)
		return;
	if (!entitled) {
		problem_respond(request, 403, "pool.forbidden",
				"'%s' is not among the users of pool '%s'", request->identity.user,
				request->name);
		return;
	}
	if (!api_pools_check_client(request, &assign))
		return;
	switch (assign_take(broker->store, &assign, &session, &error)) {
	case ASSIGN_NEW:
		host_sync_reconcile(broker->hosts);
		http_respond(request, 201, session);
		break;
	case ASSIGN_EXISTING:
		/* If it was suspended, its host has to resume it. */
		host_sync_notify(broker->hosts);
		http_respond(request, 200, session);
		break;
	case ASSIGN_EMPTY:
		problem_respond(request, 409, "pool.empty",
				"no desktop of pool '%s' is free; try again later", request->name);
		break;
	default:
		problem_respond_error(request, error);
	}
}
