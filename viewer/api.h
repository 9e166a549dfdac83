/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api.h - the broker's API as the viewer sees it: asynchronous, with failures in words
 */
#ifndef VIEWER_API_H
#define VIEWER_API_H

#include <glib.h>

#include "base/json.h"

struct api;

enum api_outcome {
	API_OUTCOME_OK,
	API_OUTCOME_UNREACHABLE,
	API_OUTCOME_UNKNOWN_BROKER, /* nothing is pinned for it yet */
	API_OUTCOME_UNTRUSTED,	    /* another certificate than the one pinned */
	API_OUTCOME_REFUSED,	    /* the broker's answer is a problem */
	API_OUTCOME_COUNT,
};

struct api_answer {
	enum api_outcome outcome;
	guint status;		 /* HTTP; 0 when there was no answer */
	json_t *body;		 /* borrowed; NULL without one */
	const char *code;	 /* of the problem, "" otherwise */
	const char *notice;	 /* for the user, translated; NULL when OK */
	const char *fingerprint; /* UNKNOWN_BROKER: of the certificate it showed */
};

typedef void (*api_callback)(void *context, const struct api_answer *answer);

/* NULL and error when the address is not https://HOST[:PORT]. "context" is for all callbacks. */
struct api *api_new(const char *broker, void *context, GError **error);
void api_free(struct api *api); /* no callback comes after it */

void api_set_token(struct api *api, const char *token);

/* Writes the fingerprint that UNKNOWN_BROKER told into known_hosts and goes by it from now on. */
gboolean api_pin(struct api *api, const char *fingerprint, GError **error);

/* Takes over the reference of "body" (may be NULL). The key, where there is one, is the Idempotency-Key. */
void api_call(struct api *api, const char *method, const char *path, json_t *body, const char *key,
	      api_callback callback);

#endif
