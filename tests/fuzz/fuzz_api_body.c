/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_api_body.c - the body of a request to the broker, through its route's table and handler
 *
 * The first byte chooses the route ('A' is the first of routes.c), the rest is the body. Who asks may do everything, and
 * a pool, a desktop, a session and a job are there to be asked for.
 */
#include <string.h>

#include "tests/unit/broker_stage.h"
#include "broker/host_sync.h"
#include "broker/login.h"
#include "broker/routes.h"
#include "broker/ticket_issue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What stands for '*' in a path, by what comes before it. */
static const struct {
	const char *noun;
	const char *name;
} names[] = {
	{ "pools/", "p" },  { "sessions/", "s-1" }, { "desktops/", "d-1" }, { "templates/", "t" },
	{ "jobs/", "j-1" }, { "hosts/", "h1" },	    { "login/", "l-1" },
};

static const char *const rows[] = {
	"INSERT INTO session (id, user, groups, pool, desktop, generation, keyboard, variant, locale, timezone, opened_ms)"
	" VALUES ('s-1', 'root', '[]', 'p', 'd-1', 1, 'us', '', 'C', 'UTC', 1)",
	"INSERT INTO image VALUES ('t', 'h1', 1)",
	"INSERT INTO job (id, kind, arguments, host, template, version, state, user, created_ms, changed_ms)"
	" VALUES ('j-1', 'build', '{}', 'h1', 't', 0, 'queued', 'root', 1, 1)",
	"UPDATE pool SET users = '[\"*\"]'",
};

static char *
fuzz_make_path(const char *pattern)
{
	const char *star = strchr(pattern, '*');

	for (gsize i = 0; star && i < G_N_ELEMENTS(names); i++)
		if (g_str_has_prefix(pattern, names[i].noun))
			return g_strdup_printf("/api/v1/%s%s%s", names[i].noun, names[i].name,
					       star + 1);
	return g_strconcat("/api/v1/", pattern, NULL);
}

static void
fuzz_start(struct broker *broker)
{
	broker_stage_init(broker);
	broker->run_folder = "/nonexistent";
	broker->logins = login_table_new(broker);
	broker->tickets = ticket_table_new(broker);
	broker->hosts = host_table_new(broker);
	broker_stage_add_pool(broker, "p", 3, 3);
	broker_stage_add_desktop(broker, "d-1", "p", "assigned");
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		broker_stage_run(broker, rows[i]);
}

static void
fuzz_stop(struct broker *broker)
{
	login_table_free(broker->logins);
	ticket_table_free(broker->tickets);
	host_table_free(broker->hosts);
	broker_stage_done(broker);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct route *route = size > 0 ? routes_get((guint)(data[0] - 'A')) : NULL;
	struct json_problem problem;
	struct stage_request *request;
	struct broker broker;
	json_t *body;

	if (!route)
		return 0;
	body = json_parse_strict((const char *)data + 1, size - 1, HTTP_MAX_BODY, &problem);
	if (!body)
		return 0;
	fuzz_start(&broker);
	request = stage_request_new(NULL, NULL, body);
	g_free(request->request.method);
	g_free(request->request.path);
	request->request.method = g_strdup(route->method);
	request->request.path = fuzz_make_path(route->path);
	request->request.local = TRUE; /* and uid 0: root, and this host */
	routes_dispatch(&broker, &request->request);
	/* One answer at most; only a ticket and a sync may wait. Nothing that a body says is the broker's own error. */
	if (request->answers > 1 || request->status == 500)
		__builtin_trap();
	fuzz_stop(&broker);
	json_decref(request->request.identity.groups);
	stage_request_free(request);
	return 0;
}
