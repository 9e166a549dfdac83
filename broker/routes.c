/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * routes.c - the API in one table (carrel-broker)
 *
 * How it works: routes_dispatch() goes through the same steps for each request: find the route, find out who asks
 * (routes_identify), look at the role, check the body against the route's table, call the handler. Nothing of
 * a request reaches a handler before all of that is done. Who asks is known from a token, or, on the unix socket and
 * without a token, from the kernel: root is admin, hostd's uid is the host.
 */
#include "broker/routes.h"

#include <string.h>

#include "base/name.h"
#include "base/proto_auth.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/http.h"
#include "broker/problem.h"
#include "broker/token.h"
#include "common/hash.h"
#include "common/settings.h"

#define ROUTES_PREFIX	"/api/v1/"
#define ROUTES_MAX_PATH 256
#define MAX_LIST	256

static const struct json_field login_fields[] = {
	{ "user", JSON_KIND_STRING, 1, 0, NAME_USER_SIZE - 1 },
};

static const struct json_field answer_fields[] = {
	{ "answers", JSON_KIND_ARRAY, 0, 0, 1 },
};

static const struct json_field pool_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE + 10 },
	{ "size", JSON_KIND_INTEGER, 0, 0, 10000 },
	{ "spare", JSON_KIND_INTEGER, 1, 0, 10000 },
	{ "auto_spare", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "users", JSON_KIND_ARRAY, 1, 0, MAX_LIST },
	{ "groups", JSON_KIND_ARRAY, 1, 0, MAX_LIST },
	{ "network", JSON_KIND_STRING, 1, 1, 16 },
	{ "policy", JSON_KIND_STRING, 1, 1, 32 },
};

static const struct json_field pool_change_fields[] = {
	{ "template", JSON_KIND_STRING, 1, 1, NAME_SIZE + 10 },
	{ "size", JSON_KIND_INTEGER, 1, 0, 10000 },
	{ "spare", JSON_KIND_INTEGER, 1, 0, 10000 },
	{ "auto_spare", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "users", JSON_KIND_ARRAY, 1, 0, MAX_LIST },
	{ "groups", JSON_KIND_ARRAY, 1, 0, MAX_LIST },
	{ "network", JSON_KIND_STRING, 1, 1, 16 },
};

static const struct json_field assign_fields[] = {
	{ "keyboard", JSON_KIND_OBJECT, 1, 0, 0 },
	{ "locale", JSON_KIND_STRING, 1, 1, 40 },
	{ "timezone", JSON_KIND_STRING, 1, 1, 64 },
};

static const struct json_field ticket_fields[] = {
	{ "protocol", JSON_KIND_STRING, 0, 1, 8 },
	{ "after", JSON_KIND_STRING, 1, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH },
};

static const struct json_field revoke_fields[] = {
	{ "user", JSON_KIND_STRING, 1, 1, NAME_USER_SIZE - 1 },
	{ "all", JSON_KIND_BOOLEAN, 1, 0, 0 },
};

static const struct json_field host_fields[] = {
	{ "drain", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "maintenance", JSON_KIND_BOOLEAN, 1, 0, 0 },
};

static const struct json_field move_fields[] = {
	{ "host", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
};

static const struct json_field build_fields[] = {
	{ "recipe", JSON_KIND_STRING, 1, 1, NAME_SIZE - 1 },
};

static const struct json_field publish_fields[] = {
	{ "image", JSON_KIND_STRING, 1, 1, NAME_SIZE - 1 },
	{ "engine", JSON_KIND_STRING, 1, 1, 8 },
	{ "ram_mib", JSON_KIND_INTEGER, 1, 128, 1048576 },
	{ "note", JSON_KIND_STRING, 1, 0, 200 },
};

static const struct json_field verify_fields[] = {
	{ "version", JSON_KIND_INTEGER, 1, 1, 999999999 },
};

#define BODY(fields) TRUE, fields, G_N_ELEMENTS(fields)
#define NO_BODY	     FALSE, NULL, 0

static const struct route route_table[] = {
	{ "GET", "server", ROUTE_ROLE_NONE, NO_BODY, api_server_show },
	{ "POST", "login", ROUTE_ROLE_NONE, BODY(login_fields), api_login_begin },
	{ "POST", "login/*", ROUTE_ROLE_NONE, BODY(answer_fields), api_login_answer },
	{ "POST", "logout", ROUTE_ROLE_USER, NO_BODY, api_logout },
	{ "GET", "me", ROUTE_ROLE_USER, NO_BODY, api_me_show },
	{ "GET", "pools", ROUTE_ROLE_USER, NO_BODY, api_pools_list },
	{ "POST", "pools", ROUTE_ROLE_ADMIN, BODY(pool_fields), api_pools_create },
	{ "GET", "pools/*", ROUTE_ROLE_USER, NO_BODY, api_pools_show },
	{ "PATCH", "pools/*", ROUTE_ROLE_ADMIN, BODY(pool_change_fields), api_pools_change },
	{ "DELETE", "pools/*", ROUTE_ROLE_ADMIN, NO_BODY, api_pools_delete },
	{ "POST", "pools/*/assign", ROUTE_ROLE_USER, BODY(assign_fields), api_pools_assign },
	{ "GET", "sessions", ROUTE_ROLE_USER, NO_BODY, api_sessions_list },
	{ "POST", "sessions/revoke", ROUTE_ROLE_USER, BODY(revoke_fields), api_sessions_revoke },
	{ "GET", "sessions/*", ROUTE_ROLE_USER, NO_BODY, api_sessions_show },
	{ "GET", "sessions/*/timing", ROUTE_ROLE_USER, NO_BODY, api_sessions_timing },
	{ "POST", "sessions/*/ticket", ROUTE_ROLE_USER, BODY(ticket_fields), api_sessions_ticket },
	{ "DELETE", "sessions/*", ROUTE_ROLE_USER, NO_BODY, api_sessions_delete },
	{ "GET", "desktops", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_list },
	{ "GET", "desktops/*", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_show },
	{ "POST", "desktops/*/stop", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_stop },
	{ "POST", "desktops/*/suspend", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_suspend },
	{ "POST", "desktops/*/resume", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_resume },
	{ "POST", "desktops/*/move", ROUTE_ROLE_OPERATOR, BODY(move_fields), api_desktops_move },
	{ "POST", "desktops/*/powerdown", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_powerdown },
	{ "POST", "desktops/*/screenshot", ROUTE_ROLE_OPERATOR, NO_BODY, api_desktops_screenshot },
	{ "GET", "templates", ROUTE_ROLE_OPERATOR, NO_BODY, api_templates_list },
	{ "POST", "templates/*/build", ROUTE_ROLE_OPERATOR, BODY(build_fields),
	  api_templates_build },
	{ "POST", "templates/*/publish", ROUTE_ROLE_OPERATOR, BODY(publish_fields),
	  api_templates_publish },
	{ "POST", "templates/*/verify", ROUTE_ROLE_OPERATOR, BODY(verify_fields),
	  api_templates_verify },
	{ "GET", "jobs", ROUTE_ROLE_OPERATOR, NO_BODY, api_jobs_list },
	{ "GET", "jobs/*", ROUTE_ROLE_OPERATOR, NO_BODY, api_jobs_show },
	{ "DELETE", "jobs/*", ROUTE_ROLE_OPERATOR, NO_BODY, api_jobs_cancel },
	{ "GET", "hosts", ROUTE_ROLE_OPERATOR, NO_BODY, api_hosts_list },
	{ "PATCH", "hosts/*", ROUTE_ROLE_OPERATOR, BODY(host_fields), api_hosts_change },
	{ "POST", "hosts/*/sync", ROUTE_ROLE_HOST, TRUE, NULL, 0, api_hosts_sync },
};

const struct route *
routes_get(guint index)
{
	return index < G_N_ELEMENTS(route_table) ? &route_table[index] : NULL;
}

/* Compares segment by segment; ret_name is set where the pattern has its '*'. */
static gboolean
routes_path_matches(const char *pattern, const char *path, char **ret_name)
{
	g_auto(GStrv) wanted = g_strsplit(pattern, "/", -1);
	g_auto(GStrv) given = g_strsplit(path, "/", -1);
	g_autofree char *name = NULL;

	if (g_strv_length(wanted) != g_strv_length(given))
		return FALSE;
	for (guint i = 0; wanted[i]; i++) {
		if (strcmp(wanted[i], "*") == 0 && given[i][0] != '\0' && !name)
			name = g_strdup(given[i]);
		else if (strcmp(wanted[i], given[i]) != 0)
			return FALSE;
	}
	*ret_name = g_steal_pointer(&name);
	return TRUE;
}

static const struct route *
routes_find(struct http_request *request, gboolean *ret_known_path)
{
	const char *path = request->path;

	*ret_known_path = FALSE;
	if (!g_str_has_prefix(path, ROUTES_PREFIX) || strlen(path) > ROUTES_MAX_PATH)
		return NULL;
	path += strlen(ROUTES_PREFIX);
	for (gsize i = 0; i < G_N_ELEMENTS(route_table); i++) {
		g_autofree char *name = NULL;

		if (!routes_path_matches(route_table[i].path, path, &name))
			continue;
		*ret_known_path = TRUE;
		if (strcmp(route_table[i].method, request->method) != 0)
			continue;
		request->name = g_steal_pointer(&name);
		return &route_table[i];
	}
	return NULL;
}

static gboolean
routes_any_group(const json_t *groups, const char *const *wanted)
{
	for (gsize i = 0; i < json_array_size(groups); i++)
		if (g_strv_contains(wanted, json_string_value(json_array_get(groups, i))))
			return TRUE;
	return FALSE;
}

guint
routes_compute_roles(const struct broker *broker, const char *user, const json_t *groups)
{
	const struct settings *settings = broker->settings;
	guint roles = ROUTE_ROLE_USER;

	if (routes_any_group(groups, settings_get_list(settings, "broker", "operator_groups")))
		roles |= ROUTE_ROLE_OPERATOR;
	if (g_strv_contains(settings_get_list(settings, "broker", "admin_users"), user) ||
	    routes_any_group(groups, settings_get_list(settings, "broker", "admin_groups")))
		roles |= ROUTE_ROLE_OPERATOR | ROUTE_ROLE_ADMIN;
	return roles;
}

json_t *
routes_list_roles(guint roles)
{
	static const struct {
		enum route_role role;
		const char *name;
	} names[] = {
		{ ROUTE_ROLE_USER, "user" },
		{ ROUTE_ROLE_OPERATOR, "operator" },
		{ ROUTE_ROLE_ADMIN, "admin" },
		{ ROUTE_ROLE_HOST, "host" },
	};
	json_t *list = json_array();

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		if (roles & names[i].role)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

static gboolean
routes_identify(struct broker *broker, struct http_request *request)
{
	struct http_identity *identity = &request->identity;

	if (request->bearer) {
		if (!token_find(broker->store, request->bearer, identity))
			return FALSE;
		identity->roles = routes_compute_roles(broker, identity->user, identity->groups);
		return TRUE;
	}
	if (!request->local)
		return FALSE;
	if (request->peer_uid == 0)
		identity->roles |= ROUTE_ROLE_USER | ROUTE_ROLE_OPERATOR | ROUTE_ROLE_ADMIN;
	if (request->peer_uid == broker->hostd_uid)
		identity->roles |= ROUTE_ROLE_HOST;
	identity->user = g_strdup(request->peer_uid == 0 ? "root" : "host");
	identity->groups = json_array();
	return identity->roles != 0;
}

static gboolean
routes_check_role(struct broker *broker, struct http_request *request, const struct route *route)
{
	if (route->role == ROUTE_ROLE_NONE)
		return TRUE;
	if (!routes_identify(broker, request)) {
		problem_respond(request, 401, "token.invalid",
				"log in first: the token is missing, unknown or has expired");
		return FALSE;
	}
	if (!(request->identity.roles & route->role)) {
		problem_respond(request, 403, "role.missing",
				"'%s' may not do that; ask an admin for the role",
				request->identity.user);
		return FALSE;
	}
	return TRUE;
}

static gboolean
routes_check_body(struct http_request *request, const struct route *route)
{
	struct json_problem problem;

	if (!route->body && request->body &&
	    (!json_is_object(request->body) || json_object_size(request->body) > 0)) {
		problem_respond(request, 400, "request.body", "this request has no body");
		return FALSE;
	}
	if (!route->body || !route->fields)
		return TRUE;
	if (!request->body)
		request->body = json_object();
	if (json_check_object(request->body, "the request", route->fields, route->n_fields,
			      &problem) == 0)
		return TRUE;
	problem_respond(request, 400, "request.body", "%s", problem.text);
	return FALSE;
}

static gboolean
routes_key_ok(const char *key)
{
	gsize size = strlen(key);

	for (gsize i = 0; i < size; i++)
		if (!g_ascii_isgraph(key[i]))
			return FALSE;
	return size > 0 && size <= HTTP_MAX_KEY;
}

void
routes_dispatch(void *broker, struct http_request *request)
{
	gboolean known_path;
	const struct route *route = routes_find(request, &known_path);

	if (!route) {
		if (known_path)
			problem_respond(request, 405, "request.method",
					"that path does not know %s", request->method);
		else
			problem_respond(request, 404, "request.path",
					"there is no such path in this API");
		return;
	}
	if (request->idempotency_key && !routes_key_ok(request->idempotency_key)) {
		problem_respond(request, 400, "request.key",
				"an Idempotency-Key has 1 to %d printable ASCII characters",
				HTTP_MAX_KEY);
		return;
	}
	if (routes_check_role(broker, request, route) && routes_check_body(request, route))
		route->handle(broker, request);
}
