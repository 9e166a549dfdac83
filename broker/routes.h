/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * routes.h - the API in one table: method, path, role, body, handler
 */
#ifndef BROKER_ROUTES_H
#define BROKER_ROUTES_H

#include <glib.h>

#include "base/json.h"

struct broker;
struct http_request;

/* A role includes those in its bits: an admin is asked for ROUTE_ROLE_USER too. */
enum route_role {
	ROUTE_ROLE_NONE = 0,
	ROUTE_ROLE_USER = 1,
	ROUTE_ROLE_OPERATOR = 2,
	ROUTE_ROLE_ADMIN = 4,
	ROUTE_ROLE_HOST = 8,
};

struct route {
	const char *method;
	const char *path; /* behind /api/v1; one segment may be '*': request->name */
	enum route_role role;
	gboolean
		body; /* a JSON object checked against "fields" is needed; else there must be none, or an empty one */
	const struct json_field *fields;
	gsize n_fields;
	void (*handle)(struct broker *broker, struct http_request *request);
};

/* The i-th route, NULL behind the last (for the tests against openapi.yaml and the fuzzer). */
const struct route *routes_get(guint index);

/* Finds the route, the caller's identity and role, checks the body, and calls the handler. An http_handle. */
void routes_dispatch(void *broker, struct http_request *request);

guint routes_compute_roles(const struct broker *broker, const char *user, const json_t *groups);
json_t *routes_list_roles(guint roles);

#endif
