/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * broker_stage.c - a broker without HTTP for its modules' tests
 */
#include "tests/unit/broker_stage.h"

#include "broker/assign.h"
#include "broker/store_sqlite.h"

void
http_respond(struct http_request *base, guint status, json_t *body)
{
	struct stage_request *request = (struct stage_request *)base;

	request->answers++;
	request->status = status;
	json_decref(request->body);
	request->body = body;
}

void
broker_stage_run(struct broker *broker, const char *sql)
{
	g_autoptr(GError) error = NULL;

	if (store_change(broker->store, &error, sql, "") < 0)
		g_error("%s: %s", sql, error->message);
}

gint64
broker_stage_count(struct broker *broker, const char *sql)
{
	return store_query_integer(broker->store, NULL, -1, sql, "");
}

void
broker_stage_init(struct broker *broker)
{
	g_autoptr(GError) error = NULL;

	*broker = (struct broker){ .store = store_sqlite_open(":memory:", &error) };
	if (!broker->store)
		g_error("%s", error->message);
	broker_stage_run(
		broker,
		"INSERT INTO host (name, instance, seen_ms, ram_mib, ram_free_mib, cpus, engines, proxy)"
		" VALUES ('h1', 'i1', 1, 24576, 20000, 2, '[]', 'http://127.0.0.1:3128')");
	broker_stage_run(
		broker,
		"INSERT INTO template (name, version, host, engine, kinds, ram_mib, created_ms, author)"
		" VALUES ('t', 1, 'h1', 'qemu', '[\"user\"]', 1024, 1, 'root')");
}

void
broker_stage_done(struct broker *broker)
{
	store_close(broker->store);
}

void
broker_stage_add_pool(struct broker *broker, const char *name, gint64 size, gint64 spare)
{
	g_autoptr(GError) error = NULL;

	if (store_change(
		    broker->store, &error,
		    "INSERT INTO pool (name, template, version, size, spare, users, groups, network, policy,"
		    " created_by, created_ms) VALUES ($1, 't', 0, $2, $3, '[]', '[]', 'none',"
		    " 'destroy-on-logoff', 'root', 1)",
		    "sii", name, size, spare) != 1)
		g_error("%s", error->message);
}

void
broker_stage_add_desktop(struct broker *broker, const char *id, const char *pool, const char *state)
{
	g_autoptr(GError) error = NULL;

	if (store_change(
		    broker->store, &error,
		    "INSERT INTO desktop (id, generation, pool, host, template, version, engine, kind, ram_mib,"
		    " network, want, state, reported, created_ms, changed_ms)"
		    " VALUES ($1, 1, $2, 'h1', 't', 1, 'qemu', 'user', 1024, 'none', 'ready', $3, 1, 1, 1)",
		    "sss", id, pool, state) != 1)
		g_error("%s", error->message);
}

char *
broker_stage_assign(struct broker *broker, const char *user)
{
	const struct assign_request request = { .user = user,
						.groups = "[]",
						.pool = "p",
						.keyboard = "us",
						.variant = "",
						.locale = "C.UTF-8",
						.timezone = "UTC",
						.begun_us = g_get_monotonic_time() };
	g_autoptr(GError) error = NULL;
	json_t *session = NULL;
	char *id = NULL;

	if (assign_take(broker->store, &request, &session, &error) == ASSIGN_NEW)
		id = g_strdup(json_get_text(session, "session", ""));
	json_decref(session);
	return id;
}

struct stage_request *
stage_request_new(const char *user, const char *name, json_t *body)
{
	struct stage_request *request = g_new0(struct stage_request, 1);

	request->request.method = g_strdup("POST");
	request->request.path = g_strdup("/api/v1/test");
	request->request.name = g_strdup(name);
	request->request.body = body;
	request->request.begun_us = g_get_monotonic_time();
	request->request.identity.user = g_strdup(user);
	g_strlcpy(request->request.remote, "192.0.2.1", sizeof(request->request.remote));
	return request;
}

void
stage_request_free(struct stage_request *request)
{
	g_free(request->request.method);
	g_free(request->request.path);
	g_free(request->request.name);
	g_free(request->request.identity.user);
	json_decref(request->request.body);
	json_decref(request->body);
	g_free(request);
}

const char *
stage_request_code(const struct stage_request *request)
{
	return json_get_text(request->body, "code", "");
}
