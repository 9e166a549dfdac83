/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_bridge.c - a stock VNC client's way to a desktop (carrel)
 *
 * How it works: vnc_bridge_connect() asks the gateway by CONNECT for the ticket, vnc_bridge_start_tls() accepts the one
 * certificate that the broker has named, says the password, and then bytes flow both ways until one end closes. Password and
 * ticket are in no argument, file or message.
 */
#include "cli/vnc_bridge.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_HEAD_BYTES	  4096
#define CONNECT_TIMEOUT_S 30

struct vnc_bridge {
	char *address;
	char *path; /* NULL: a port */
	GSocket *listener;
	GSocketConnection *client;
	GMainLoop *loop;
};

static GSocketAddress *
vnc_bridge_make_address(struct vnc_bridge *bridge, const char *where)
{
	guint64 port;

	if (g_ascii_string_to_unsigned(where, 10, 1, 65535, &port, NULL)) {
		bridge->address = g_strdup_printf("127.0.0.1::%u", (guint)port);
		return g_inet_socket_address_new_from_string("127.0.0.1", (guint)port);
	}
	bridge->address = g_strdup(where);
	return g_unix_socket_address_new(where);
}

static gboolean
vnc_bridge_bind(struct vnc_bridge *bridge, GSocketAddress *address, GError **error)
{
	GSocketFamily family = g_socket_address_get_family(address);
	mode_t mask = umask(0077);
	gboolean ok;

	bridge->listener =
		g_socket_new(family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
	ok = bridge->listener && g_socket_bind(bridge->listener, address, TRUE, error);
	umask(mask);
	if (ok && family == G_SOCKET_FAMILY_UNIX)
		bridge->path = g_strdup(bridge->address);
	return ok && g_socket_listen(bridge->listener, error);
}

struct vnc_bridge *
vnc_bridge_listen(const char *where, GError **error)
{
	struct vnc_bridge *bridge = g_new0(struct vnc_bridge, 1);
	g_autoptr(GSocketAddress) address = vnc_bridge_make_address(bridge, where);

	if (!vnc_bridge_bind(bridge, address, error))
		g_clear_pointer(&bridge, vnc_bridge_free);
	return bridge;
}

static void
vnc_bridge_stop_listening(struct vnc_bridge *bridge)
{
	if (bridge->path)
		g_unlink(bridge->path);
	g_clear_pointer(&bridge->path, g_free);
	g_clear_object(&bridge->listener);
}

void
vnc_bridge_free(struct vnc_bridge *bridge)
{
	if (!bridge)
		return;
	vnc_bridge_stop_listening(bridge);
	g_clear_object(&bridge->client);
	g_free(bridge->address);
	g_free(bridge);
}

const char *
vnc_bridge_get_address(const struct vnc_bridge *bridge)
{
	return bridge->address;
}

gboolean
vnc_bridge_accept(struct vnc_bridge *bridge, GError **error)
{
	g_autoptr(GSocket) socket = g_socket_accept(bridge->listener, NULL, error);

	vnc_bridge_stop_listening(bridge);
	if (socket)
		bridge->client = g_socket_connection_factory_create_connection(socket);
	return socket != NULL;
}

/* Up to and with the blank line, and no byte more: TLS comes next. */
static gboolean
vnc_bridge_read_head(GInputStream *stream, GError **error)
{
	g_autoptr(GString) head = g_string_new(NULL);
	char byte;

	while (head->len < MAX_HEAD_BYTES && !g_str_has_suffix(head->str, "\r\n\r\n")) {
		gssize got = g_input_stream_read(stream, &byte, 1, NULL, error);

		if (got < 0)
			return FALSE;
		if (got == 0)
			break;
		g_string_append_c(head, byte);
	}
	if (g_regex_match_simple("^HTTP/1\\.[01] 200 ", head->str, 0, 0))
		return TRUE;
	head->str[strcspn(head->str, "\r\n")] = '\0';
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_PROXY_FAILED,
		    _("the gateway does not let the ticket in: '%s'"), head->str);
	return FALSE;
}

static GSocketConnection *
vnc_bridge_connect(const json_t *vv, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) connection = NULL;
	g_autofree char *head = NULL;
	GIOStream *stream;

	g_socket_client_set_enable_proxy(client, FALSE);
	g_socket_client_set_timeout(client, CONNECT_TIMEOUT_S);
	connection = g_socket_client_connect_to_uri(client, json_get_text(vv, "proxy", ""), 3128,
						    NULL, error);
	if (!connection)
		return NULL;
	stream = G_IO_STREAM(connection);
	head = g_strdup_printf(
		"CONNECT %s:%d HTTP/1.1\r\nHost: %s\r\n\r\n", json_get_text(vv, "host", ""),
		(int)json_get_integer(vv, "tls-port", 0), json_get_text(vv, "host", ""));
	if (!g_output_stream_write_all(g_io_stream_get_output_stream(stream), head, strlen(head),
				       NULL, NULL, error) ||
	    !vnc_bridge_read_head(g_io_stream_get_input_stream(stream), error))
		g_clear_object(&connection);
	explicit_bzero(head, strlen(head));
	return g_steal_pointer(&connection);
}

static gboolean
vnc_bridge_handle_certificate(GTlsConnection *tls, GTlsCertificate *shown,
			      GTlsCertificateFlags flags, gpointer wanted)
{
	(void)tls;
	(void)flags;
	return g_tls_certificate_is_same(shown, wanted);
}

static GIOStream *
vnc_bridge_start_tls(GSocketConnection *connection, const json_t *vv, GError **error)
{
	g_autoptr(GTlsCertificate) wanted =
		g_tls_certificate_new_from_pem(json_get_text(vv, "ca", ""), -1, error);
	g_autoptr(GIOStream) tls = NULL;
	g_autofree char *words = NULL;
	gboolean ok;

	if (!wanted)
		return NULL;
	tls = g_tls_client_connection_new(G_IO_STREAM(connection), NULL, error);
	if (!tls)
		return NULL;
	/* No authority and no name: this certificate and no other. */
	g_tls_connection_set_database(G_TLS_CONNECTION(tls), NULL);
	g_tls_connection_set_require_close_notify(G_TLS_CONNECTION(tls), FALSE);
	g_signal_connect(tls, "accept-certificate", G_CALLBACK(vnc_bridge_handle_certificate),
			 wanted);
	words = g_strdup_printf("%s\n", json_get_text(vv, "password", ""));
	ok = g_tls_connection_handshake(G_TLS_CONNECTION(tls), NULL, error) &&
	     g_output_stream_write_all(g_io_stream_get_output_stream(tls), words, strlen(words),
				       NULL, NULL, error);
	explicit_bzero(words, strlen(words));
	g_signal_handlers_disconnect_by_data(tls, wanted);
	return ok ? g_steal_pointer(&tls) : NULL;
}

static void
vnc_bridge_handle_end(GObject *source, GAsyncResult *result, gpointer user_data)
{
	struct vnc_bridge *bridge = user_data;

	(void)source;
	/* However a viewer or a desktop goes away, it is the end. */
	g_io_stream_splice_finish(result, NULL);
	g_main_loop_quit(bridge->loop);
}

gboolean
vnc_bridge_run(struct vnc_bridge *bridge, const json_t *vv, GError **error)
{
	g_autoptr(GSocketConnection) connection = vnc_bridge_connect(vv, error);
	g_autoptr(GIOStream) tls = connection ? vnc_bridge_start_tls(connection, vv, error) : NULL;

	if (!tls)
		return FALSE;
	g_socket_set_timeout(g_socket_connection_get_socket(connection), 0);
	bridge->loop = g_main_loop_new(NULL, FALSE);
	g_io_stream_splice_async(G_IO_STREAM(bridge->client), tls,
				 G_IO_STREAM_SPLICE_CLOSE_STREAM1 |
					 G_IO_STREAM_SPLICE_CLOSE_STREAM2,
				 G_PRIORITY_DEFAULT, NULL, vnc_bridge_handle_end, bridge);
	g_main_loop_run(bridge->loop);
	g_main_loop_unref(bridge->loop);
	return TRUE;
}
