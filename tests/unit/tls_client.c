/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_client.c - a client of a display, as far as TLS and the first words of a link
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "display/link_message.h"
#include "host/cert.h"
#include "tests/unit/tls_client.h"
#include "tests/unit/wait_for.h"

char *
tls_client_make_pem(const char *name)
{
	g_autoptr(GError) error = NULL;
	struct cert *cert = cert_new(name, g_get_real_time() / G_USEC_PER_SEC, &error);
	char *pem;

	assert_non_null(cert);
	pem = g_strconcat(cert->certificate, cert->key, NULL);
	cert_free(cert);
	return pem;
}

static gboolean
tls_client_accept(GTlsConnection *connection, GTlsCertificate *peer, GTlsCertificateFlags errors,
		  gpointer data)
{
	(void)connection;
	(void)peer;
	(void)errors;
	(void)data;
	return TRUE;
}

static void
tls_client_note_written(GObject *stream, GAsyncResult *result, gpointer user_data)
{
	assert_true(g_output_stream_write_all_finish(G_OUTPUT_STREAM(stream), result, NULL, NULL));
	++*(guint *)user_data;
}

GIOStream *
tls_client_link(int fd, const void *words, size_t size)
{
	g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, NULL);
	g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
	GIOStream *tls = g_tls_client_connection_new(G_IO_STREAM(stream), NULL, NULL);
	guint written = 0;

	assert_non_null(tls);
	g_signal_connect(tls, "accept-certificate", G_CALLBACK(tls_client_accept), NULL);
	g_output_stream_write_all_async(g_io_stream_get_output_stream(tls), words, size,
					G_PRIORITY_DEFAULT, NULL, tls_client_note_written,
					&written);
	WAIT_FOR(written != 0);
	return tls;
}

GIOStream *
tls_client_link_channel(int fd, uint8_t type, uint32_t connection_id)
{
	uint8_t message[LINK_HEAD_BYTES + LINK_MESS_BYTES] = { 'R', 'E', 'D', 'Q', 2, 0, 0, 0, 2 };

	message[12] = LINK_MESS_BYTES;
	memcpy(message + LINK_HEAD_BYTES, &connection_id, sizeof(connection_id));
	message[LINK_HEAD_BYTES + 4] = type;
	message[LINK_HEAD_BYTES + 14] = LINK_MESS_BYTES; /* where capabilities would be */
	return tls_client_link(fd, message, sizeof(message));
}
