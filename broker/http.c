/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http.c - the broker's HTTP server: HTTPS for everybody, a unix socket for this host (carrel-broker)
 *
 * How it works: two MHD daemons without threads share the main loop. Each has an epoll descriptor, which http_source_*
 * makes a GSource of; MHD_run() does what is due. MHD calls http_handle_access() several times for one request:
 *
 *   READING  head seen, body bytes are collected (too many: TOO_LARGE, the rest is skipped)
 *   HANDLING the callee has it. Answered before it returns: straight to ANSWERED
 *   WAITING  it has not answered yet: the connection is suspended
 *   ANSWERED http_respond() was called; a suspended connection is resumed, and the next call queues the response
 *
 * Bodies may hold passwords: they are wiped when the request ends.
 */
#include "broker/http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "broker/problem.h"

#define HTTP_MAX_CONNECTIONS   512
#define HTTP_MAX_PER_ADDRESS   128
#define HTTP_IDLE_TIMEOUT_S    30
#define HTTP_CONNECTION_MEMORY (32 * 1024)
#define HTTP_PRIORITIES	       "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3"

enum http_state {
	HTTP_STATE_READING,
	HTTP_STATE_TOO_LARGE,
	HTTP_STATE_HANDLING,
	HTTP_STATE_WAITING,
	HTTP_STATE_ANSWERED
};

struct http_source {
	GSource base;
	struct MHD_Daemon *daemon;
	gpointer tag;
};

enum http_listener {
	LISTENER_TLS,
	LISTENER_UNIX,
	LISTENER_COUNT
};

struct http {
	struct http_settings settings;
	struct MHD_Daemon *daemons[LISTENER_COUNT];
	GSource *sources[LISTENER_COUNT];
	GHashTable *waiting; /* struct http_request, a set */
	gboolean refuses;    /* new requests, since http_refuse() */
};

struct http_exchange {
	struct http_request request;
	struct http *http;
	struct MHD_Connection *connection;
	enum http_state state;
	GByteArray *bytes;
	gsize max_bytes;
	guint status;
	json_t *answer;
};

static gboolean
http_source_due(struct MHD_Daemon *daemon, gint *ret_timeout_ms)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	*ret_timeout_ms = -1;
	if (MHD_get_timeout(daemon, &timeout_ms) == MHD_YES)
		*ret_timeout_ms = (gint)MIN(timeout_ms, 60000ULL);
	return *ret_timeout_ms == 0;
}

static gboolean
http_source_prepare(GSource *base, gint *ret_timeout_ms)
{
	return http_source_due(((struct http_source *)base)->daemon, ret_timeout_ms);
}

static gboolean
http_source_check(GSource *base)
{
	struct http_source *source = (struct http_source *)base;
	gint timeout_ms;

	return g_source_query_unix_fd(base, source->tag) != 0 ||
	       http_source_due(source->daemon, &timeout_ms);
}

static gboolean
http_source_dispatch(GSource *base, GSourceFunc callback, gpointer data)
{
	(void)callback;
	(void)data;
	g_source_set_ready_time(base, -1);
	MHD_run(((struct http_source *)base)->daemon);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs http_source_functions = {
	.prepare = http_source_prepare,
	.check = http_source_check,
	.dispatch = http_source_dispatch,
};

static GSource *
http_source_new(struct MHD_Daemon *daemon, const char *name)
{
	GSource *base = g_source_new(&http_source_functions, sizeof(struct http_source));
	struct http_source *source = (struct http_source *)base;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

	source->daemon = daemon;
	source->tag = g_source_add_unix_fd(base, info->epoll_fd, G_IO_IN);
	g_source_set_name(base, name);
	g_source_attach(base, NULL);
	return base;
}

static void
http_set_peer(struct http_request *request, struct MHD_Connection *connection, gboolean local)
{
	const union MHD_ConnectionInfo *info;
	struct io_peer peer;

	request->local = local;
	request->peer_uid = (uid_t)-1;
	g_strlcpy(request->remote, "local", sizeof(request->remote));
	if (local) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info && io_peer_get(info->connect_fd, &peer) == 0)
			request->peer_uid = peer.uid;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!info ||
	    getnameinfo(info->client_addr,
			info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
								 : sizeof(struct sockaddr_in),
			request->remote, sizeof(request->remote), NULL, 0, NI_NUMERICHOST) != 0)
		g_strlcpy(request->remote, "unknown", sizeof(request->remote));
}

static struct http_exchange *
http_exchange_new(struct http *http, struct MHD_Connection *connection, const char *url,
		  const char *method, gboolean local)
{
	struct http_exchange *exchange = g_new0(struct http_exchange, 1);
	struct http_request *request = &exchange->request;
	const char *header =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");

	exchange->http = http;
	exchange->connection = connection;
	exchange->bytes = g_byte_array_new();
	request->exchange = exchange;
	request->method = g_strdup(method);
	request->path = g_strdup(url);
	request->begun_us = g_get_monotonic_time();
	if (header && g_ascii_strncasecmp(header, "Bearer ", 7) == 0)
		request->bearer = g_strdup(header + 7);
	request->idempotency_key = g_strdup(
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Idempotency-Key"));
	request->after =
		g_strdup(MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "after"));
	http_set_peer(request, connection, local);
	exchange->max_bytes = local && request->peer_uid == http->settings.host_uid
				      ? HTTP_MAX_HOST_BODY
				      : HTTP_MAX_BODY;
	return exchange;
}

static void
http_wipe_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	g_free(text);
}

static void
http_wipe_bytes(GByteArray *bytes)
{
	if (bytes->len > 0)
		explicit_bzero(bytes->data, bytes->len);
	g_byte_array_set_size(bytes, 0);
}

static void
http_exchange_free(struct http_exchange *exchange)
{
	struct http_request *request = &exchange->request;

	http_wipe_bytes(exchange->bytes);
	g_byte_array_unref(exchange->bytes);
	http_wipe_text(request->bearer);
	json_decref(request->body);
	json_decref(exchange->answer);
	json_decref(request->identity.groups);
	g_free(request->identity.user);
	g_free(request->identity.token_hash);
	g_free(request->idempotency_key);
	g_free(request->after);
	g_free(request->name);
	g_free(request->path);
	g_free(request->method);
	g_free(exchange);
}

/* In a growing GByteArray the old block would be freed unwiped: move it by hand. */
static void
http_collect(struct http_exchange *exchange, const char *data, size_t size)
{
	GByteArray *grown;

	if (exchange->state == HTTP_STATE_TOO_LARGE)
		return;
	if (exchange->bytes->len + size > exchange->max_bytes) {
		exchange->state = HTTP_STATE_TOO_LARGE;
		http_wipe_bytes(exchange->bytes);
		return;
	}
	grown = g_byte_array_sized_new(exchange->bytes->len + (guint)size);
	g_byte_array_append(grown, exchange->bytes->data, exchange->bytes->len);
	g_byte_array_append(grown, (const guint8 *)data, (guint)size);
	http_wipe_bytes(exchange->bytes);
	g_byte_array_unref(exchange->bytes);
	exchange->bytes = grown;
}

static enum MHD_Result
http_send(struct http_exchange *exchange)
{
	g_autofree char *text = NULL;
	size_t size = 0;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (exchange->answer) {
		text = json_dumps(exchange->answer, JSON_COMPACT);
		size = strlen(text);
	}
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_COPY);
	if (text) {
		explicit_bzero(text, size);
		MHD_add_response_header(response, "Content-Type",
					exchange->status >= 400 ? "application/problem+json"
								: "application/json");
	}
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (exchange->status == 401)
		MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
	result = MHD_queue_response(exchange->connection, exchange->status, response);
	MHD_destroy_response(response);
	return result;
}

static void
http_respond_stopping(struct http_request *request)
{
	problem_respond(request, 503, "server.stopping",
			"the broker is stopping; try again in a moment");
}

static void
http_handle_complete(struct http_exchange *exchange)
{
	struct http_request *request = &exchange->request;
	struct json_problem problem;

	if (exchange->state == HTTP_STATE_TOO_LARGE) {
		exchange->state = HTTP_STATE_HANDLING;
		problem_respond(request, 413, "request.too-large",
				"the body has more than %zu bytes", exchange->max_bytes);
		return;
	}
	exchange->state = HTTP_STATE_HANDLING;
	if (exchange->bytes->len > 0) {
		request->body =
			json_parse_strict((const char *)exchange->bytes->data, exchange->bytes->len,
					  exchange->max_bytes, &problem);
		http_wipe_bytes(exchange->bytes);
		if (!request->body) {
			problem_respond(request, 400, "request.json", "%s", problem.text);
			return;
		}
	}
	if (exchange->http->refuses)
		http_respond_stopping(request);
	else
		exchange->http->settings.handle(exchange->http->settings.context, request);
}

static enum MHD_Result
http_handle_call(struct http *http, struct MHD_Connection *connection, const char *url,
		 const char *method, const char *data, size_t *size, void **slot, gboolean local)
{
	struct http_exchange *exchange = *slot;

	if (!exchange) {
		*slot = http_exchange_new(http, connection, url, method, local);
		return MHD_YES;
	}
	if (*size > 0) {
		http_collect(exchange, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (exchange->state <= HTTP_STATE_TOO_LARGE)
		http_handle_complete(exchange);
	if (exchange->state == HTTP_STATE_ANSWERED)
		return http_send(exchange);
	exchange->state = HTTP_STATE_WAITING;
	g_hash_table_add(http->waiting, &exchange->request);
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static enum MHD_Result
http_handle_tls(void *context, struct MHD_Connection *connection, const char *url,
		const char *method, const char *version, const char *data, size_t *size,
		void **slot)
{
	(void)version;
	return http_handle_call(context, connection, url, method, data, size, slot, FALSE);
}

static enum MHD_Result
http_handle_unix(void *context, struct MHD_Connection *connection, const char *url,
		 const char *method, const char *version, const char *data, size_t *size,
		 void **slot)
{
	(void)version;
	return http_handle_call(context, connection, url, method, data, size, slot, TRUE);
}

static void
http_handle_completed(void *context, struct MHD_Connection *connection, void **slot,
		      enum MHD_RequestTerminationCode code)
{
	(void)context;
	(void)connection;
	(void)code;
	if (*slot)
		http_exchange_free(*slot);
	*slot = NULL;
}

/* MHD 0.9.75 makes neither its epoll descriptor readable nor its timeout 0 when a connection is resumed from outside. */
static void
http_wake(struct http *http, enum http_listener listener)
{
	if (http->sources[listener])
		g_source_set_ready_time(http->sources[listener], 0);
}

void
http_respond(struct http_request *request, guint status, json_t *body)
{
	struct http_exchange *exchange = request->exchange;
	gboolean waited = exchange->state == HTTP_STATE_WAITING;

	g_assert(exchange->state != HTTP_STATE_ANSWERED);
	exchange->status = status;
	exchange->answer = body;
	exchange->state = HTTP_STATE_ANSWERED;
	if (waited) {
		g_hash_table_remove(exchange->http->waiting, request);
		MHD_resume_connection(exchange->connection);
		http_wake(exchange->http, request->local ? LISTENER_UNIX : LISTENER_TLS);
	}
}

static struct MHD_Daemon *
http_start_daemon(struct http *http, enum http_listener listener, int fd)
{
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_PEDANTIC_CHECKS;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)http->settings.certificate_pem },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)http->settings.key_pem },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)HTTP_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };

	if (listener == LISTENER_TLS)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(
		flags, 0, NULL, NULL, listener == LISTENER_TLS ? http_handle_tls : http_handle_unix,
		http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
		http_handle_completed, http, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)HTTP_MAX_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned int)(listener == LISTENER_TLS ? HTTP_MAX_PER_ADDRESS : 0),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_MEMORY,
		MHD_OPTION_ARRAY, listener == LISTENER_TLS ? tls : plain, MHD_OPTION_END);
}

/* What to do about a socket that cannot listen. */
static void
http_explain_listen(const char *address, GError **error)
{
	const char *advice = "set 'listen' in [broker] of carrel.conf to an address of this host";

	if (g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
		advice =
			"another program uses that port ('ss -ltnp' says which): end it, or set another "
			"'listen' in [broker] of carrel.conf";
	else if (g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
		advice =
			"ports below 1024 are for root: set another 'listen' in [broker] of carrel.conf";
	g_prefix_error(error, "cannot listen on '%s': %s: ", address, advice);
}

static int
http_listen_tcp(const char *address, GError **error)
{
	g_autoptr(GSocketConnectable) parsed = g_network_address_parse(address, 8443, error);
	g_autoptr(GSocketAddress) target = NULL;
	g_autoptr(GSocket) socket = NULL;
	g_autofree char *host = NULL;
	guint16 port;

	if (!parsed) {
		http_explain_listen(address, error);
		return -1;
	}
	host = g_strdup(g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed)));
	port = g_network_address_get_port(G_NETWORK_ADDRESS(parsed));
	target = g_inet_socket_address_new_from_string(
		strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port);
	if (!target) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			"'listen' in [broker] is '%s', but must be a numeric address and a port, e.g. 0.0.0.0:8443",
			address);
		return -1;
	}
	socket = g_socket_new(g_socket_address_get_family(target), G_SOCKET_TYPE_STREAM,
			      G_SOCKET_PROTOCOL_TCP, error);
	if (!socket || !g_socket_bind(socket, target, TRUE, error) ||
	    !g_socket_listen(socket, error)) {
		http_explain_listen(address, error);
		return -1;
	}
	return fcntl(g_socket_get_fd(socket), F_DUPFD_CLOEXEC, 3);
}

static int
http_listen(struct http *http, enum http_listener listener, GError **error)
{
	int fd = -1;
	int code;

	if (listener == LISTENER_TLS)
		return http_listen_tcp(http->settings.address, error);
	code = io_unix_listen(http->settings.socket_path, SOCK_STREAM, 0666, &fd);
	if (code == 0)
		code = io_set_nonblocking(fd, TRUE);
	if (code == 0)
		return fd;
	g_set_error(
		error, G_IO_ERROR, g_io_error_from_errno(-code),
		"cannot listen on '%s': %s; the folder must exist and belong to carrel-broker's user",
		http->settings.socket_path, g_strerror(-code));
	return -1;
}

struct http *
http_start(const struct http_settings *settings, GError **error)
{
	static const char *const names[] = { "https", "broker.sock" };
	struct http *http = g_new0(struct http, 1);

	http->settings = *settings;
	http->waiting = g_hash_table_new(NULL, NULL);
	for (guint i = 0; i < LISTENER_COUNT; i++) {
		int fd = http_listen(http, i, error);

		if (fd >= 0)
			http->daemons[i] = http_start_daemon(http, i, fd);
		if (!http->daemons[i]) {
			if (fd >= 0) {
				close(fd);
				g_set_error(
					error, G_IO_ERROR, G_IO_ERROR_FAILED,
					"the HTTP server for '%s' does not start; check the certificate and its key",
					names[i]);
			}
			http_stop(http);
			return NULL;
		}
		http->sources[i] = http_source_new(http->daemons[i], names[i]);
	}
	return http;
}

void
http_refuse(struct http *http)
{
	if (http)
		http->refuses = TRUE;
}

void
http_stop(struct http *http)
{
	g_autofree gpointer *waiting = NULL;
	guint count = 0;

	if (!http)
		return;
	waiting = g_hash_table_get_keys_as_array(http->waiting, &count);
	for (guint i = 0; i < count; i++)
		http_respond_stopping(waiting[i]);
	for (guint i = 0; i < LISTENER_COUNT; i++) {
		if (!http->daemons[i])
			continue;
		MHD_run(http->daemons[i]);
		g_source_destroy(http->sources[i]);
		g_source_unref(http->sources[i]);
		MHD_stop_daemon(http->daemons[i]);
	}
	g_hash_table_unref(http->waiting);
	g_free(http);
}
