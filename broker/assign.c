/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * assign.c - who gets which desktop (carrel-broker)
 *
 * How it works: assign_take() looks and writes inside one transaction; the schema's unique indexes (one open session
 * a desktop, one a user and pool) and triggers say no to whatever this code gets wrong. A desktop is used by one user in its
 * life: assign_release() closes the session and marks the desktop to be destroyed, never to be handed on.
 */
#include "broker/assign.h"

#include "base/id.h"
#include "broker/broker.h"
#include "broker/pools.h"
#include "broker/store.h"

static json_t *
assign_find_open(struct store *store, const struct assign_request *request, GError **error)
{
	return store_query_one(store, error,
			       "SELECT s.id AS session, s.desktop AS desktop, " ASSIGN_SESSION_STATE
			       " AS state FROM session s JOIN desktop d ON d.id = s.desktop"
			       " WHERE s.user = $1 AND s.pool = $2 AND s.closed_ms IS NULL",
			       "ss", request->user, request->pool);
}

static json_t *
assign_find_existing(struct store *store, const struct assign_request *request, GError **error)
{
	json_t *row;

	if (request->key) {
		row = store_query_one(
			store, error,
			"SELECT s.id AS session, s.desktop AS desktop, " ASSIGN_SESSION_STATE
			" AS state FROM session s JOIN desktop d ON d.id = s.desktop"
			" WHERE s.user = $1 AND s.pool = $2 AND s.idempotency_key = $3",
			"sss", request->user, request->pool, request->key);
		if (row || (error && *error))
			return row;
	}
	return assign_find_open(store, request, error);
}

/*
 * Ready ones first; one that is still forking is nearly as good, its user waits with it; then those that were suspended, but
 * none that its host could not resume. silent: of hosts that do not report, too.
 */
static json_t *
assign_find_free(struct store *store, const char *pool, gboolean silent, GError **error)
{
	return store_query_one(
		store, error,
		"SELECT id, generation, state FROM desktop d WHERE pool = $1 AND want = 'ready'"
		" AND state IN ('ready', 'identifying', 'forking', 'suspending', 'suspended', 'resuming')"
		" AND NOT (state = 'suspended' AND error <> '') AND move_to IS NULL AND move_from IS NULL AND NOT EXISTS"
		" (SELECT 1 FROM session s WHERE s.desktop = d.id AND s.closed_ms IS NULL) AND NOT EXISTS"
		" (SELECT 1 FROM host WHERE host.name = d.host AND (host.maintenance = 1 OR host.seen_ms < $2))"
		" ORDER BY suspend, CASE state WHEN 'ready' THEN 0 WHEN 'identifying' THEN 1 WHEN 'forking' THEN 2 ELSE 3 END,"
		" created_ms, id"
		" LIMIT 1",
		"si", pool, silent ? 0 : broker_silent_since_ms());
}

/* A pool may keep none free, where making one takes a moment. On a host that is silent its user waits: only if there is no other. */
static json_t *
assign_find_or_make_free(struct store *store, const char *pool, GError **error)
{
	g_autoptr(GError) problem = NULL;
	json_t *desktop = NULL;

	for (gboolean silent = FALSE; silent <= TRUE && !desktop && !problem; silent++) {
		desktop = assign_find_free(store, pool, silent, &problem);
		if (!desktop && !problem && pools_add_one(store, pool, silent, &problem))
			desktop = assign_find_free(store, pool, silent, &problem);
	}
	if (problem)
		g_propagate_error(error, g_steal_pointer(&problem));
	return desktop;
}

static gboolean
assign_insert(struct store *store, const struct assign_request *request, const json_t *desktop,
	      const char *session, GError **error)
{
	return store_change(
		       store, error,
		       "INSERT INTO session (id, user, groups, pool, desktop, generation, keyboard, variant, locale,"
		       " timezone, idempotency_key, opened_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		       "sssssisssssi", session, request->user, request->groups, request->pool,
		       json_get_text(desktop, "id", ""),
		       (gint64)json_get_integer(desktop, "generation", 0), request->keyboard,
		       request->variant, request->locale, request->timezone, request->key,
		       broker_now_ms()) == 1;
}

static json_t *
assign_make(struct store *store, const struct assign_request *request, const json_t *desktop,
	    GError **error)
{
	char session[ID_SIZE];
	gint64 assign_ms = (g_get_monotonic_time() - request->begun_us) / 1000;

	if (id_new(ID_KIND_SESSION, session) < 0) {
		g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED,
			    "the kernel gives no random numbers");
		return NULL;
	}
	if (!assign_insert(store, request, desktop, session, error) ||
	    !assign_note_time(store, session, "authenticate", request->authenticate_ms, error) ||
	    !assign_note_time(store, session, "assign", MAX(assign_ms, 0), error))
		return NULL;
	return assign_find_open(store, request, error);
}

static enum assign_result
assign_decide(struct store *store, const struct assign_request *request, json_t **ret_session,
	      GError **error)
{
	g_autoptr(GError) problem = NULL;
	json_t *session = assign_find_existing(store, request, &problem);
	enum assign_result result = session ? ASSIGN_EXISTING : ASSIGN_NEW;
	json_t *desktop = NULL;

	if (!session && !problem) {
		desktop = assign_find_or_make_free(store, request->pool, &problem);
		if (!desktop && !problem)
			result = ASSIGN_EMPTY;
		else if (desktop)
			session = assign_make(store, request, desktop, &problem);
		json_decref(desktop);
	}
	if (session && !problem)
		assign_wake(store, json_get_text(session, "desktop", ""), &problem);
	if (problem) {
		json_decref(session);
		g_propagate_error(error, g_steal_pointer(&problem));
		return ASSIGN_FAILED;
	}
	*ret_session = session;
	return result;
}

enum assign_result
assign_take(struct store *store, const struct assign_request *request, json_t **ret_session,
	    GError **error)
{
	json_t *session = NULL;
	enum assign_result result;

	*ret_session = NULL;
	if (!store_begin(store, error))
		return ASSIGN_FAILED;
	result = assign_decide(store, request, &session, error);
	if (result == ASSIGN_FAILED || !store_commit(store, error)) {
		store_rollback(store);
		json_decref(session);
		return ASSIGN_FAILED;
	}
	*ret_session = session;
	return result;
}

gboolean
assign_release(struct store *store, const char *session, const char *reason, gboolean revoked,
	       GError **error)
{
	gint64 now_ms = broker_now_ms();
	gint64 closed = store_change(store, error,
				     "UPDATE session SET closed_ms = $1, reason = $2, revoked = $3"
				     " WHERE id = $4 AND closed_ms IS NULL",
				     "isis", now_ms, reason, (gint64)(revoked ? 1 : 0), session);

	if (closed <= 0)
		return closed == 0;
	return store_change(store, error,
			    "UPDATE desktop SET want = 'gone', changed_ms = $1"
			    " WHERE id = (SELECT desktop FROM session WHERE id = $2)",
			    "is", now_ms, session) >= 0;
}

gboolean
assign_wake(struct store *store, const char *desktop, GError **error)
{
	return store_change(store, error,
			    "UPDATE desktop SET suspend = 0 WHERE id = $1 AND suspend = 1", "s",
			    desktop) >= 0;
}

gboolean
assign_note_time(struct store *store, const char *subject, const char *step, gint64 ms,
		 GError **error)
{
	return store_change(store, error,
			    "INSERT INTO timing (subject, step, ms, at_ms) VALUES ($1, $2, $3, $4)"
			    " ON CONFLICT (subject, step) DO NOTHING",
			    "ssii", subject, step, MAX(ms, 0), broker_now_ms()) >= 0;
}
