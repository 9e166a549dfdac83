/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_link.c - one link of a client (carrel-display)
 *
 * How it works: libspice-server has no timeout for a handshake, accepts older TLS, and lets a second main channel
 * throw out the first. So a link goes through the states of enum tls_link_state here: GnuTLS (through GIO) does the
 * handshake, the head and the body of the link message are read and judged by the owner, and only then
 * tls_link_hand_on() makes a socket pair, writes what was read into it, and lets two pumps carry the rest. One timer
 * covers everything before that. The first of these to fail calls tls_link_end().
 *
 * A VNC client's link has no body: its head is a password. What it says behind that reaches the sink only when the sink has
 * said something: libvncserver takes bytes that are there before its greeting for WebSockets or TLS.
 */
#include "display/tls_link.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "display/pump.h"

/* HANDSHAKE -> HEAD -> BODY -> OPEN; every one -> OVER */
enum tls_link_state {
	TLS_LINK_STATE_HANDSHAKE,
	TLS_LINK_STATE_HEAD,
	TLS_LINK_STATE_BODY,
	TLS_LINK_STATE_OPEN,
	TLS_LINK_STATE_OVER,
	TLS_LINK_STATE_COUNT,
};

static const char *const state_reasons[] = {
	[TLS_LINK_STATE_HANDSHAKE] = "no TLS handshake",
	[TLS_LINK_STATE_HEAD] = "no SPICE link message, or no VNC password",
	[TLS_LINK_STATE_BODY] = "half a SPICE link message",
	[TLS_LINK_STATE_OPEN] = NULL,
	[TLS_LINK_STATE_OVER] = NULL,
};
static_assert(G_N_ELEMENTS(state_reasons) == TLS_LINK_STATE_COUNT, "a reason a state");

struct tls_link {
	enum tls_link_state state;
	enum display_sink_kind sink;
	uint64_t attachment;
	const struct tls_link_events *events;
	void *context;
	GSocket *socket;
	GSocketConnection *stream;
	GIOStream *tls;
	GIOStream *inner; /* our end of the socket pair */
	int inner_fd;	  /* the same, owned by "inner" */
	GCancellable *cancel;
	guint deadline;
	struct pump *to_sink;
	struct pump *to_client;
	struct link_message message;
	struct link_scan scan;
	uint64_t sent_bytes;
	uint32_t body_bytes;
	uint8_t data[LINK_HEAD_BYTES + LINK_MAX_BYTES];
};

GTlsCertificate *
tls_link_load_certificate(const char *pem, gsize size, GError **error)
{
	return g_tls_certificate_new_from_pem(pem, (gssize)size, error);
}

/* The one way out. The owner frees the link, so nothing may follow this call. */
static void
tls_link_end(struct tls_link *link, const char *why)
{
	if (link->state == TLS_LINK_STATE_OVER)
		return;
	link->state = TLS_LINK_STATE_OVER;
	link->events->ended(link->context, link, why);
}

static gboolean
tls_link_handle_deadline(gpointer user_data)
{
	struct tls_link *link = user_data;

	link->deadline = 0;
	tls_link_end(link, state_reasons[link->state]);
	return G_SOURCE_REMOVE;
}

static void
tls_link_handle_pump_ended(void *context)
{
	tls_link_end(context, NULL);
}

static const struct pump_events to_sink_events = { .ended = tls_link_handle_pump_ended };

static void
tls_link_start_to_sink(struct tls_link *link)
{
	link->to_sink =
		pump_start(g_io_stream_get_input_stream(link->tls),
			   g_io_stream_get_output_stream(link->inner), &to_sink_events, link);
}

static gsize
tls_link_measure(void *context, const uint8_t *data, gsize size)
{
	struct tls_link *link = context;
	gsize part = link_scan_next(&link->scan, data, size);

	link->sent_bytes += part;
	if (link->scan.draws && link->message.channel_type == LINK_CHANNEL_DISPLAY)
		link->events->drawn(link->context, link);
	return part;
}

static gsize
tls_link_measure_vnc(void *context, const uint8_t *data G_GNUC_UNUSED, gsize size)
{
	struct tls_link *link = context;

	link->sent_bytes += size;
	if (!link->to_sink)
		tls_link_start_to_sink(link);
	return size;
}

static const struct pump_events to_client_events = {
	.measure = tls_link_measure,
	.ended = tls_link_handle_pump_ended,
};
static const struct pump_events to_vnc_client_events = {
	.measure = tls_link_measure_vnc,
	.ended = tls_link_handle_pump_ended,
};

static GIOStream *
tls_link_wrap(int fd)
{
	g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, NULL);

	if (!socket) {
		close(fd);
		return NULL;
	}
	return G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
}

/* Everything is checked: gives the sink its end and lets the bytes flow. NULL or why not. */
static const char *
tls_link_hand_on(struct tls_link *link)
{
	bool vnc = link->sink == DISPLAY_SINK_VNC;
	size_t n_read = vnc ? 0 : LINK_HEAD_BYTES + link->body_bytes;
	int pair[2];

	if (io_socketpair(SOCK_STREAM, pair) < 0)
		return "no socket pair: too many open files";
	link->inner_fd = pair[0];
	link->inner = tls_link_wrap(pair[0]);
	/* A fresh socket pair takes these few bytes at once. */
	if (!link->inner || send(pair[0], link->data, n_read, MSG_NOSIGNAL) != (ssize_t)n_read) {
		close(pair[1]);
		return "no socket pair";
	}
	if (link->events->hand_on(link->context, link, pair[1]) < 0)
		return "the display server did not take it";
	link->state = TLS_LINK_STATE_OPEN;
	g_clear_handle_id(&link->deadline, g_source_remove);
	link->scan.mini_header = link->message.mini_header;
	if (!vnc)
		tls_link_start_to_sink(link);
	link->to_client = pump_start(g_io_stream_get_input_stream(link->inner),
				     g_io_stream_get_output_stream(link->tls),
				     vnc ? &to_vnc_client_events : &to_client_events, link);
	return NULL;
}

/* Finishes a read of exactly "want" bytes. False: the link is over, or gone altogether. */
static gboolean
tls_link_finish_read(GObject *stream, GAsyncResult *result, struct tls_link *link, gsize want)
{
	g_autoptr(GError) error = NULL;
	gsize got = 0;

	g_input_stream_read_all_finish(G_INPUT_STREAM(stream), result, &got, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return FALSE;
	if (got == want)
		return TRUE;
	tls_link_end(link, state_reasons[link->state]);
	return FALSE;
}

static void
tls_link_judge(struct tls_link *link)
{
	const char *why = link->events->judge(link->context, link);

	if (!why)
		why = tls_link_hand_on(link);
	if (why)
		tls_link_end(link, why);
}

static void
tls_link_handle_password(GObject *stream, GAsyncResult *result, gpointer user_data)
{
	struct tls_link *link = user_data;

	if (tls_link_finish_read(stream, result, link, TLS_LINK_PASSWORD_BYTES))
		tls_link_judge(link);
}

static void
tls_link_handle_body(GObject *stream, GAsyncResult *result, gpointer user_data)
{
	struct tls_link *link = user_data;

	if (!tls_link_finish_read(stream, result, link, link->body_bytes))
		return;
	if (link_message_parse(link->data + LINK_HEAD_BYTES, link->body_bytes, &link->message) < 0)
		tls_link_end(link, "a broken SPICE link message");
	else
		tls_link_judge(link);
}

static void
tls_link_handle_head(GObject *stream, GAsyncResult *result, gpointer user_data)
{
	struct tls_link *link = user_data;

	if (!tls_link_finish_read(stream, result, link, LINK_HEAD_BYTES))
		return;
	if (link_message_parse_head(link->data, &link->body_bytes) < 0) {
		tls_link_end(link, state_reasons[TLS_LINK_STATE_HEAD]);
		return;
	}
	link->state = TLS_LINK_STATE_BODY;
	g_input_stream_read_all_async(G_INPUT_STREAM(stream), link->data + LINK_HEAD_BYTES,
				      link->body_bytes, G_PRIORITY_DEFAULT, link->cancel,
				      tls_link_handle_body, link);
}

static void
tls_link_handle_handshake(GObject *object, GAsyncResult *result, gpointer user_data)
{
	struct tls_link *link = user_data;
	GTlsConnection *tls = G_TLS_CONNECTION(object);
	g_autoptr(GError) error = NULL;

	if (!g_tls_connection_handshake_finish(tls, result, &error)) {
		if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
			tls_link_end(link, state_reasons[TLS_LINK_STATE_HANDSHAKE]);
		return;
	}
	/* GIO refuses older ones by itself; an administrator's GnuTLS settings could undo that. */
	if (g_tls_connection_get_protocol_version(tls) < G_TLS_PROTOCOL_VERSION_TLS_1_2) {
		tls_link_end(link, "TLS older than 1.2");
		return;
	}
	link->state = TLS_LINK_STATE_HEAD;
	if (link->sink == DISPLAY_SINK_VNC)
		g_input_stream_read_all_async(g_io_stream_get_input_stream(link->tls), link->data,
					      TLS_LINK_PASSWORD_BYTES, G_PRIORITY_DEFAULT,
					      link->cancel, tls_link_handle_password, link);
	else
		g_input_stream_read_all_async(g_io_stream_get_input_stream(link->tls), link->data,
					      LINK_HEAD_BYTES, G_PRIORITY_DEFAULT, link->cancel,
					      tls_link_handle_head, link);
}

static void
tls_link_start(struct tls_link *link)
{
	int on = 1;

	/* Pixels of a key's echo are one small write: they must not wait for the next one. */
	setsockopt(g_socket_get_fd(link->socket), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	link->deadline = g_timeout_add(TLS_LINK_DEADLINE_MS, tls_link_handle_deadline, link);
	g_tls_connection_set_require_close_notify(G_TLS_CONNECTION(link->tls), FALSE);
	g_tls_connection_handshake_async(G_TLS_CONNECTION(link->tls), G_PRIORITY_DEFAULT,
					 link->cancel, tls_link_handle_handshake, link);
}

struct tls_link *
tls_link_new(int fd, GTlsCertificate *certificate, enum display_sink_kind sink, uint64_t attachment,
	     const struct tls_link_events *events, void *context, GError **error)
{
	g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);
	g_autoptr(GSocketConnection) stream = NULL;
	struct tls_link *link;
	GIOStream *tls;

	if (!socket) {
		close(fd);
		return NULL;
	}
	stream = g_socket_connection_factory_create_connection(socket);
	tls = g_tls_server_connection_new(G_IO_STREAM(stream), certificate, error);
	if (!tls)
		return NULL;
	link = g_new0(struct tls_link, 1);
	link->sink = sink;
	link->attachment = attachment;
	link->events = events;
	link->context = context;
	link->socket = g_steal_pointer(&socket);
	link->stream = g_steal_pointer(&stream);
	link->tls = tls;
	link->inner_fd = -1;
	link->cancel = g_cancellable_new();
	tls_link_start(link);
	return link;
}

void
tls_link_free(struct tls_link *link)
{
	if (!link)
		return;
	link->state = TLS_LINK_STATE_OVER;
	g_clear_handle_id(&link->deadline, g_source_remove);
	g_cancellable_cancel(link->cancel);
	pump_stop(link->to_sink);
	pump_stop(link->to_client);
	/* No farewell to a client that may not be reading: both ends see the end of their socket now. */
	shutdown(g_socket_get_fd(link->socket), SHUT_RDWR);
	if (link->inner_fd >= 0 && link->inner)
		shutdown(link->inner_fd, SHUT_RDWR);
	g_clear_object(&link->inner);
	g_object_unref(link->tls);
	g_object_unref(link->stream);
	g_object_unref(link->socket);
	g_object_unref(link->cancel);
	g_free(link);
}

uint64_t
tls_link_get_attachment(const struct tls_link *link)
{
	return link->attachment;
}

enum display_sink_kind
tls_link_get_sink(const struct tls_link *link)
{
	return link->sink;
}

bool
tls_link_take_password(struct tls_link *link, const char *password)
{
	uint8_t difference = link->data[TLS_LINK_PASSWORD_BYTES - 1] ^ '\n';

	if (strlen(password) != TLS_LINK_PASSWORD_BYTES - 1)
		return false;
	for (size_t i = 0; i < TLS_LINK_PASSWORD_BYTES - 1; i++)
		difference |= link->data[i] ^ (uint8_t)password[i];
	explicit_bzero(link->data, TLS_LINK_PASSWORD_BYTES);
	return difference == 0;
}

const struct link_message *
tls_link_get_message(const struct tls_link *link)
{
	return link->message.channel_type != 0 ? &link->message : NULL;
}

uint64_t
tls_link_get_sent_bytes(const struct tls_link *link)
{
	return link->sent_bytes;
}

uint32_t
tls_link_get_backlog(const struct tls_link *link)
{
	int bytes = 0;

	if (link->inner_fd < 0 || ioctl(link->inner_fd, FIONREAD, &bytes) < 0 || bytes < 0)
		return 0;
	return (uint32_t)bytes;
}

uint32_t
tls_link_get_round_trip_us(const struct tls_link *link)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(g_socket_get_fd(link->socket), IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return 0;
	return info.tcpi_rtt;
}
