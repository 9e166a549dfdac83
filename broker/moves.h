/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * moves.h - who has a desktop that moves from one host to another
 */
#ifndef BROKER_MOVES_H
#define BROKER_MOVES_H

#include <glib.h>

#include "base/json.h"

struct http_request;
struct store;

/* The suspended desktop that the request's path names shall be that host's. FALSE: it is not, which was responded. */
gboolean moves_begin(struct store *store, struct http_request *request, const char *host);

/*
 * It moves, or is suspended and could be moved before its host hears of it: it goes wherever it is, and its session ends. Others stay
 * as they are. FALSE only on error.
 */
gboolean moves_give_up(struct store *store, const char *desktop, GError **error);

/* What has left this host and was not taken in yet, for its answer: [{"id", "template", "version", "kind"}], a new reference. */
json_t *moves_list_left(struct store *store, const char *host);

/* Inside the transaction of a report: its host reports this state. FALSE only on error. */
gboolean moves_note_state(struct store *store, const char *host, const char *desktop,
			  const char *state, GError **error);

/* The same: its host could not do what was asked of it. */
gboolean moves_note_failure(struct store *store, const char *host, const char *desktop,
			    const char *text, GError **error);

#endif
