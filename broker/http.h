/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http.h - the broker's HTTP server: HTTPS for everybody, a unix socket for this host
 *
 * The door to libmicrohttpd. Everything runs in the main loop's thread; a request may be answered at once or later.
 */
#ifndef BROKER_HTTP_H
#define BROKER_HTTP_H

#include <glib.h>
#include <sys/types.h>

#include "base/json.h"

#define HTTP_MAX_BODY (64 * 1024)
#define HTTP_MAX_HOST_BODY \
	(4 * 1024 * 1024) /* hostd's sync names every desktop, and may carry a picture */
#define HTTP_MAX_KEY 128  /* Idempotency-Key */

struct http;

/* Who asks, as far as tokens and the kernel know. Filled in by routes.c. */
struct http_identity {
	char *user; /* NULL: nobody */
	json_t *groups;
	guint roles; /* bits of enum route_role */
	char *token_hash;
	gint64 authenticate_ms;
};

struct http_request {
	char *method;
	char *path;
	char *name; /* the path's parameter, set by routes.c */
	char *bearer;
	char *idempotency_key;
	char *after;	/* ?after= of a list's page */
	json_t *body;	/* NULL: none */
	gboolean local; /* over the unix socket: then peer_uid is the kernel's word */
	uid_t peer_uid;
	char remote[64]; /* numeric address, or "local" */
	gint64 begun_us;
	struct http_identity identity;
	struct http_exchange *exchange; /* http.c's own */
};

/*
 * Called for each complete request whose body was no bad JSON. The callee answers it once with http_respond(), now or
 * later; until then the request lives, even when its client has gone.
 */
typedef void (*http_handle)(void *context, struct http_request *request);

struct http_settings {
	const char *address; /* of the HTTPS listener, "HOST:PORT" */
	const char *socket_path;
	const char *certificate_pem;
	const char *key_pem;
	uid_t host_uid; /* may send HTTP_MAX_HOST_BODY bytes */
	http_handle handle;
	void *context;
};

/* Listens on both. The error's text says what to do. */
struct http *http_start(const struct http_settings *settings, GError **error);

/* From now on new requests are answered with 503: what would handle them may go. */
void http_refuse(struct http *http);

/* Answers what waits with 503, then closes all. */
void http_stop(struct http *http);

/* Takes over "body" (NULL: no content). Status 400 and above is sent as problem+json. The request is not the caller's any more. */
void http_respond(struct http_request *request, guint status, json_t *body);

#endif
