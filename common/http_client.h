/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_client.h - JSON requests to the broker, over its unix socket or HTTPS with a pinned certificate
 *
 * The door to libsoup. Answers are bounded (HTTP_CLIENT_MAX_BYTES) and parsed strictly.
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include <gio/gio.h>

#include "base/json.h"

#define HTTP_CLIENT_MAX_BYTES (4 * 1024 * 1024)

struct http_client;

/* What came back. status 0: no answer at all, then "error" says why in words for people. */
struct http_answer {
	guint status;
	json_t *body;	   /* NULL when there was none */
	const char *code;  /* of a problem+json, e.g. "login.denied"; else "" */
	const char *title; /* of a problem+json; else "" */
	const GError *error;
};

/* Called exactly once for each request, never from inside http_client_send(). The answer lives for the call only. */
typedef void (*http_client_callback)(void *context, const struct http_answer *answer);

/*
 * Asked when the server's certificate is not the pinned one: the SHA-256 fingerprint, as 32 hex pairs with colons. TRUE
 * goes on (first use); FALSE ends the connection.
 */
typedef gboolean (*http_client_trust)(void *context, const char *fingerprint);

struct http_client *http_client_new_unix(const char *socket_path);

/* "url" is like "https://broker:8443". pinned may be NULL. Without a trust function only the pinned one is accepted. */
struct http_client *http_client_new_tls(const char *url, const char *pinned,
					http_client_trust trust, void *context);
void http_client_free(struct http_client *client);

/* The bearer token of all later requests; NULL for none. Kept in memory that is wiped. */
void http_client_set_token(struct http_client *client, const char *token);

/*
 * "body" may be NULL (it is not taken over), as may "idempotency_key" and "cancellable". timeout_s 0: 30 s. A freed client
 * or a cancelled request still calls back, with status 0.
 */
void http_client_send(struct http_client *client, const char *method, const char *path,
		      json_t *body, const char *idempotency_key, guint timeout_s,
		      GCancellable *cancellable, http_client_callback callback, void *context);

/* The same and wait, for command-line programs; the callback runs before it returns. */
void http_client_send_and_wait(struct http_client *client, const char *method, const char *path,
			       json_t *body, const char *idempotency_key, guint timeout_s,
			       http_client_callback callback, void *context);

#endif
