/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * token.c - API tokens (carrel-broker)
 *
 * A token is looked up by its hash: comparing takes no time that depends on the secret. Its life is bounded on both sides
 * (created_ms <= now < expires_ms), so that a clock set back does not give old tokens a second life.
 */
#include "broker/token.h"

#include "broker/broker.h"
#include "broker/http.h"
#include "broker/store.h"
#include "common/hash.h"

#define TOKEN_HOUR_MS	     G_GINT64_CONSTANT(3600000)
#define TOKEN_CLOCK_SLACK_MS 60000

gboolean
token_issue(struct store *store, const char *user, const json_t *groups, gint64 hours,
	    gint64 authenticate_ms, char ret_token[ID_SECRET_SIZE], GError **error)
{
	g_autofree char *hash = NULL;
	g_autofree char *groups_text = json_dumps(groups, JSON_COMPACT);
	gint64 now_ms = broker_now_ms();

	if (id_new_secret(ret_token) < 0) {
		g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED,
			    "the kernel gives no random numbers");
		return FALSE;
	}
	hash = hash_text(ret_token);
	return store_change(
		       store, error,
		       "INSERT INTO token (hash, user, groups, created_ms, expires_ms, authenticate_ms)"
		       " VALUES ($1, $2, $3, $4, $5, $6)",
		       "sssiii", hash, user, groups_text, now_ms,
		       now_ms + CLAMP(hours, 1, TOKEN_MAX_HOURS) * TOKEN_HOUR_MS,
		       authenticate_ms) == 1;
}

gboolean
token_find(struct store *store, const char *token, struct http_identity *ret_identity)
{
	g_autofree char *hash = NULL;
	gint64 now_ms = broker_now_ms();
	json_t *row;

	if (!id_secret_valid(token))
		return FALSE;
	hash = hash_text(token);
	row = store_query_one(store, NULL,
			      "SELECT user, groups, authenticate_ms FROM token"
			      " WHERE hash = $1 AND created_ms <= $2 AND expires_ms > $3",
			      "sii", hash, now_ms + TOKEN_CLOCK_SLACK_MS, now_ms);
	if (!row)
		return FALSE;
	ret_identity->user = g_strdup(json_get_text(row, "user", ""));
	ret_identity->groups = json_loads(json_get_text(row, "groups", "[]"), 0, NULL);
	ret_identity->authenticate_ms = json_get_integer(row, "authenticate_ms", 0);
	ret_identity->token_hash = g_steal_pointer(&hash);
	json_decref(row);
	return TRUE;
}

gboolean
token_revoke(struct store *store, const char *token_hash, GError **error)
{
	return store_change(store, error, "DELETE FROM token WHERE hash = $1", "s", token_hash) >=
	       0;
}

gboolean
token_drop_expired(struct store *store, GError **error)
{
	return store_change(store, error, "DELETE FROM token WHERE expires_ms <= $1", "i",
			    broker_now_ms()) >= 0;
}
