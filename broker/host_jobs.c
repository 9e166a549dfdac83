/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_jobs.c - what a host says of its jobs (carrel-broker)
 *
 * How it works: most jobs are rows before their host hears of them, and are brought up to date. A host begins one kind by itself,
 * "seal": it tells with each report what it is about and why. Its row is made here, so that people see it; it is never in
 * an answer of sync (host_sync.c). A host chooses such an id as it likes: one that is another's row changes nothing, and
 * there are at most HOST_JOBS_MAX_OWN rows of a host.
 */
#include "broker/host_jobs.h"

#include <string.h>

#include "base/id.h"
#include "base/name.h"
#include "broker/broker.h"
#include "broker/store.h"

/* How many rows were changed, or -1. One that is over stays as it ended. */
static gint64
host_jobs_update(struct store *store, const char *host, const json_t *element, GError **error)
{
	g_autofree char *result = json_dumps(json_object_get(element, "result"), JSON_COMPACT);

	return store_change(
		store, error,
		"UPDATE job SET reported = 1, state = $1, step = $2, percent = $3, seconds_left = $4, error = $5,"
		" result = $6, changed_ms = $7 WHERE id = $8 AND host = $9"
		" AND state NOT IN ('done', 'failed', 'cancelled')",
		"ssiississ", json_get_text(element, "state", ""),
		json_get_text(element, "step", ""), (gint64)json_get_integer(element, "percent", 0),
		(gint64)json_get_integer(element, "seconds_left", 0),
		json_get_text(element, "error", ""), result ? result : "{}", broker_now_ms(),
		json_get_text(element, "id", ""), host);
}

static gboolean
host_jobs_is_own(const json_t *element)
{
	return strcmp(json_get_text(element, "kind", ""), "seal") == 0 &&
	       id_valid(ID_KIND_JOB, json_get_text(element, "id", "")) &&
	       name_valid(json_get_text(element, "template", "")) &&
	       json_get_integer(element, "version", 0) > 0;
}

/* For this one, if it has no row; what has not ended counts first. */
static gboolean
host_jobs_drop_old(struct store *store, const char *host, const char *id, GError **error)
{
	return store_change(
		       store, error,
		       "DELETE FROM job WHERE kind = 'seal' AND host = $1 AND state IN ('done', 'failed', 'cancelled')"
		       " AND NOT EXISTS (SELECT 1 FROM job WHERE id = $2)"
		       " AND id NOT IN (SELECT id FROM job WHERE kind = 'seal' AND host = $1"
		       " ORDER BY state IN ('done', 'failed', 'cancelled'), created_ms DESC, id LIMIT $3)",
		       "ssi", host, id, (gint64)(HOST_JOBS_MAX_OWN - 1)) >= 0;
}

/* How many rows were made, or -1. */
static gint64
host_jobs_insert(struct store *store, const char *host, const json_t *element, GError **error)
{
	g_autofree char *result = json_dumps(json_object_get(element, "result"), JSON_COMPACT);

	return store_change(
		store, error,
		"INSERT INTO job (id, kind, arguments, host, template, version, state, step, percent, seconds_left, error,"
		" result, reported, user, created_ms, changed_ms, reason)"
		" SELECT $1, 'seal', '{}', $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, '', $11, $11, $12"
		" WHERE (SELECT count(*) FROM job WHERE kind = 'seal' AND host = $2) < $13"
		" ON CONFLICT (id) DO NOTHING",
		"sssissiissisi", json_get_text(element, "id", ""), host,
		json_get_text(element, "template", ""),
		(gint64)json_get_integer(element, "version", 0),
		json_get_text(element, "state", ""), json_get_text(element, "step", ""),
		(gint64)json_get_integer(element, "percent", 0),
		(gint64)json_get_integer(element, "seconds_left", 0),
		json_get_text(element, "error", ""), result ? result : "{}", broker_now_ms(),
		json_get_text(element, "reason", ""), (gint64)HOST_JOBS_MAX_OWN);
}

gboolean
host_jobs_apply(struct store *store, const char *host, const json_t *element, GError **error)
{
	gint64 changed = host_jobs_update(store, host, element, error);

	if (changed != 0 || !host_jobs_is_own(element))
		return changed >= 0;
	if (!host_jobs_drop_old(store, host, json_get_text(element, "id", ""), error))
		return FALSE;
	return host_jobs_insert(store, host, element, error) >= 0;
}
