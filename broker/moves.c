/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moves.c - who has a desktop that moves from one host to another (carrel-broker)
 *
 * How it works: a desktop's row names one host, and nobody but that host may do anything with it. "move_to" is where it shall go
 * (moves_begin): its host is asked to export it. When that says 'exported' the row becomes the other host's, "move_from" keeps the first
 * (moves_note_state), and the new one is asked to take it in, until it says 'suspended'. Should it refuse, the row goes back
 * (moves_note_failure) with "move_from" the host itself: then there is no other to give it to, and it tries again. The same with one
 * that its host has let go by an answer that is out of date: nobody waits for it any more. Meanwhile nothing
 * that a host reports, or does not, makes a desktop that moves a lost one: it is in the folder between them.
 */
#include "broker/moves.h"

#include <string.h>

#include "base/log.h"
#include "broker/assign.h"
#include "broker/broker.h"
#include "broker/http.h"
#include "broker/problem.h"
#include "broker/store.h"

static json_t *
moves_find(struct store *store, const char *desktop, const char *host, GError **error)
{
	return store_query_one(
		store, error,
		"SELECT d.state AS state, d.want AS want, d.host AS host, d.template AS template, d.version AS version,"
		" d.engine AS engine, d.network AS network,"
		" d.move_to IS NOT NULL OR d.move_from IS NOT NULL AS moves, a.seen_ms AS own_seen_ms,"
		" a.exchange AS own_exchange, b.name AS name, b.seen_ms AS seen_ms, b.exchange AS exchange,"
		" b.drain = 1 OR b.maintenance = 1 AS rests, b.engines AS engines,"
		" (SELECT count(*) FROM template t WHERE t.host = b.name AND t.name = d.template AND"
		" t.version = d.version AND t.engine = d.engine) AS versions"
		" FROM desktop d JOIN host a ON a.name = d.host LEFT JOIN host b ON b.name = $2 WHERE d.id = $1",
		"ss", desktop, host);
}

static gboolean
moves_list_holds(const json_t *list, const char *text)
{
	for (gsize i = 0; i < json_array_size(list); i++)
		if (g_strcmp0(json_string_value(json_array_get(list, i)), text) == 0)
			return TRUE;
	return FALSE;
}

/* Can the other host run its engine, with its network? */
static gboolean
moves_has_engine(const json_t *row)
{
	json_t *engines = json_loads(json_get_text(row, "engines", "[]"), 0, NULL);
	gboolean has = FALSE;

	for (gsize i = 0; i < json_array_size(engines); i++) {
		const json_t *engine = json_array_get(engines, i);

		has |= strcmp(json_get_text(engine, "name", ""),
			      json_get_text(row, "engine", "")) == 0 &&
		       json_get_flag(engine, "usable", FALSE) &&
		       moves_list_holds(json_object_get(engine, "networks"),
					json_get_text(row, "network", ""));
	}
	json_decref(engines);
	return has;
}

static gboolean
moves_is_silent(const json_t *row, const char *column)
{
	return json_get_integer(row, column, 0) < broker_silent_since_ms();
}

/* FALSE: something on its own side stands against it, which was responded. */
static gboolean
moves_judge_desktop(struct http_request *request, const json_t *row, const char *desktop)
{
	const char *state = json_get_text(row, "state", "");

	if (strcmp(json_get_text(row, "want", ""), "ready") != 0)
		problem_respond(request, 409, "desktop.gone", "desktop %s does not run any more",
				desktop);
	else if (json_get_integer(row, "moves", 0) != 0)
		problem_respond(
			request, 409, "desktop.moving",
			"desktop %s is being moved; 'carrel desktop list' says how far it is",
			desktop);
	else if (strcmp(state, "suspended") != 0)
		problem_respond(
			request, 409, "desktop.running",
			"desktop %s is %s: only a suspended one can be moved; 'carrel desktop suspend "
			"%s' first",
			desktop, state, desktop);
	else
		return TRUE;
	return FALSE;
}

/* Are both hosts there, and does the other take desktops? As above. */
static gboolean
moves_judge_host(struct http_request *request, const json_t *row, const char *host)
{
	const char *own = json_get_text(row, "host", "");

	if (!json_is_string(json_object_get(row, "name")))
		problem_respond(
			request, 404, "host.unknown",
			"there is no host '%s'; 'carrel host list' shows those that there are",
			host);
	else if (strcmp(own, host) == 0)
		problem_respond(request, 409, "host.same", "the desktop is on host '%s' already",
				host);
	else if (moves_is_silent(row, "seen_ms") || moves_is_silent(row, "own_seen_ms"))
		problem_respond(
			request, 409, "host.silent",
			"host '%s' has not reported for a minute: look at its carrel-hostd first",
			moves_is_silent(row, "seen_ms") ? host : own);
	else if (json_get_integer(row, "rests", 0) != 0)
		problem_respond(
			request, 409, "host.drained",
			"host '%s' is drained or in maintenance and takes no desktops: end that first, "
			"or choose another",
			host);
	else
		return TRUE;
	return FALSE;
}

/* Has the other host what the desktop needs? As above. */
static gboolean
moves_judge_needs(struct http_request *request, const json_t *row, const char *host)
{
	const char *own = json_get_text(row, "host", "");
	gboolean folder = json_get_integer(row, "exchange", 0) != 0;

	if (!folder || json_get_integer(row, "own_exchange", 0) == 0)
		problem_respond(
			request, 409, "host.exchange",
			"host '%s' has no folder through which desktops move: set 'exchange' in [host] of "
			"its carrel.conf to one that both hosts mount",
			folder ? own : host);
	else if (json_get_integer(row, "versions", 0) == 0)
		problem_respond(
			request, 409, "host.template",
			"host '%s' has no '%s@%d' for engine '%s': copy that version's folder there as "
			"it is on host '%s'",
			host, json_get_text(row, "template", ""),
			(int)json_get_integer(row, "version", 0), json_get_text(row, "engine", ""),
			own);
	else if (!moves_has_engine(row))
		problem_respond(
			request, 409, "host.engine",
			"host '%s' cannot run engine '%s' with the network '%s'; 'carrel host doctor' "
			"says there why",
			host, json_get_text(row, "engine", ""), json_get_text(row, "network", ""));
	else
		return TRUE;
	return FALSE;
}

gboolean
moves_begin(struct store *store, struct http_request *request, const char *host)
{
	const char *desktop = request->name;
	g_autoptr(GError) error = NULL;
	json_t *row = moves_find(store, desktop, host, &error);
	gboolean may = row && moves_judge_desktop(request, row, desktop) &&
		       moves_judge_host(request, row, host) &&
		       moves_judge_needs(request, row, host);

	if (!row)
		problem_respond_unknown(request, "desktop", error);
	json_decref(row);
	if (!may)
		return FALSE;
	if (store_change(store, &error,
			 "UPDATE desktop SET move_to = $1, move_error = '' WHERE id = $2", "ss",
			 host, desktop) >= 0)
		return TRUE;
	problem_respond_error(request, error);
	return FALSE;
}

gboolean
moves_give_up(struct store *store, const char *desktop, GError **error)
{
	json_t *row = store_query_one(
		store, error,
		"SELECT s.id AS session FROM desktop d LEFT JOIN session s ON s.desktop = d.id"
		" AND s.closed_ms IS NULL WHERE d.id = $1 AND d.want = 'ready'"
		" AND (d.move_to IS NOT NULL OR d.move_from IS NOT NULL OR d.state = 'suspended')",
		"s", desktop);
	gboolean ok = !(error && *error);

	if (row && json_is_string(json_object_get(row, "session")))
		ok = assign_release(store, json_get_text(row, "session", ""), "stopped", FALSE,
				    error);
	else if (row)
		ok = store_change(store, error, "UPDATE desktop SET want = 'gone' WHERE id = $1",
				  "s", desktop) >= 0;
	json_decref(row);
	return ok;
}

json_t *
moves_list_left(struct store *store, const char *host)
{
	json_t *rows = store_query(
		store, NULL,
		"SELECT id, template, version, kind FROM desktop WHERE move_from = $1 AND host <> $1"
		" AND want = 'ready' AND state NOT IN ('gone', 'failed') ORDER BY id",
		"s", host);

	return rows ? rows : json_array();
}

gboolean
moves_note_state(struct store *store, const char *host, const char *desktop, const char *state,
		 GError **error)
{
	gint64 changed = 0;

	if (strcmp(state, "exported") == 0)
		changed = store_change(
			store, error,
			"UPDATE desktop SET move_from = host, host = coalesce(move_to, host), move_to = NULL, reported = 0"
			" WHERE id = $1 AND host = $2 AND want = 'ready' AND (move_to IS NOT NULL OR move_from IS NULL)",
			"ss", desktop, host);
	else if (strcmp(state, "suspended") == 0)
		changed = store_change(
			store, error,
			"UPDATE desktop SET move_from = NULL WHERE id = $1 AND host = $2 AND move_from IS NOT NULL",
			"ss", desktop, host);
	if (changed > 0)
		log_info("desktop=%s: host '%s' has %s", desktop, host,
			 state[0] == 'e' ? "let it go" : "taken it in");
	return changed >= 0;
}

gboolean
moves_note_failure(struct store *store, const char *host, const char *desktop, const char *text,
		   GError **error)
{
	g_autofree char *stays =
		g_strdup_printf("it was not moved: host '%s' does not let it go: %s", host, text);
	g_autofree char *returns =
		g_strdup_printf("it was not moved: host '%s' does not take it: %s", host, text);
	gint64 stayed = store_change(
		store, error,
		"UPDATE desktop SET move_to = NULL, move_error = $1 WHERE id = $2 AND host = $3 AND move_to IS NOT NULL",
		"sss", stays, desktop, host);
	gint64 returned =
		stayed != 0 ? 0
			    : store_change(store, error,
					   "UPDATE desktop SET host = move_from, reported = 0,"
					   " move_error = $1 WHERE id = $2 AND host = $3"
					   " AND want = 'ready' AND move_from <> host",
					   "sss", returns, desktop, host);

	if (stayed > 0 || returned > 0)
		log_warning("desktop=%s: %s", desktop, stayed > 0 ? stays : returns);
	return stayed >= 0 && returned >= 0;
}
