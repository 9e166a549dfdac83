/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_api.c - the broker's API as the viewer sees it (carrel-viewer)
 *
 * How it works: every call remembers its api until its answer comes; client_api_free() takes that away (call->api), so that
 * late answers go nowhere. The trust function never accepts: it only notes the fingerprint, and client_api_judge() turns it
 * into "not known yet" or "changed". Problem codes become words in problem_words.c, so that they can be translated.
 */
#include "viewer/client_api.h"

#include <glib/gi18n.h>

#include "common/http_client.h"
#include "common/known_hosts.h"
#include "viewer/problem_words.h"

struct api {
	struct http_client *client;
	char *broker;
	char *pinned;
	char *seen; /* fingerprint that was not the pinned one */
	GPtrArray *calls;
	void *context;
};

struct call {
	struct api *api; /* NULL: nobody waits any more */
	client_api_callback callback;
};

static gboolean
client_api_handle_certificate(void *context, const char *fingerprint)
{
	struct api *api = context;

	g_free(api->seen);
	api->seen = g_strdup(fingerprint);
	return FALSE;
}

static struct http_client *
client_api_connect(struct api *api)
{
	return http_client_new_tls(api->broker, api->pinned, client_api_handle_certificate, api);
}

struct api *
client_api_new(const char *broker, void *context, GError **error)
{
	g_autofree char *url = known_hosts_normalize(broker, error);
	struct api *api;

	if (!url)
		return NULL;
	api = g_new0(struct api, 1);
	api->broker = g_steal_pointer(&url);
	api->pinned = known_hosts_find(api->broker);
	api->context = context;
	api->calls = g_ptr_array_new();
	api->client = client_api_connect(api);
	return api;
}

void
client_api_free(struct api *api)
{
	if (!api)
		return;
	for (guint i = 0; i < api->calls->len; i++)
		((struct call *)g_ptr_array_index(api->calls, i))->api = NULL;
	g_ptr_array_unref(api->calls);
	http_client_free(api->client);
	g_free(api->broker);
	g_free(api->pinned);
	g_free(api->seen);
	g_free(api);
}

void
client_api_set_token(struct api *api, const char *token)
{
	http_client_set_token(api->client, token);
}

gboolean
client_api_pin(struct api *api, const char *fingerprint, GError **error)
{
	if (!known_hosts_add(api->broker, fingerprint, error))
		return FALSE;
	g_free(api->pinned);
	api->pinned = g_strdup(fingerprint);
	http_client_free(api->client);
	api->client = client_api_connect(api);
	return TRUE;
}

static enum client_api_outcome
client_api_judge(const struct api *api, const struct http_answer *answer)
{
	if (answer->status >= 200 && answer->status < 300)
		return CLIENT_API_OUTCOME_OK;
	if (answer->status != 0)
		return CLIENT_API_OUTCOME_REFUSED;
	if (!api->seen)
		return CLIENT_API_OUTCOME_UNREACHABLE;
	return api->pinned ? CLIENT_API_OUTCOME_UNTRUSTED : CLIENT_API_OUTCOME_UNKNOWN_BROKER;
}

/* The caller's to free. */
static char *
client_api_describe(const struct api *api, const struct http_answer *answer,
		    enum client_api_outcome outcome)
{
	g_autofree char *known_hosts = known_hosts_get_path();
	const char *words;

	switch (outcome) {
	case CLIENT_API_OUTCOME_UNREACHABLE:
		return g_strdup_printf(
			_("The broker %s cannot be reached: %s. Check the address and your network."),
			api->broker, answer->error ? answer->error->message : "");
	case CLIENT_API_OUTCOME_UNTRUSTED:
		return g_strdup_printf(
			_("The broker %s shows another certificate than before. Somebody may be "
			  "listening, so nothing was sent. If your administrator has renewed the "
			  "certificate, remove its line from %s.\n\nNow: %s\nBefore: %s"),
			api->broker, known_hosts, api->seen, api->pinned);
	case CLIENT_API_OUTCOME_REFUSED:
		words = problem_words_find(answer->code);
		if (words)
			return g_strdup(words);
		if (answer->status == 401)
			return g_strdup(_("You were logged out by the broker. Log in again."));
		return g_strdup_printf(_("The broker refused: %s (%u)."),
				       answer->title[0] ? answer->title : answer->code,
				       answer->status);
	default:
		return NULL;
	}
}

static void
client_api_handle_answer(void *context, const struct http_answer *answer)
{
	struct call *call = context;
	struct api *api = call->api;
	struct client_api_answer result = { .status = answer->status,
					    .body = answer->body,
					    .code = answer->code };
	g_autofree char *notice = NULL;
	g_autofree char *fingerprint = NULL;

	if (api) {
		g_ptr_array_remove_fast(api->calls, call);
		result.outcome = client_api_judge(api, answer);
		if (result.outcome == CLIENT_API_OUTCOME_OK && answer->body &&
		    !json_is_object(answer->body) && !json_is_array(answer->body))
			result.body = NULL;
		notice = client_api_describe(api, answer, result.outcome);
		fingerprint = g_strdup(api->seen);
		g_clear_pointer(&api->seen, g_free);
		result.notice = notice;
		result.fingerprint = fingerprint;
		call->callback(api->context, &result);
	}
	g_free(call);
}

static void
client_api_send(struct api *api, guint timeout_s, const char *method, const char *path,
		json_t *body, const char *key, client_api_callback callback)
{
	struct call *call = g_new0(struct call, 1);

	call->api = api;
	call->callback = callback;
	g_ptr_array_add(api->calls, call);
	http_client_send(api->client, method, path, body, key, timeout_s, NULL,
			 client_api_handle_answer, call);
	json_decref(body);
}

void
client_api_call(struct api *api, const char *method, const char *path, json_t *body,
		const char *key, client_api_callback callback)
{
	client_api_send(api, 0, method, path, body, key, callback);
}

void
client_api_call_for(struct api *api, guint timeout_s, const char *method, const char *path,
		    json_t *body, client_api_callback callback)
{
	client_api_send(api, timeout_s, method, path, body, NULL, callback);
}
