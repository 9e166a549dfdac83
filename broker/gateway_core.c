/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gateway_core.c - clients' sockets on their way from the listener to carrel-hostd (carrel-gateway)
 *
 * How it works: a client is READING until its CONNECT head is complete. gateway_client_handle_readable() looks at what
 * has come with MSG_PEEK and takes from the socket what the parser used, so that the first byte of TLS stays for
 * carrel-display. Then it is ASKING: its socket and ticket are offered to hostd under the client's number, and the
 * answer with that number becomes the status line. By then hostd has handed the socket on; our copy is closed. Every
 * client has one timer. Whatever hostd does, a client costs one struct and one descriptor, and at most MAX_CLIENTS
 * of them, MAX_CLIENTS_PER_SOURCE from one address, are open.
 */
#include "broker/gateway_core.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/log.h"
#include "base/proto_display.h"
#include "base/proto_gateway.h"
#include "broker/connect_head.h"
#include "common/seq_source.h"

#define MAX_CLIENTS	       1024
#define MAX_CLIENTS_PER_SOURCE 128

/* READING -> ASKING; both end with gateway_client_answer() or gateway_client_close() */
enum gateway_client_state {
	GATEWAY_CLIENT_READING,
	GATEWAY_CLIENT_ASKING
};

struct gateway_core {
	char *hostd_path;
	struct gateway_core_times times;
	struct seq_source *hostd;
	GHashTable *clients; /* number -> struct gateway_client, owned */
	GHashTable *sources; /* address -> number of clients */
	guint32 last_number;
	struct log_limit refusals;
};

struct gateway_client {
	struct gateway_core *core;
	guint32 number;
	enum gateway_client_state state;
	GSocketConnection *connection;
	int fd; /* owned by it */
	char *peer;
	guint readable;
	guint deadline;
	struct connect_head head;
};

static const struct {
	unsigned int status;
	const char *line;
} status_table[] = {
	{ 200, "200 Connection established" },
	{ 400, "400 Bad Request" },
	{ 403, "403 Forbidden" },
	{ 404, "404 Not Found" },
	{ 405, "405 Method Not Allowed" },
	{ 408, "408 Request Timeout" },
	{ 431, "431 Request Header Fields Too Large" },
	{ 503, "503 Service Unavailable" },
};

static void
gateway_core_count_source(struct gateway_core *core, const char *peer, int step)
{
	int count = GPOINTER_TO_INT(g_hash_table_lookup(core->sources, peer)) + step;

	if (count > 0)
		g_hash_table_replace(core->sources, g_strdup(peer), GINT_TO_POINTER(count));
	else
		g_hash_table_remove(core->sources, peer);
}

static void
gateway_client_free(gpointer data)
{
	struct gateway_client *client = data;

	g_clear_handle_id(&client->readable, g_source_remove);
	g_clear_handle_id(&client->deadline, g_source_remove);
	gateway_core_count_source(client->core, client->peer, -1);
	explicit_bzero(&client->head, sizeof(client->head));
	g_object_unref(client->connection);
	g_free(client->peer);
	g_free(client);
}

static void
gateway_client_close(struct gateway_client *client)
{
	g_hash_table_remove(client->core->clients, GUINT_TO_POINTER(client->number));
}

static void
gateway_client_answer(struct gateway_client *client, unsigned int status)
{
	struct gateway_core *core = client->core;
	const char *line = "503 Service Unavailable";
	char text[128];
	int length;

	for (size_t i = 0; i < G_N_ELEMENTS(status_table); i++)
		if (status_table[i].status == status)
			line = status_table[i].line;
	length = g_snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%s\r\n", line,
			    status == 200 ? "" : "Connection: close\r\nContent-Length: 0\r\n");
	/* So short a text fits into an empty socket; a client that has filled it is not waited for. */
	if (send(client->fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) != length)
		log_debug("a client at '%s' did not take its answer", client->peer);
	if (status != 200 && log_limit_allow(&core->refusals, io_boottime_ms()))
		log_info("a client at '%s' was answered '%s'", client->peer, line);
	/* The socket itself belongs to carrel-display now, if it was taken: only our descriptor goes. */
	gateway_client_close(client);
}

static gboolean
gateway_client_handle_deadline(gpointer user_data)
{
	struct gateway_client *client = user_data;

	client->deadline = 0;
	gateway_client_answer(client, client->state == GATEWAY_CLIENT_READING ? 408 : 503);
	return G_SOURCE_REMOVE;
}

/* hostd */

static int
gateway_core_handle_answer(void *context, struct seq_message *message)
{
	struct gateway_core *core = context;
	struct gateway_answer answer;
	struct gateway_client *client =
		g_hash_table_lookup(core->clients, GUINT_TO_POINTER(message->head.id));

	memcpy(&answer, message->payload, sizeof(answer));
	if (!client || client->state != GATEWAY_CLIENT_ASKING)
		return 0; /* too late */
	gateway_client_answer(client, message->head.status == 0 ? 200 : answer.http_status);
	return 0;
}

static const struct seq_rule rule_table[] = {
	{ GATEWAY_ANSWER, sizeof(struct gateway_answer), sizeof(struct gateway_answer), 0, 0, 1U,
	  gateway_core_handle_answer },
};

static gboolean
gateway_client_is_asking(G_GNUC_UNUSED gpointer number, gpointer client,
			 G_GNUC_UNUSED gpointer data)
{
	return ((struct gateway_client *)client)->state == GATEWAY_CLIENT_ASKING;
}

/* What hostd was asked it will never answer: those clients try again. */
static void
gateway_core_lose_hostd(struct gateway_core *core)
{
	struct gateway_client *client;

	seq_source_free(g_steal_pointer(&core->hostd));
	while ((client = g_hash_table_find(core->clients, gateway_client_is_asking, NULL)))
		gateway_client_answer(client, 503);
}

static void
gateway_core_handle_message(void *context, struct seq_message *message)
{
	struct gateway_core *core = context;
	int error = -EPIPE;

	if (message)
		error = seq_dispatch(rule_table, G_N_ELEMENTS(rule_table), 0, core, message);
	if (error >= 0)
		return;
	log_warning(
		"the connection to carrel-hostd at '%s' has ended (%s); the next client opens it "
		"again",
		core->hostd_path, g_strerror(-error));
	gateway_core_lose_hostd(core);
}

static int
gateway_core_connect(struct gateway_core *core)
{
	int fd = -1;
	int error;

	if (core->hostd)
		return 0;
	error = io_unix_connect(core->hostd_path, SOCK_SEQPACKET, &fd);
	if (error == 0)
		core->hostd = seq_source_new(fd, "hostd", gateway_core_handle_message, core);
	else if (log_limit_allow(&core->refusals, io_boottime_ms()))
		log_warning(
			"carrel-hostd does not answer at '%s' (%s): is it running? clients are told "
			"to try again",
			core->hostd_path, g_strerror(-error));
	return error;
}

static int
gateway_client_offer(struct gateway_client *client)
{
	struct gateway_core *core = client->core;
	struct gateway_offer offer = {
		.sink = client->head.port == GATEWAY_VNC_PORT ? DISPLAY_SINK_VNC
							      : DISPLAY_SINK_SPICE,
	};
	struct seq_header head = {
		.type = GATEWAY_OFFER,
		.id = client->number,
		.size = sizeof(offer),
	};
	int fd = client->fd;
	int error = gateway_core_connect(core);

	if (error < 0)
		return error;
	seq_text_set(offer.ticket, sizeof(offer.ticket), client->head.ticket);
	g_strlcpy(offer.peer, client->peer, sizeof(offer.peer));
	error = seq_source_send(core->hostd, &head, &offer, &fd, 1);
	explicit_bzero(&offer, sizeof(offer));
	explicit_bzero(&client->head, sizeof(client->head));
	return error;
}

static void
gateway_client_ask(struct gateway_client *client)
{
	g_clear_handle_id(&client->readable, g_source_remove);
	g_clear_handle_id(&client->deadline, g_source_remove);
	if (gateway_client_offer(client) < 0) {
		gateway_client_answer(client, 503);
		return;
	}
	client->state = GATEWAY_CLIENT_ASKING;
	client->deadline = g_timeout_add(client->core->times.answer_ms,
					 gateway_client_handle_deadline, client);
}

/* Clients */

/* Takes what belongs to the head, and not one byte more. False: the client has gone. */
static bool
gateway_client_read_head(struct gateway_client *client)
{
	char data[CONNECT_HEAD_MAX_BYTES + 1];
	int fd = client->fd;
	ssize_t seen = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
	size_t used;

	if (seen < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (seen <= 0)
		return false;
	used = connect_head_feed(&client->head, data, (size_t)seen);
	return used == 0 || recv(fd, data, used, MSG_DONTWAIT) == (ssize_t)used;
}

static gboolean
gateway_client_handle_readable(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition,
			       gpointer user_data)
{
	struct gateway_client *client = user_data;

	if (!gateway_client_read_head(client))
		gateway_client_close(client);
	else if (client->head.state == CONNECT_HEAD_FAILED)
		gateway_client_answer(client, client->head.status);
	else if (client->head.state == CONNECT_HEAD_DONE)
		gateway_client_ask(client);
	/* In these cases the source was removed, and the client may be freed. */
	return G_SOURCE_CONTINUE;
}

static char *
gateway_core_name_peer(GSocketConnection *connection)
{
	g_autoptr(GSocketAddress) address =
		g_socket_connection_get_remote_address(connection, NULL);

	if (!address || !G_IS_INET_SOCKET_ADDRESS(address))
		return NULL;
	return g_inet_address_to_string(
		g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)));
}

static guint32
gateway_core_next_number(struct gateway_core *core)
{
	do
		core->last_number++;
	while (core->last_number == 0 ||
	       g_hash_table_contains(core->clients, GUINT_TO_POINTER(core->last_number)));
	return core->last_number;
}

void
gateway_core_add(struct gateway_core *core, GSocketConnection *connection)
{
	g_autofree char *peer = gateway_core_name_peer(connection);
	struct gateway_client *client;
	int from_source = 0;

	if (peer)
		from_source = GPOINTER_TO_INT(g_hash_table_lookup(core->sources, peer));
	if (!peer || from_source >= MAX_CLIENTS_PER_SOURCE ||
	    g_hash_table_size(core->clients) >= MAX_CLIENTS) {
		if (log_limit_allow(&core->refusals, io_boottime_ms()))
			log_warning("a client at '%s' was dropped: %u are open, %d from there",
				    peer ? peer : "?", g_hash_table_size(core->clients),
				    from_source);
		return;
	}
	gateway_core_count_source(core, peer, 1);
	client = g_new0(struct gateway_client, 1);
	client->core = core;
	client->number = gateway_core_next_number(core);
	client->connection = g_object_ref(connection);
	client->fd = g_socket_get_fd(g_socket_connection_get_socket(connection));
	client->peer = g_steal_pointer(&peer);
	client->readable = g_unix_fd_add(client->fd, G_IO_IN | G_IO_HUP | G_IO_ERR,
					 gateway_client_handle_readable, client);
	client->deadline =
		g_timeout_add(core->times.head_ms, gateway_client_handle_deadline, client);
	g_hash_table_insert(core->clients, GUINT_TO_POINTER(client->number), client);
}

struct gateway_core *
gateway_core_new(const char *hostd_socket, const struct gateway_core_times *times)
{
	struct gateway_core *core = g_new0(struct gateway_core, 1);

	core->hostd_path = g_strdup(hostd_socket);
	core->times = *times;
	core->clients = g_hash_table_new_full(NULL, NULL, NULL, gateway_client_free);
	core->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	core->refusals = (struct log_limit){ .burst = 20, .every_ms = 500 };
	return core;
}

void
gateway_core_free(struct gateway_core *core)
{
	if (!core)
		return;
	g_hash_table_unref(core->clients);
	g_hash_table_unref(core->sources);
	seq_source_free(core->hostd);
	g_free(core->hostd_path);
	g_free(core);
}
