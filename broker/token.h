/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * token.h - API tokens: 256 random bits, kept only as a hash, revocable
 */
#ifndef BROKER_TOKEN_H
#define BROKER_TOKEN_H

#include <glib.h>

#include "base/id.h"
#include "base/json.h"

struct store;
struct http_identity;

#define TOKEN_MAX_HOURS 12

/* Makes a token for "user". ret_token is the only copy: the caller wipes it once it is sent. */
gboolean token_issue(struct store *store, const char *user, const json_t *groups, gint64 hours,
		     gint64 authenticate_ms, char ret_token[ID_SECRET_SIZE], GError **error);

/* Fills in user, groups, token_hash and authenticate_ms; FALSE for an unknown, expired or malformed token. */
gboolean token_find(struct store *store, const char *token, struct http_identity *ret_identity);

gboolean token_revoke(struct store *store, const char *token_hash, GError **error);
gboolean token_drop_expired(struct store *store, GError **error);

#endif
