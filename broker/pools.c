/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pools.c - from the size a pool shall have to the desktops that are wanted (carrel-broker)
 *
 * How it works: pools_reconcile() looks at every pool. Wanted are its used desktops and "spare" free ones, "size" at most;
 * pools_choose_spare() says how many where the admin does not. Who finds no free one makes one (pools_add_one).
 * Free desktops of another template, version or network than the pool's, and those that are too many, are given up
 * (want = 'gone'); missing ones become new rows in state 'forking', which the host finds in its next sync answer. Free ones
 * of a host that is silent are neither given up nor counted on. A pool whose desktops keep failing rests: POOLS_MAX_FAILURES in
 * POOLS_REST_MS make no new ones, because forking a broken template in a circle helps nobody.
 */
#include "broker/pools.h"

#include <string.h>

#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/store.h"

#define POOLS_MAX_FAILURES 5
#define POOLS_MAX_SAMPLES  20 /* desktops that were made last */
#define POOLS_REST_MS	   (2 * 60 * 1000)
#define POOLS_REST_WORDS                                                                                 \
	"5 of its desktops failed within 2 minutes, so it makes no new ones until 2 minutes have passed" \
	" without a failure; 'carrel desktop list' says why they failed"

struct pools_source {
	gint64 version;
	gint64 ram_mib;
	char *host;
	char *engine;
	gboolean silent; /* its host has not reported of late, and no other has it */
};

static gint64
pools_get_charge_mib(gint64 ram_mib)
{
	return MAX(ram_mib * POOLS_CHARGE_PERCENT / 100, POOLS_CHARGE_MIN_MIB);
}

/* What all pools but this one may come to, and the templates that they use and this one does not. */
static gint64
pools_sum_promised(struct store *store, const char *pool, const char *templ, GError **error)
{
	json_t *rows = store_query(
		store, error,
		"SELECT p.template AS template, sum(p.size) AS size, max(t.ram_mib) AS ram_mib"
		" FROM pool p JOIN (SELECT name, max(ram_mib) AS ram_mib FROM template GROUP BY name) t"
		" ON t.name = p.template WHERE p.name <> $1 AND p.size > 0 GROUP BY p.template",
		"s", pool);
	gint64 promised = 0;

	for (gsize i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		gint64 ram_mib = json_get_integer(row, "ram_mib", 0);

		promised += json_get_integer(row, "size", 0) * pools_get_charge_mib(ram_mib);
		if (strcmp(json_get_text(row, "template", ""), templ) != 0)
			promised += ram_mib;
	}
	promised = rows ? promised : -1;
	json_decref(rows);
	return promised;
}

gboolean
pools_find_room(struct store *store, const char *pool, const char *templ, gint64 version,
		struct pools_room *ret_room, GError **error)
{
	gint64 promised = pools_sum_promised(store, pool, templ, error);
	json_t *row = NULL;

	if (promised >= 0)
		row = store_query_one(
			store, error,
			"SELECT count(*) AS versions, max(t.ram_mib) AS ram_mib, max(h.ram_mib) AS host_mib"
			" FROM template t JOIN host h ON h.name = t.host"
			" WHERE t.name = $1 AND ($2 = 0 OR t.version = $2)",
			"si", templ, version);
	if (!row)
		return FALSE;
	ret_room->versions = json_get_integer(row, "versions", 0);
	ret_room->ram_mib = json_get_integer(row, "ram_mib", 0);
	ret_room->charge_mib = pools_get_charge_mib(ret_room->ram_mib);
	ret_room->free_mib = MAX((gint64)json_get_integer(row, "host_mib", 0) - promised, 0);
	ret_room->fits = MAX(ret_room->free_mib - ret_room->ram_mib, 0) / ret_room->charge_mib;
	json_decref(row);
	return TRUE;
}

/* Does an engine of this list (a host's "engines") offer the network? If not, the reason it gives. */
static gboolean
pools_engines_offer(const json_t *engines, const char *network, char **reason)
{
	for (gsize i = 0; i < json_array_size(engines); i++) {
		const json_t *engine = json_array_get(engines, i);
		const json_t *networks = json_object_get(engine, "networks");
		const char *why = json_get_text(engine, "network_reason", "");

		for (gsize k = 0; k < json_array_size(networks); k++)
			if (g_strcmp0(json_string_value(json_array_get(networks, k)), network) == 0)
				return TRUE;
		if (why[0] != '\0') {
			g_free(*reason);
			*reason = g_strdup(why);
		}
	}
	return FALSE;
}

char *
pools_find_network_refusal(struct store *store, const char *network)
{
	json_t *rows = store_query(store, NULL, "SELECT engines FROM host", "");
	char *reason = g_strdup("none has said that it can");
	gboolean offered = strcmp(network, "none") == 0;

	for (gsize i = 0; !offered && i < json_array_size(rows); i++) {
		const char *text = json_get_text(json_array_get(rows, i), "engines", "[]");
		json_t *engines = json_loads(text, 0, NULL);

		offered = pools_engines_offer(engines, network, &reason);
		json_decref(engines);
	}
	json_decref(rows);
	if (offered)
		g_clear_pointer(&reason, g_free);
	return reason;
}

/* The version a pool's desktops shall have, on the host with the most memory left for it; one that is silent comes last. */
static gboolean
pools_find_source(struct store *store, const json_t *pool, struct pools_source *ret_source)
{
	json_t *row = store_query_one(
		store, NULL,
		"SELECT t.version AS version, t.host AS host, t.engine AS engine, t.ram_mib AS ram_mib, h.seen_ms < $4 AS silent"
		" FROM template t"
		" JOIN host h ON h.name = t.host WHERE h.drain = 0 AND h.maintenance = 0 AND t.name = $1 AND t.version = CASE WHEN $2 > 0 THEN $2 ELSE"
		" (SELECT max(version) FROM template WHERE name = $1) END"
		" ORDER BY silent, h.ram_mib - (SELECT COALESCE(sum(d.ram_mib), 0) FROM desktop d WHERE d.host = h.name"
		" AND d.want = 'ready') * $3 / 100 DESC LIMIT 1",
		"siii", json_get_text(pool, "template", ""),
		(gint64)json_get_integer(pool, "version", 0), (gint64)POOLS_CHARGE_PERCENT,
		broker_silent_since_ms());

	if (!row)
		return FALSE;
	ret_source->version = json_get_integer(row, "version", 0);
	ret_source->ram_mib = json_get_integer(row, "ram_mib", 0);
	ret_source->host = g_strdup(json_get_text(row, "host", ""));
	ret_source->engine = g_strdup(json_get_text(row, "engine", ""));
	ret_source->silent = json_get_integer(row, "silent", 0) != 0;
	json_decref(row);
	return TRUE;
}

#define POOLS_FREE                                                                                       \
	" FROM desktop d WHERE d.pool = $2 AND d.want = 'ready' AND NOT EXISTS (SELECT 1 FROM session s" \
	" WHERE s.desktop = d.id AND s.closed_ms IS NULL)"

/* Free desktops that are not what the pool says. */
static gint64
pools_give_up_old(struct store *store, const json_t *pool, gint64 version, GError **error)
{
	return store_change(
		store, error,
		"UPDATE desktop SET want = 'gone', changed_ms = $1 WHERE id IN (SELECT d.id" POOLS_FREE
		" AND NOT (d.template = $3 AND d.version = $4 AND d.network = $5))",
		"issis", broker_now_ms(), json_get_text(pool, "name", ""),
		json_get_text(pool, "template", ""), version,
		json_get_text(pool, "network", "none"));
}

#define POOLS_HOST_SEEN_MS "(SELECT seen_ms FROM host WHERE host.name = d.host)"

/* Free ones that nobody reaches: they come back with their host, and until then others stand in for them. */
static gint64
pools_count_unreachable(struct store *store, const char *pool, GError **error)
{
	return store_query_integer(store, error, 0,
				   "SELECT count(*)" POOLS_FREE " AND " POOLS_HOST_SEEN_MS " < $1",
				   "is", broker_silent_since_ms(), pool);
}

/* So many free desktops, those that are not ready first, and those of a host that is silent last. */
static gint64
pools_give_up_some(struct store *store, const char *pool, gint64 count, GError **error)
{
	return store_change(
		store, error,
		"UPDATE desktop SET want = 'gone', changed_ms = $1 WHERE id IN (SELECT d.id" POOLS_FREE
		" ORDER BY " POOLS_HOST_SEEN_MS
		" < $4, CASE d.state WHEN 'ready' THEN 1 ELSE 0 END, d.created_ms DESC"
		" LIMIT $3)",
		"isii", broker_now_ms(), pool, count, broker_silent_since_ms());
}

static gboolean
pools_add_desktop(struct store *store, const json_t *pool, const struct pools_source *source,
		  GError **error)
{
	gint64 now_ms = broker_now_ms();
	char id[ID_SIZE];

	if (id_new(ID_KIND_DESKTOP, id) < 0) {
		g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED,
			    "the kernel gives no random numbers");
		return FALSE;
	}
	return store_change(
		       store, error,
		       "INSERT INTO desktop (id, generation, pool, host, template, version, engine, kind, ram_mib, network,"
		       " want, state, created_ms, changed_ms)"
		       " VALUES ($1, 1, $2, $3, $4, $5, $6, 'user', $7, $8, 'ready', 'forking', $9, $9)",
		       "ssssisisi", id, json_get_text(pool, "name", ""), source->host,
		       json_get_text(pool, "template", ""), source->version, source->engine,
		       source->ram_mib, json_get_text(pool, "network", "none"), now_ms) == 1;
}

static gint64
pools_count_failures(struct store *store, const char *pool)
{
	return store_query_integer(
		store, NULL, 0,
		"SELECT count(*) FROM desktop WHERE pool = $1 AND state = 'failed'"
		" AND changed_ms > $2",
		"si", pool, broker_now_ms() - POOLS_REST_MS);
}

static gboolean
pools_rests(struct store *store, const char *pool)
{
	return pools_count_failures(store, pool) >= POOLS_MAX_FAILURES;
}

const char *
pools_explain_rest(struct store *store, const char *pool)
{
	return pools_rests(store, pool) ? POOLS_REST_WORDS : "";
}

void
pools_note_failure(struct store *store, const char *desktop)
{
	json_t *row = store_query_one(store, NULL, "SELECT pool FROM desktop WHERE id = $1", "s",
				      desktop);
	const char *pool = json_get_text(row, "pool", "");

	/* Only the one that is one too many: the pool rests from now on. */
	if (row && pools_count_failures(store, pool) == POOLS_MAX_FAILURES)
		log_warning("pool '%s': %s", pool, POOLS_REST_WORDS);
	json_decref(row);
}

static gboolean
pools_grow(struct store *store, const json_t *pool, const struct pools_source *source,
	   gint64 missing, gboolean *ret_changed, GError **error)
{
	if (missing > 0 && pools_rests(store, json_get_text(pool, "name", "")))
		return TRUE;
	for (gint64 i = 0; i < missing; i++) {
		if (!pools_add_desktop(store, pool, source, error))
			return FALSE;
		*ret_changed = TRUE;
	}
	return TRUE;
}

static gint
pools_compare_numbers(gconstpointer a, gconstpointer b)
{
	const gint64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* From its fork until it is ready, the median of the last ones; -1: nobody has seen one yet. */
static gint64
pools_measure_ms(struct store *store, const struct pools_source *source, const char *templ)
{
	json_t *rows = store_query(
		store, NULL,
		"SELECT f.ms + a.ms + i.ms AS ms FROM desktop d"
		" JOIN timing f ON f.subject = d.id AND f.step = 'fork'"
		" JOIN timing a ON a.subject = d.id AND a.step = 'agent'"
		" JOIN timing i ON i.subject = d.id AND i.step = 'identify'"
		" WHERE d.template = $1 AND d.version = $2 AND d.engine = $3 ORDER BY d.created_ms DESC LIMIT $4",
		"sisi", templ, source->version, source->engine, (gint64)POOLS_MAX_SAMPLES);
	g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(gint64));
	gint64 median = -1;

	for (gsize i = 0; i < json_array_size(rows); i++) {
		gint64 ms = json_get_integer(json_array_get(rows, i), "ms", 0);

		g_array_append_val(samples, ms);
	}
	g_array_sort(samples, pools_compare_numbers);
	if (samples->len > 0)
		median = g_array_index(samples, gint64, samples->len / 2);
	json_decref(rows);
	return median;
}

static gint64
pools_find_spare(struct store *store, const json_t *pool, const struct pools_source *source)
{
	gint64 size = json_get_integer(pool, "size", 0);
	gint64 ms;

	if (json_get_integer(pool, "auto_spare", 0) == 0)
		return json_get_integer(pool, "spare", 0);
	ms = source->host ? pools_measure_ms(store, source, json_get_text(pool, "template", ""))
			  : -1;
	if (ms < 0)
		return size;
	return ms <= POOLS_QUICK_MS ? 0 : MIN((ms + 999) / 1000, size);
}

static void
pools_source_clear(struct pools_source *source)
{
	g_free(source->host);
	g_free(source->engine);
}

gint64
pools_choose_spare(struct store *store, const json_t *pool)
{
	struct pools_source source = { 0 };
	gint64 spare;

	pools_find_source(store, pool, &source);
	spare = pools_find_spare(store, pool, &source);
	pools_source_clear(&source);
	return spare;
}

static gint64
pools_count_living(struct store *store, const char *pool, GError **error)
{
	return store_query_integer(
		store, error, 0, "SELECT count(*) FROM desktop WHERE pool = $1 AND want = 'ready'",
		"s", pool);
}

gboolean
pools_add_one(struct store *store, const char *name, gboolean silent, GError **error)
{
	json_t *pool =
		store_query_one(store, error, "SELECT * FROM pool WHERE name = $1", "s", name);
	struct pools_source source = { 0 };
	gboolean added = FALSE;

	if (pool && pools_count_living(store, name, error) < json_get_integer(pool, "size", 0) &&
	    !pools_rests(store, name) && pools_find_source(store, pool, &source) &&
	    (silent || !source.silent))
		added = pools_add_desktop(store, pool, &source, error);
	pools_source_clear(&source);
	json_decref(pool);
	return added;
}

static gboolean
pools_reconcile_one(struct store *store, const json_t *pool, gboolean *ret_changed, GError **error)
{
	const char *name = json_get_text(pool, "name", "");
	gint64 used = json_get_integer(pool, "used", 0);
	gint64 wanted, living, missing;
	struct pools_source source = { 0 };
	gint64 given_up = 0;
	gboolean ok;

	if (pools_find_source(store, pool, &source))
		given_up = pools_give_up_old(store, pool, source.version, error);
	wanted = MIN(json_get_integer(pool, "size", 0),
		     used + pools_find_spare(store, pool, &source));
	living = pools_count_living(store, name, error);
	missing = wanted - living;
	if (!source.silent)
		missing += pools_count_unreachable(store, name, error);
	if (given_up >= 0 && missing < 0)
		given_up += pools_give_up_some(store, name, -missing, error);
	missing = MIN(missing, json_get_integer(pool, "size", 0) - living);
	*ret_changed |= given_up > 0;
	ok = !(error && *error) &&
	     (!source.host || pools_grow(store, pool, &source, missing, ret_changed, error));
	pools_source_clear(&source);
	return ok;
}

/* A host that is drained or in maintenance gets no new desktops and gives up the free ones; users keep theirs. */
static gint64
pools_give_up_drained(struct store *store, GError **error)
{
	return store_change(
		store, error,
		"UPDATE desktop SET want = 'gone', changed_ms = $1 WHERE want = 'ready' AND host IN"
		" (SELECT name FROM host WHERE drain = 1 OR maintenance = 1) AND NOT EXISTS (SELECT 1 FROM session s"
		" WHERE s.desktop = desktop.id AND s.closed_ms IS NULL)",
		"i", broker_now_ms());
}

static gboolean
pools_reconcile_all(struct store *store, gboolean *ret_changed, GError **error)
{
	json_t *pools = store_query(
		store, error,
		"SELECT p.*, (SELECT count(*) FROM session s WHERE s.pool = p.name AND s.closed_ms IS NULL)"
		" AS used FROM pool p",
		"");
	gint64 drained = pools_give_up_drained(store, error);
	gboolean ok = pools != NULL && drained >= 0;

	*ret_changed |= drained > 0;
	for (gsize i = 0; ok && i < json_array_size(pools); i++)
		ok = pools_reconcile_one(store, json_array_get(pools, i), ret_changed, error);
	json_decref(pools);
	return ok;
}

gboolean
pools_reconcile(struct store *store, gboolean *ret_changed, GError **error)
{
	g_autoptr(GError) problem = NULL;

	*ret_changed = FALSE;
	if (!store_begin(store, error))
		return FALSE;
	if (pools_reconcile_all(store, ret_changed, &problem) && !problem &&
	    store_commit(store, error))
		return TRUE;
	store_rollback(store);
	if (problem)
		g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}
