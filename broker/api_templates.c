/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_templates.c - templates and the jobs that make them (carrel-broker)
 *
 * A job is a row; its host finds it in the next sync answer and reports on it until it has ended. The version of a publish
 * is given out here, one more than any published or being published: an index of the schema lets each out once. Hosts begin
 * jobs by themselves, too, which are rows as soon as they tell of them (host_jobs.c) and which nobody else can end.
 */
#include <string.h>

#include "base/id.h"
#include "base/name.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/host_sync.h"
#include "broker/http.h"
#include "broker/problem.h"
#include "broker/store.h"

#define JOB_COLUMNS                                                                                                                   \
	"id, kind, template, version, host, state, step, percent, seconds_left, error, result, user, reason, created_ms, changed_ms," \
	" (SELECT max(version) FROM template t WHERE t.name = job.template) AS current_version FROM job"

void
api_templates_list(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *rows = store_query(
		broker->store, &error,
		"SELECT name, version, host, engine, kinds, ram_mib, created_ms, author, CASE WHEN version ="
		" (SELECT max(version) FROM template o WHERE o.name = template.name) THEN 1 ELSE 0 END AS current"
		" FROM template WHERE name > $1 ORDER BY name, version LIMIT $2",
		"si", request->after ? request->after : "", (gint64)BROKER_PAGE_ROWS);
	json_t *images =
		store_query(broker->store, NULL,
			    "SELECT name, host, created_ms FROM image ORDER BY name, host", "");

	if (!rows) {
		json_decref(images);
		problem_respond_error(request, error);
		return;
	}
	for (gsize i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		api_list_unpack(row, "kinds");
		json_object_set_new(row, "current",
				    json_boolean(json_get_integer(row, "current", 0) != 0));
	}
	http_respond(request, 200,
		     json_pack("{s:o, s:o, s:n}", "templates", rows, "images",
			       images ? images : json_array(), "next"));
}

/* The host that runs the job: the one with the image if there is one, else the one heard of last. */
static char *
api_templates_pick_host(struct broker *broker, const char *image)
{
	json_t *row = store_query_one(
		broker->store, NULL,
		"SELECT h.name AS name FROM host h ORDER BY (SELECT count(*) FROM image i WHERE i.host = h.name"
		" AND i.name = $1) DESC, h.seen_ms DESC LIMIT 1",
		"s", image);
	char *name = g_strdup(json_get_text(row, "name", NULL));

	json_decref(row);
	return name;
}

static gboolean
api_templates_insert_job(struct broker *broker, struct http_request *request, const char *kind,
			 const char *host, gint64 version, const json_t *arguments,
			 char ret_id[ID_SIZE], GError **error)
{
	g_autofree char *text = json_dumps(arguments, JSON_COMPACT);

	if (id_new(ID_KIND_JOB, ret_id) < 0) {
		g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED,
			    "the kernel gives no random numbers");
		return FALSE;
	}
	return store_change(
		       broker->store, error,
		       "INSERT INTO job (id, kind, arguments, host, template, version, state, user, created_ms, changed_ms)"
		       " VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $8)",
		       "sssssisi", ret_id, kind, text, host, request->name, version,
		       request->identity.user, broker_now_ms()) == 1;
}

/* Takes over "arguments". */
static void
api_templates_start_job(struct broker *broker, struct http_request *request, const char *kind,
			const char *host, gint64 version, json_t *arguments)
{
	g_autoptr(GError) error = NULL;
	char id[ID_SIZE] = "";

	if (api_templates_insert_job(broker, request, kind, host, version, arguments, id, &error)) {
		host_sync_notify(broker->hosts);
		http_respond(request, 202, json_pack("{s:s}", "job", id));
	} else {
		problem_respond_error(request, error);
	}
	json_decref(arguments);
}

static gboolean
api_templates_check(struct http_request *request, const char *other, const char *host)
{
	if (!name_valid(request->name) || !name_valid(other))
		problem_respond(
			request, 400, "template.name",
			"a template's name has 1 to 63 lower-case letters, digits and inner '-'");
	else if (!host)
		problem_respond(request, 409, "host.none",
				"no host is known yet; start carrel-hostd");
	else
		return TRUE;
	return FALSE;
}

void
api_templates_build(struct broker *broker, struct http_request *request)
{
	const char *recipe = json_get_text(request->body, "recipe", request->name);
	g_autofree char *host = api_templates_pick_host(broker, "");

	if (!api_templates_check(request, recipe, host))
		return;
	api_templates_start_job(
		broker, request, "build", host, 0,
		json_pack("{s:s, s:s}", "template", request->name, "recipe", recipe));
}

static gint64
api_templates_next_version(struct broker *broker, const char *name)
{
	return 1 +
	       store_query_integer(
		       broker->store, NULL, 0,
		       "SELECT max(version) FROM (SELECT max(version) AS version FROM template WHERE name = $1"
		       " UNION ALL SELECT max(version) FROM job WHERE template = $1 AND kind = 'publish'"
		       " AND state NOT IN ('failed', 'cancelled'))",
		       "s", name);
}

/* Without an engine the host takes that which it can do best. */
void
api_templates_publish(struct broker *broker, struct http_request *request)
{
	const char *image = json_get_text(request->body, "image", request->name);
	const char *engine = json_get_text(request->body, "engine", NULL);
	g_autofree char *host = api_templates_pick_host(broker, image);
	gint64 version;

	if (!api_templates_check(request, image, host))
		return;
	if (engine && strcmp(engine, "qemu") != 0 && strcmp(engine, "kvm") != 0) {
		problem_respond(request, 400, "template.engine", "'engine' must be qemu or kvm");
		return;
	}
	if (store_query_integer(broker->store, NULL, 0,
				"SELECT count(*) FROM image WHERE name = $1 AND host = $2", "ss",
				image, host) == 0) {
		problem_respond(request, 409, "image.unknown",
				"no host has an image '%s'; build it first (carrel template build)",
				image);
		return;
	}
	version = api_templates_next_version(broker, request->name);
	api_templates_start_job(
		broker, request, "publish", host, version,
		json_pack("{s:s, s:I, s:s, s:s, s:s*, s:I, s:s}", "template", request->name,
			  "version", (json_int_t)version, "image", image, "author",
			  request->identity.user, "engine", engine, "ram_mib",
			  (json_int_t)json_get_integer(request->body, "ram_mib", 1024), "note",
			  json_get_text(request->body, "note", "")));
}

/* Without a version the current one. Of several hosts that have it, the one heard of last. */
static json_t *
api_templates_find(struct broker *broker, struct http_request *request, gint64 version)
{
	g_autoptr(GError) error = NULL;
	json_t *row = store_query_one(
		broker->store, &error,
		"SELECT t.version AS version, t.host AS host, t.engine AS engine FROM template t JOIN host h ON h.name = t.host"
		" WHERE t.name = $1 AND ($2 = 0 OR t.version = $2) ORDER BY t.version DESC, h.seen_ms DESC LIMIT 1",
		"si", request->name, version);

	if (!row && !error && version > 0)
		problem_respond(
			request, 404, "template.unknown",
			"no host offers template '%s@%" G_GINT64_FORMAT
			"' (carrel template list); a version whose manifest is damaged is refused in carrel-hostd's log",
			request->name, version);
	else if (!row)
		problem_respond_unknown(request, "template", error);
	return row;
}

void
api_templates_verify(struct broker *broker, struct http_request *request)
{
	json_t *row =
		api_templates_find(broker, request, json_get_integer(request->body, "version", 0));
	gint64 version = json_get_integer(row, "version", 0);

	if (row)
		api_templates_start_job(
			broker, request, "verify", json_get_text(row, "host", ""), version,
			json_pack("{s:s, s:I, s:s}", "template", request->name, "version",
				  (json_int_t)version, "engine", json_get_text(row, "engine", "")));
	json_decref(row);
}

void
api_jobs_list(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *rows = store_query(
		broker->store, &error, "SELECT " JOB_COLUMNS " WHERE id > $1 ORDER BY id LIMIT $2",
		"si", request->after ? request->after : "", (gint64)BROKER_PAGE_ROWS);

	if (!rows) {
		problem_respond_error(request, error);
		return;
	}
	for (gsize i = 0; i < json_array_size(rows); i++)
		api_list_unpack(json_array_get(rows, i), "result");
	api_list_respond(request, "jobs", "id", rows);
}

static json_t *
api_jobs_find(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *row = store_query_one(broker->store, &error, "SELECT " JOB_COLUMNS " WHERE id = $1",
				      "s", request->name);

	if (row)
		api_list_unpack(row, "result");
	else
		problem_respond_unknown(request, "job", error);
	return row;
}

void
api_jobs_show(struct broker *broker, struct http_request *request)
{
	json_t *row = api_jobs_find(broker, request);

	if (row)
		http_respond(request, 200, row);
}

/* One that no host has taken is cancelled here; else its host ends it and says so. */
void
api_jobs_cancel(struct broker *broker, struct http_request *request)
{
	g_autoptr(GError) error = NULL;
	json_t *job = api_jobs_find(broker, request);
	gboolean own;
	gint64 changed;

	if (!job)
		return;
	own = strcmp(json_get_text(job, "kind", ""), "seal") == 0;
	json_decref(job);
	if (own) {
		problem_respond(
			request, 409, "job.own",
			"the host has begun this job by itself, because it cannot fork that version as it "
			"is; it begins none while no pool has the version");
		return;
	}
	changed = store_change(
		broker->store, &error,
		"UPDATE job SET cancel = 1, state = CASE WHEN reported = 0 THEN 'cancelled' ELSE state END,"
		" changed_ms = $1 WHERE id = $2 AND state IN ('queued', 'running')",
		"is", broker_now_ms(), request->name);

	if (changed < 0) {
		problem_respond_error(request, error);
	} else if (changed == 0) {
		problem_respond(request, 409, "job.ended", "the job is over already");
	} else {
		host_sync_notify(broker->hosts);
		http_respond(request, 202, NULL);
	}
}
