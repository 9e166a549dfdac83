/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_report.c - takes what a host says exists into the store (carrel-broker)
 *
 * How it works: part_table lists the arrays of a report with the fields of their elements and what is done with each. A
 * host's word counts for its own desktops of the right generation only; what is older or a stranger's changes no row.
 *
 * Events are applied once: their numbers grow, and the last one applied is stored in the same transaction. A new instance
 * of hostd counts from the beginning.
 *
 * A desktop that a host had and has no more is lost: with a session that session ends; a free one is wanted again under
 * the next generation, so that nothing the old one still says is taken for the new one. What was suspended is lost with it:
 * the new one runs. One that moves to another host is in none for a while and is not lost (moves.c); when it shall go it has gone
 * only when its host says so, which then has looked between the hosts, too.
 */
#include "broker/host_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/name.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/host_jobs.h"
#include "broker/moves.h"
#include "broker/pools.h"
#include "broker/store.h"
#include "broker/ticket_issue.h"

#define MAX_ELEMENTS 4096
#define MAX_ANSWERS  1
#define MAX_PNG_TEXT (3 * 1024 * 1024)
#define MAX_NUMBER   G_GINT64_CONSTANT(0x1fffffffffffff)

/* The report's array, as JSON text in this parameter, has no element with the id of this row. */
#define REPORT_LACKS(parameter, row)                               \
	"NOT EXISTS (SELECT 1 FROM json_each(" parameter ") WHERE" \
	" json_extract(value, '$.id') = " row ".id)"

struct report_context {
	struct broker *broker;
	struct store *store;
	const char *host;
	gboolean has_heard; /* what is wanted of it now */
	gint64 acknowledged;
};

static const struct json_field report_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, 1 },
	{ "instance", JSON_KIND_STRING, 0, 1, 64 },
	{ "seen", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "capacity", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "gateway", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "templates", JSON_KIND_ARRAY, 0, 0, MAX_ELEMENTS },
	{ "images", JSON_KIND_ARRAY, 0, 0, MAX_ELEMENTS },
	{ "desktops", JSON_KIND_ARRAY, 0, 0, MAX_ELEMENTS },
	{ "jobs", JSON_KIND_ARRAY, 0, 0, MAX_ELEMENTS },
	{ "tickets", JSON_KIND_ARRAY, 0, 0, MAX_ELEMENTS },
	{ "answers", JSON_KIND_ARRAY, 0, 0, MAX_ANSWERS },
	{ "events", JSON_KIND_ARRAY, 0, 0, MAX_ELEMENTS },
};

static const struct json_field report_answer_fields[] = {
	{ "id", JSON_KIND_INTEGER, 0, 1, MAX_NUMBER },
	{ "error", JSON_KIND_STRING, 0, 0, 1000 },
	{ "png", JSON_KIND_STRING, 0, 0, MAX_PNG_TEXT },
};

static const struct json_field capacity_fields[] = {
	{ "ram_mib", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "ram_free_mib", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "cpus", JSON_KIND_INTEGER, 0, 0, 65536 },
	{ "engines", JSON_KIND_ARRAY, 0, 0, 16 },
	{ "doctor", JSON_KIND_OBJECT, 1, 0, 0 },
	{ "exchange", JSON_KIND_BOOLEAN, 1, 0, 0 },
};

static const struct json_field gateway_fields[] = {
	{ "proxy", JSON_KIND_STRING, 0, 0, 300 },
};

static const struct json_field template_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, 999999999 },
	{ "engine", JSON_KIND_STRING, 0, 1, 8 },
	{ "kinds", JSON_KIND_ARRAY, 0, 0, 8 },
	{ "ram_mib", JSON_KIND_INTEGER, 0, 1, 1048576 },
	{ "created_ms", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "author", JSON_KIND_STRING, 0, 0, 64 },
};

static const struct json_field image_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "created_ms", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
};

static const struct json_field desktop_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, ID_SIZE },
	{ "generation", JSON_KIND_INTEGER, 0, 1, MAX_NUMBER },
	{ "state", JSON_KIND_STRING, 0, 1, 16 },
	{ "error", JSON_KIND_STRING, 1, 0, 2000 },
	{ "session", JSON_KIND_STRING, 1, 0, ID_SIZE },
};

static const struct json_field job_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, ID_SIZE },
	{ "state", JSON_KIND_STRING, 0, 1, 16 },
	{ "step", JSON_KIND_STRING, 1, 0, 64 },
	{ "percent", JSON_KIND_INTEGER, 1, 0, 100 },
	{ "seconds_left", JSON_KIND_INTEGER, 1, 0, MAX_NUMBER },
	{ "error", JSON_KIND_STRING, 1, 0, 2000 },
	{ "result", JSON_KIND_OBJECT, 1, 0, 0 },
	/* Of one that the host has begun by itself */
	{ "kind", JSON_KIND_STRING, 1, 1, 16 },
	{ "template", JSON_KIND_STRING, 1, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 1, 1, 999999999 },
	{ "reason", JSON_KIND_STRING, 1, 0, 2000 },
};

static const struct json_field ticket_fields[] = {
	{ "hash", JSON_KIND_STRING, 0, 64, 64 },
	{ "state", JSON_KIND_STRING, 0, 1, 16 },
	{ "ca", JSON_KIND_STRING, 1, 0, 16384 },
	{ "host_subject", JSON_KIND_STRING, 1, 0, 300 },
	{ "tls_port", JSON_KIND_INTEGER, 1, 0, 65535 },
};

static const struct json_field event_fields[] = {
	{ "number", JSON_KIND_INTEGER, 0, 1, MAX_NUMBER },
	{ "time_ms", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "kind", JSON_KIND_STRING, 0, 1, 32 },
	{ "desktop", JSON_KIND_STRING, 1, 0, ID_SIZE },
	{ "generation", JSON_KIND_INTEGER, 1, 0, MAX_NUMBER },
	{ "session", JSON_KIND_STRING, 1, 0, ID_SIZE },
	{ "value", JSON_KIND_INTEGER, 1, -MAX_NUMBER, MAX_NUMBER },
	{ "text", JSON_KIND_STRING, 1, 0, 2000 },
};

static const char *const desktop_states[] = { "forking",  "identifying",  "ready",	"assigned",
					      "active",	  "disconnected", "suspending", "suspended",
					      "resuming", "exporting",	  "exported",	"arriving",
					      "retiring", "gone",	  "failed",	NULL };
static const char *const job_states[] = {
	"queued", "running", "done", "failed", "cancelled", NULL
};
static const char *const ticket_states[] = { "ready", "spent", "expired", "void", "refused", NULL };

static gboolean
host_report_apply_template(struct report_context *context, const json_t *element, GError **error)
{
	g_autofree char *kinds = json_dumps(json_object_get(element, "kinds"), JSON_COMPACT);

	if (!name_valid(json_get_text(element, "name", "")))
		return TRUE;
	return store_change(
		       context->store, error,
		       "INSERT INTO template (name, version, host, engine, kinds, ram_mib, created_ms, author)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name, version, host) DO UPDATE SET"
		       " engine = $4, kinds = $5, ram_mib = $6, created_ms = $7, author = $8",
		       "sisssiis", json_get_text(element, "name", ""),
		       (gint64)json_get_integer(element, "version", 0), context->host,
		       json_get_text(element, "engine", ""), kinds,
		       (gint64)json_get_integer(element, "ram_mib", 0),
		       (gint64)json_get_integer(element, "created_ms", 0),
		       json_get_text(element, "author", "")) >= 0;
}

static gboolean
host_report_apply_image(struct report_context *context, const json_t *element, GError **error)
{
	if (!name_valid(json_get_text(element, "name", "")))
		return TRUE;
	return store_change(context->store, error,
			    "INSERT INTO image (name, host, created_ms) VALUES ($1, $2, $3)"
			    " ON CONFLICT (name, host) DO UPDATE SET created_ms = $3",
			    "ssi", json_get_text(element, "name", ""), context->host,
			    (gint64)json_get_integer(element, "created_ms", 0)) >= 0;
}

/* Whoever has the desktop has it no more; without a session nothing changes. */
static gboolean
host_report_close_session(struct report_context *context, const char *desktop, const char *reason,
			  GError **error)
{
	json_t *row = store_query_one(
		context->store, error,
		"SELECT s.id AS id FROM session s JOIN desktop d ON d.id = s.desktop"
		" WHERE s.desktop = $1 AND d.host = $2 AND s.closed_ms IS NULL",
		"ss", desktop, context->host);
	gboolean ok = !(error && *error);

	if (row) {
		log_info("session=%s on desktop=%s ends: %s", json_get_text(row, "id", ""), desktop,
			 reason);
		ok = assign_release(context->store, json_get_text(row, "id", ""), reason, FALSE,
				    error);
	}
	json_decref(row);
	return ok;
}

static gboolean
host_report_apply_desktop(struct report_context *context, const json_t *element, GError **error)
{
	const char *id = json_get_text(element, "id", "");
	const char *state = json_get_text(element, "state", "");
	gint64 generation = json_get_integer(element, "generation", 0);
	gint64 changed = store_change(
		context->store, error,
		"UPDATE desktop SET reported = 1, changed_ms = CASE WHEN state = $1 THEN changed_ms ELSE $2"
		" END, state = $1, error = $3, move_error = CASE WHEN $1 IN ('suspended', 'exporting', 'exported', 'arriving')"
		" THEN move_error ELSE '' END WHERE id = $4 AND host = $5 AND generation = $6"
		" AND state NOT IN ('gone', 'failed')"
		/* else it clears away what is left from before, and has not looked between the hosts */
		" AND NOT ((want = 'ready' OR $7 = 0) AND (move_to IS NOT NULL OR move_from IS NOT NULL)"
		" AND $1 IN ('retiring', 'gone'))",
		"sisssii", state, broker_now_ms(), json_get_text(element, "error", ""), id,
		context->host, generation, (gint64)context->has_heard);

	if (changed <= 0)
		return changed == 0;
	if (strcmp(state, "failed") == 0) {
		log_warning(
			"desktop=%s failed on host '%s': %s; it is kept in the list with this reason",
			id, context->host, json_get_text(element, "error", "no reason given"));
		pools_note_failure(context->store, id);
	}
	if (strcmp(state, "failed") != 0 && strcmp(state, "gone") != 0 &&
	    strcmp(state, "retiring") != 0)
		return moves_note_state(context->store, context->host, id, state, error);
	return host_report_close_session(context, id, state, error) &&
	       store_change(context->store, error,
			    "UPDATE desktop SET want = 'gone' WHERE id = $1 AND want <> 'gone'",
			    "s", id) >= 0;
}

static gboolean
host_report_apply_job(struct report_context *context, const json_t *element, GError **error)
{
	return host_jobs_apply(context->store, context->host, element, error);
}

static gboolean
host_report_apply_ticket(struct report_context *context, const json_t *element, GError **error)
{
	return ticket_issue_note(context->broker->tickets, context->host, element, error);
}

/* Which step of the way to the desktop an event ends, and whether it is the desktop's or the session's. */
static const struct {
	const char *kind;
	const char *step;
	gboolean of_desktop;
} step_table[] = {
	{ "forked", "fork", TRUE },	    { "agent", "agent", TRUE },
	{ "identified", "identify", TRUE }, { "logged_in", "log in", FALSE },
	{ "connected", "connect", FALSE },  { "first_frame", "first frame", FALSE },
};

/* A step without a figure of its own took from the end of the session's last noted step to the event. */
static gint64
host_report_step_ms(struct report_context *context, const json_t *event, const char *session,
		    GError **error)
{
	gint64 value = json_get_integer(event, "value", 0);
	gint64 last_ms;

	if (value > 0)
		return value;
	last_ms = store_query_integer(context->store, error, 0,
				      "SELECT max(at_ms) FROM timing WHERE subject = $1", "s",
				      session);
	return last_ms > 0 ? MAX(json_get_integer(event, "time_ms", 0) - last_ms, 0) : 0;
}

static gboolean
host_report_note_step(struct report_context *context, const json_t *event, GError **error)
{
	const char *kind = json_get_text(event, "kind", "");
	const char *session = json_get_text(event, "session", "");
	const char *desktop = json_get_text(event, "desktop", "");

	for (gsize i = 0; i < G_N_ELEMENTS(step_table); i++) {
		const char *subject = step_table[i].of_desktop ? desktop : session;

		if (strcmp(step_table[i].kind, kind) != 0 || subject[0] == '\0')
			continue;
		return assign_note_time(context->store, subject, step_table[i].step,
					host_report_step_ms(context, event, subject, error), error);
	}
	return TRUE;
}

static gboolean
host_report_owns_desktop(struct report_context *context, const json_t *event, GError **error)
{
	return store_query_integer(
		       context->store, error, 0,
		       "SELECT count(*) FROM desktop WHERE id = $1 AND generation = $2 AND host = $3",
		       "sis", json_get_text(event, "desktop", ""),
		       (gint64)json_get_integer(event, "generation", 0), context->host) == 1;
}

static gboolean
host_report_apply_event(struct report_context *context, const json_t *event, GError **error)
{
	gint64 number = json_get_integer(event, "number", 0);

	if (number <= context->acknowledged)
		return TRUE;
	context->acknowledged = number;
	if (!host_report_owns_desktop(context, event, error))
		return !(error && *error);
	if (strcmp(json_get_text(event, "kind", ""), "logoff") == 0)
		return host_report_close_session(context, json_get_text(event, "desktop", ""),
						 "logoff", error);
	if (strcmp(json_get_text(event, "kind", ""), "move_failed") == 0)
		return moves_note_failure(context->store, context->host,
					  json_get_text(event, "desktop", ""),
					  json_get_text(event, "text", ""), error);
	return host_report_note_step(context, event, error);
}

/* What is done with one of a report's elements, or of the store's rows. */
typedef gboolean (*report_apply)(struct report_context *context, const json_t *element,
				 GError **error);

static gboolean
host_report_apply_all(struct report_context *context, const json_t *elements, report_apply apply,
		      GError **error)
{
	for (gsize i = 0; i < json_array_size(elements); i++)
		if (!apply(context, json_array_get(elements, i), error))
			return FALSE;
	return TRUE;
}

static const struct report_part {
	const char *name;
	const char *element;
	const struct json_field *fields;
	gsize n_fields;
	const char *const *states; /* NULL: it has none */
	report_apply apply;
} part_table[] = {
	{ "templates", "a template", template_fields, G_N_ELEMENTS(template_fields), NULL,
	  host_report_apply_template },
	{ "images", "an image", image_fields, G_N_ELEMENTS(image_fields), NULL,
	  host_report_apply_image },
	/* Events before states: a log-off's reason comes before the desktop's end. */
	{ "events", "an event", event_fields, G_N_ELEMENTS(event_fields), NULL,
	  host_report_apply_event },
	{ "desktops", "a desktop", desktop_fields, G_N_ELEMENTS(desktop_fields), desktop_states,
	  host_report_apply_desktop },
	{ "answers", "an answer", report_answer_fields, G_N_ELEMENTS(report_answer_fields), NULL,
	  NULL }, /* host_sync.c gives them to those who wait */
	{ "jobs", "a job", job_fields, G_N_ELEMENTS(job_fields), job_states,
	  host_report_apply_job },
	{ "tickets", "a ticket", ticket_fields, G_N_ELEMENTS(ticket_fields), ticket_states,
	  host_report_apply_ticket },
};

static int
host_report_check_part(const json_t *report, const struct report_part *part,
		       struct json_problem *ret_problem)
{
	const json_t *elements = json_object_get(report, part->name);

	for (gsize i = 0; i < json_array_size(elements); i++) {
		const json_t *element = json_array_get(elements, i);
		const char *state;

		if (json_check_object(element, part->element, part->fields, part->n_fields,
				      ret_problem) < 0)
			return -EINVAL;
		state = json_get_text(element, "state", "");
		if (part->states && !g_strv_contains(part->states, state)) {
			snprintf(ret_problem->text, sizeof(ret_problem->text),
				 "unknown state '%.16s' of %s", state, part->element);
			return -EINVAL;
		}
	}
	return 0;
}

int
host_report_check(const json_t *report, struct json_problem *ret_problem)
{
	int error = json_check_object(report, "the report", report_fields,
				      G_N_ELEMENTS(report_fields), ret_problem);

	if (error == 0)
		error = json_check_object(json_object_get(report, "capacity"), "capacity",
					  capacity_fields, G_N_ELEMENTS(capacity_fields),
					  ret_problem);
	if (error == 0)
		error = json_check_object(json_object_get(report, "gateway"), "gateway",
					  gateway_fields, G_N_ELEMENTS(gateway_fields),
					  ret_problem);
	for (gsize i = 0; error == 0 && i < G_N_ELEMENTS(part_table); i++)
		error = host_report_check_part(report, &part_table[i], ret_problem);
	return error;
}

static gboolean
host_report_apply_host(struct report_context *context, const json_t *report, GError **error)
{
	const json_t *capacity = json_object_get(report, "capacity");
	const char *instance = json_get_text(report, "instance", "");
	g_autofree char *engines = json_dumps(json_object_get(capacity, "engines"), JSON_COMPACT);
	json_t *old = store_query_one(context->store, error,
				      "SELECT instance, acknowledged FROM host WHERE name = $1",
				      "s", context->host);
	gboolean same = strcmp(json_get_text(old, "instance", ""), instance) == 0;

	context->acknowledged = same ? json_get_integer(old, "acknowledged", 0) : 0;
	json_decref(old);
	if (!same) {
		log_info("host '%s' has a new instance", context->host);
		if (!ticket_issue_void_host(context->broker->tickets, context->host, error))
			return FALSE;
	}
	return store_change(
		       context->store, error,
		       "INSERT INTO host (name, instance, seen_ms, ram_mib, ram_free_mib, cpus, engines, proxy, exchange)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (name) DO UPDATE SET instance = $2,"
		       " seen_ms = $3, ram_mib = $4, ram_free_mib = $5, cpus = $6, engines = $7, proxy = $8, exchange = $9",
		       "ssiiiissi", context->host, instance, broker_now_ms(),
		       (gint64)json_get_integer(capacity, "ram_mib", 0),
		       (gint64)json_get_integer(capacity, "ram_free_mib", 0),
		       (gint64)json_get_integer(capacity, "cpus", 0), engines,
		       json_get_text(json_object_get(report, "gateway"), "proxy", ""),
		       (gint64)json_get_flag(capacity, "exchange", FALSE)) >= 0;
}

/* Templates and images that the host has no more. */
static gboolean
host_report_drop_missing(struct report_context *context, const json_t *report, GError **error)
{
	g_autofree char *templates = json_dumps(json_object_get(report, "templates"), JSON_COMPACT);
	g_autofree char *images = json_dumps(json_object_get(report, "images"), JSON_COMPACT);

	return store_change(
		       context->store, error,
		       "DELETE FROM template WHERE host = $1 AND NOT EXISTS (SELECT 1 FROM json_each($2) WHERE"
		       " json_extract(value, '$.name') = template.name"
		       " AND json_extract(value, '$.version') = template.version)",
		       "ss", context->host, templates) >= 0 &&
	       store_change(
		       context->store, error,
		       "DELETE FROM image WHERE host = $1 AND NOT EXISTS (SELECT 1 FROM json_each($2) WHERE"
		       " json_extract(value, '$.name') = image.name)",
		       "ss", context->host, images) >= 0;
}

static gboolean
host_report_lose_desktop(struct report_context *context, const json_t *row, GError **error)
{
	const char *id = json_get_text(row, "id", "");

	if (strcmp(json_get_text(row, "want", ""), "gone") == 0)
		return store_change(
			       context->store, error,
			       "UPDATE desktop SET state = 'gone', changed_ms = $1 WHERE id = $2 AND state <> 'failed'",
			       "is", broker_now_ms(), id) >= 0;
	log_warning("host '%s' has lost desktop=%s", context->host, id);
	if (json_get_integer(row, "sessions", 0) > 0)
		return host_report_close_session(context, id, "desktop lost", error);
	return store_change(
		       context->store, error,
		       "UPDATE desktop SET generation = generation + 1, state = 'forking', reported = 0, suspend = 0,"
		       " changed_ms = $1 WHERE id = $2",
		       "is", broker_now_ms(), id) >= 0;
}

static gboolean
host_report_find_lost(struct report_context *context, const json_t *report, GError **error)
{
	g_autofree char *desktops = json_dumps(json_object_get(report, "desktops"), JSON_COMPACT);
	json_t *rows = store_query(
		context->store, error,
		"SELECT id, want, (SELECT count(*) FROM session s WHERE s.desktop = d.id AND"
		" s.closed_ms IS NULL) AS sessions FROM desktop d WHERE d.host = $1 AND state <> 'gone'"
		" AND NOT (state = 'failed' AND want = 'gone') AND (want = 'gone' OR reported = 1)"
		" AND move_to IS NULL AND move_from IS NULL AND " REPORT_LACKS("$2", "d"),
		"ss", context->host, desktops);
	gboolean ok = rows && host_report_apply_all(context, rows, host_report_lose_desktop, error);

	json_decref(rows);
	return ok;
}

/* A job that the host had and does not know any more will never end by itself. */
static gboolean
host_report_fail_lost_jobs(struct report_context *context, const json_t *report, GError **error)
{
	g_autofree char *jobs = json_dumps(json_object_get(report, "jobs"), JSON_COMPACT);

	return store_change(
		       context->store, error,
		       "UPDATE job SET state = 'failed', changed_ms = $1, error = 'the host was restarted and does not know"
		       " this job any more; ' || CASE kind WHEN 'seal' THEN 'the host begins another when it needs it' ELSE"
		       " 'start it again' END WHERE host = $2 AND reported = 1"
		       " AND state IN ('queued', 'running') AND " REPORT_LACKS("$3", "job"),
		       "iss", broker_now_ms(), context->host, jobs) >= 0;
}

gboolean
host_report_apply(struct broker *broker, const char *host, const json_t *report, gint64 number,
		  gint64 *ret_acknowledged, GError **error)
{
	struct report_context context = { .broker = broker,
					  .store = broker->store,
					  .host = host,
					  .has_heard =
						  json_get_integer(report, "seen", 0) == number };

	if (!host_report_apply_host(&context, report, error) ||
	    !host_report_drop_missing(&context, report, error))
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(part_table); i++) {
		const struct report_part *part = &part_table[i];

		if (part->apply &&
		    !host_report_apply_all(&context, json_object_get(report, part->name),
					   part->apply, error))
			return FALSE;
	}
	if (!host_report_find_lost(&context, report, error) ||
	    !host_report_fail_lost_jobs(&context, report, error))
		return FALSE;
	*ret_acknowledged = context.acknowledged;
	return store_change(context.store, error,
			    "UPDATE host SET acknowledged = $1 WHERE name = $2", "is",
			    context.acknowledged, host) >= 0;
}
