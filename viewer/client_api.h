/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_api.h - the broker's API as the viewer sees it: asynchronous, with failures in words
 */
#ifndef VIEWER_CLIENT_API_H
#define VIEWER_CLIENT_API_H

#include <glib.h>

#include "base/json.h"

struct api;

enum client_api_outcome {
	CLIENT_API_OUTCOME_OK,
	CLIENT_API_OUTCOME_UNREACHABLE,
	CLIENT_API_OUTCOME_UNKNOWN_BROKER, /* nothing is pinned for it yet */
	CLIENT_API_OUTCOME_UNTRUSTED,	   /* another certificate than the one pinned */
	CLIENT_API_OUTCOME_REFUSED,	   /* the broker's answer is a problem */
	CLIENT_API_OUTCOME_COUNT,
};

struct client_api_answer {
	enum client_api_outcome outcome;
	guint status;		 /* HTTP; 0 when there was no answer */
	json_t *body;		 /* borrowed; NULL without one */
	const char *code;	 /* of the problem, "" otherwise */
	const char *notice;	 /* for the user, translated; NULL when OK */
	const char *fingerprint; /* UNKNOWN_BROKER: of the certificate it showed */
};

typedef void (*client_api_callback)(void *context, const struct client_api_answer *answer);

/* NULL and error when the address is not https://HOST[:PORT]. "context" is for all callbacks. */
struct api *client_api_new(const char *broker, void *context, GError **error);
void client_api_free(struct api *api); /* no callback comes after it */

void client_api_set_token(struct api *api, const char *token);

/* Writes the fingerprint that UNKNOWN_BROKER told into known_hosts and goes by it from now on. */
gboolean client_api_pin(struct api *api, const char *fingerprint, GError **error);

/* Takes over the reference of "body" (may be NULL). The key, where there is one, is the Idempotency-Key. */
void client_api_call(struct api *api, const char *method, const char *path, json_t *body,
		     const char *key, client_api_callback callback);
/* The same for what the broker may take its time for. */
void client_api_call_for(struct api *api, guint timeout_s, const char *method, const char *path,
			 json_t *body, client_api_callback callback);

#endif
