/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_client.c - JSON requests to the broker (carrel, carrel-viewer, carrel-hostd)
 *
 * How it works: a SoupSession is bound to one server, by a unix socket address or by its URL. http_client_send() makes a
 * request object that owns its message, reads the answer into memory up to the limit, and ends in request_finish(),
 * the only place that calls back. The certificate is judged in request_accept_certificate(): a certificate authority does
 * not matter, only the fingerprint does.
 */
#include "common/http_client.h"

#include <gio/gunixsocketaddress.h>
#include <libsoup/soup.h>
#include <string.h>

#define DEFAULT_TIMEOUT_S 30
#define READ_BYTES	  (64 * 1024)

struct http_client {
	gint references; /* the owner's and one a request under way */
	SoupSession *session;
	char *base;
	char *pinned;
	char *token;
	http_client_trust trust;
	void *trust_context;
};

struct request {
	struct http_client *client;
	SoupMessage *message;
	GInputStream *stream;
	GByteArray *bytes;
	GCancellable *cancellable;
	gulong cancelled_handler;
	GCancellable *outer;
	guint timeout_source;
	gboolean timed_out;
	http_client_callback callback;
	void *context;
};

static struct http_client *
http_client_new(SoupSession *session, const char *base)
{
	struct http_client *client = g_new0(struct http_client, 1);

	client->references = 1;
	client->session = session;
	client->base = g_strdup(base);
	return client;
}

struct http_client *
http_client_new_unix(const char *socket_path)
{
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(socket_path);
	SoupSession *session =
		soup_session_new_with_options("remote-connectable", address, "timeout", 0, NULL);

	return http_client_new(session, "http://localhost");
}

struct http_client *
http_client_new_tls(const char *url, const char *pinned, http_client_trust trust, void *context)
{
	struct http_client *client =
		http_client_new(soup_session_new_with_options("timeout", 0, NULL), url);

	/* The broker is asked directly: a proxy of the environment would see log-ins. */
	soup_session_set_proxy_resolver(client->session, NULL);
	/* No authority is trusted, so that request_accept_certificate() is asked about every certificate. */
	soup_session_set_tls_database(client->session, NULL);
	client->pinned = g_strdup(pinned);
	client->trust = trust;
	client->trust_context = context;
	return client;
}

static void
http_client_unref(struct http_client *client)
{
	if (--client->references > 0)
		return;
	http_client_set_token(client, NULL);
	g_object_unref(client->session);
	g_free(client->base);
	g_free(client->pinned);
	g_free(client);
}

void
http_client_free(struct http_client *client)
{
	if (!client)
		return;
	client->trust = NULL;
	soup_session_abort(client->session);
	http_client_unref(client);
}

void
http_client_set_token(struct http_client *client, const char *token)
{
	if (client->token)
		explicit_bzero(client->token, strlen(client->token));
	g_free(client->token);
	client->token = g_strdup(token);
}

/* SHA-256, as http_client_trust() gets it. */
static char *
http_client_fingerprint(GTlsCertificate *certificate)
{
	g_autoptr(GByteArray) der = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *hash = NULL;

	g_object_get(certificate, "certificate", &der, NULL);
	hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, der->data, der->len);
	for (guint i = 0; hash[i]; i++) {
		if (i > 0 && i % 2 == 0)
			g_string_append_c(text, ':');
		g_string_append_c(text, g_ascii_toupper(hash[i]));
	}
	return g_strdup(text->str);
}

static gboolean
request_accept_certificate(G_GNUC_UNUSED SoupMessage *message, GTlsCertificate *certificate,
			   G_GNUC_UNUSED GTlsCertificateFlags errors, gpointer data)
{
	struct request *request = data;
	struct http_client *client = request->client;
	g_autofree char *fingerprint = http_client_fingerprint(certificate);

	if (client->pinned && g_ascii_strcasecmp(client->pinned, fingerprint) == 0)
		return TRUE;
	if (!client->trust || !client->trust(client->trust_context, fingerprint))
		return FALSE;
	g_free(client->pinned);
	client->pinned = g_strdup(fingerprint);
	return TRUE;
}

static void
request_free(struct request *request)
{
	if (request->timeout_source)
		g_source_destroy(g_main_context_find_source_by_id(
			g_main_context_get_thread_default(), request->timeout_source));
	if (request->outer)
		g_cancellable_disconnect(request->outer, request->cancelled_handler);
	g_clear_object(&request->outer);
	g_signal_handlers_disconnect_by_data(request->message, request);
	g_clear_object(&request->stream);
	g_object_unref(request->message);
	g_object_unref(request->cancellable);
	g_byte_array_unref(request->bytes);
	http_client_unref(request->client);
	g_free(request);
}

static json_t *
request_parse(struct request *request, GError **error)
{
	struct json_problem problem;
	json_t *body;

	if (request->bytes->len == 0)
		return NULL;
	body = json_parse_strict((const char *)request->bytes->data, request->bytes->len,
				 HTTP_CLIENT_MAX_BYTES, &problem);
	if (!body)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the server's answer is %s",
			    problem.text);
	return body;
}

/* Ends a request; error may be NULL and is taken over. */
static void
request_finish(struct request *request, GError *error)
{
	g_autoptr(GError) problem = error;
	json_t *body = NULL;
	struct http_answer answer = { .code = "", .title = "" };

	if (request->timed_out) {
		g_clear_error(&problem);
		problem = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
					      "the server did not answer in time");
	}
	if (!problem)
		body = request_parse(request, &problem);
	if (!problem) {
		answer.status = soup_message_get_status(request->message);
		answer.body = body;
	}
	if (body && answer.status >= 400) {
		answer.code = json_get_text(body, "code", "");
		answer.title = json_get_text(body, "title", "");
	}
	answer.error = problem;
	request->callback(request->context, &answer);
	json_decref(body);
	request_free(request);
}

static void request_read_next(struct request *request);

static void
request_handle_read(GObject *object, GAsyncResult *result, gpointer data)
{
	struct request *request = data;
	GError *error = NULL;
	g_autoptr(GBytes) part =
		g_input_stream_read_bytes_finish(G_INPUT_STREAM(object), result, &error);

	if (!part || g_bytes_get_size(part) == 0) {
		request_finish(request, error);
		return;
	}
	g_byte_array_append(request->bytes, g_bytes_get_data(part, NULL),
			    (guint)g_bytes_get_size(part));
	if (request->bytes->len > HTTP_CLIENT_MAX_BYTES) {
		request_finish(request,
			       g_error_new_literal(G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
						   "the server's answer is too large"));
		return;
	}
	request_read_next(request);
}

static void
request_read_next(struct request *request)
{
	g_input_stream_read_bytes_async(request->stream, READ_BYTES, G_PRIORITY_DEFAULT,
					request->cancellable, request_handle_read, request);
}

static void
request_handle_sent(GObject *object, GAsyncResult *result, gpointer data)
{
	struct request *request = data;
	GError *error = NULL;

	request->stream = soup_session_send_finish(SOUP_SESSION(object), result, &error);
	if (!request->stream)
		request_finish(request, error);
	else
		request_read_next(request);
}

static gboolean
request_handle_timeout(gpointer data)
{
	struct request *request = data;

	request->timeout_source = 0;
	request->timed_out = TRUE;
	g_cancellable_cancel(request->cancellable);
	return G_SOURCE_REMOVE;
}

static void
request_start_timeout(struct request *request, guint timeout_s)
{
	GSource *source = g_timeout_source_new_seconds(timeout_s ? timeout_s : DEFAULT_TIMEOUT_S);

	g_source_set_callback(source, request_handle_timeout, request, NULL);
	request->timeout_source = g_source_attach(source, g_main_context_get_thread_default());
	g_source_unref(source);
}

static void
request_handle_outer_cancel(G_GNUC_UNUSED GCancellable *outer, gpointer data)
{
	g_cancellable_cancel(data);
}

static SoupMessage *
request_make_message(struct http_client *client, const char *method, const char *path, json_t *body,
		     const char *idempotency_key)
{
	g_autofree char *url = g_strconcat(client->base, path, NULL);
	SoupMessage *message = soup_message_new(method, url);
	SoupMessageHeaders *headers;

	if (!message)
		return NULL;
	headers = soup_message_get_request_headers(message);
	if (client->token) {
		g_autofree char *bearer = g_strconcat("Bearer ", client->token, NULL);

		soup_message_headers_replace(headers, "Authorization", bearer);
		explicit_bzero(bearer, strlen(bearer));
	}
	if (idempotency_key)
		soup_message_headers_replace(headers, "Idempotency-Key", idempotency_key);
	if (body) {
		char *text = json_dumps(body, JSON_COMPACT);
		g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

		soup_message_set_request_body_from_bytes(message, "application/json", bytes);
		explicit_bzero(text, strlen(text));
		free(text);
	}
	return message;
}

static gboolean
request_handle_bad_url(gpointer data)
{
	request_finish(data,
		       g_error_new_literal(
			       G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			       "the server's address is not a URL such as https://broker:8443"));
	return G_SOURCE_REMOVE;
}

void
http_client_send(struct http_client *client, const char *method, const char *path, json_t *body,
		 const char *idempotency_key, guint timeout_s, GCancellable *cancellable,
		 http_client_callback callback, void *context)
{
	SoupMessage *message = request_make_message(client, method, path, body, idempotency_key);
	struct request *request = g_new0(struct request, 1);

	client->references++;
	request->client = client;
	request->bytes = g_byte_array_new();
	request->cancellable = g_cancellable_new();
	request->callback = callback;
	request->context = context;
	if (!message) {
		request->message = soup_message_new("GET", "http://localhost/");
		g_idle_add(request_handle_bad_url, request); /* programs use the default context */
		return;
	}
	request->message = message;
	if (cancellable) {
		request->outer = g_object_ref(cancellable);
		request->cancelled_handler =
			g_cancellable_connect(cancellable, G_CALLBACK(request_handle_outer_cancel),
					      g_object_ref(request->cancellable), g_object_unref);
	}
	g_signal_connect(message, "accept-certificate", G_CALLBACK(request_accept_certificate),
			 request);
	request_start_timeout(request, timeout_s);
	soup_session_send_async(client->session, message, G_PRIORITY_DEFAULT, request->cancellable,
				request_handle_sent, request);
}

struct waiting {
	http_client_callback callback;
	void *context;
	gboolean done;
};

static void
http_client_handle_waited(void *context, const struct http_answer *answer)
{
	struct waiting *waiting = context;

	waiting->callback(waiting->context, answer);
	waiting->done = TRUE;
}

void
http_client_send_and_wait(struct http_client *client, const char *method, const char *path,
			  json_t *body, const char *idempotency_key, guint timeout_s,
			  http_client_callback callback, void *context)
{
	struct waiting waiting = { callback, context, FALSE };

	http_client_send(client, method, path, body, idempotency_key, timeout_s, NULL,
			 http_client_handle_waited, &waiting);
	while (!waiting.done)
		g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
}
