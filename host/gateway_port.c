/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gateway_port.c - where carrel-gateway hands its clients over (carrel-hostd)
 *
 * How it works: only the gateway's uid gets in (SO_PEERCRED), its newest connection replaces an older one, as a restarted
 * gateway's does. gateway_port_handle_offer() shows the ticket to the table, which spends it, and only then lets
 * admit() pass the socket on. A struct gateway_port_offer lives until the display's answer; "number" tells it that
 * the connection it came from has been replaced, whose clients are not waiting any more.
 */
#include "host/gateway_port.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"

#define GATEWAY_PORT_MAX_OFFERS	 256
#define GATEWAY_PORT_DEADLINE_MS 10000

struct gateway_port {
	int listen_fd;
	char *path;
	guint listener;
	uid_t gateway_uid;
	struct ticket_table *tickets;
	const struct gateway_port_events *events;
	void *context;
	struct seq_source *gateway;
	guint number; /* of the connection */
	GPtrArray *offers;
	struct log_limit refusals;
	struct log_limit strangers;
};

struct gateway_port_offer {
	struct gateway_port *port; /* NULL: closed, or answered by its deadline */
	guint number;
	guint32 id;
	guint deadline;
};

static void
gateway_port_answer(struct gateway_port *port, guint32 id, guint status)
{
	struct gateway_answer answer = { .http_status = status };
	struct seq_header head = { .type = GATEWAY_ANSWER,
				   .id = id,
				   .status = status == 200 ? 0 : -EACCES,
				   .size = sizeof(answer) };

	if (port->gateway)
		seq_source_send(port->gateway, &head, &answer, NULL, 0);
}

static guint
gateway_port_status(int error)
{
	switch (error) {
	case 0:
		return 200;
	case -ENOENT:
		return 404;
	case -ENOTCONN: /* a later channel whose display has gone: not good for anything any more */
	case -EACCES:
	case -ESTALE:
		return 403;
	default:
		return 503;
	}
}

/* Answers once; the offer stays for gateway_port_handle_passed(). */
static void
gateway_port_offer_settle(struct gateway_port_offer *offer, int error)
{
	struct gateway_port *port = offer->port;

	g_clear_handle_id(&offer->deadline, g_source_remove);
	if (!port)
		return;
	offer->port = NULL;
	g_ptr_array_remove_fast(port->offers, offer);
	if (offer->number == port->number)
		gateway_port_answer(port, offer->id, gateway_port_status(error));
}

void
gateway_port_handle_passed(void *data, int error)
{
	struct gateway_port_offer *offer = data;

	gateway_port_offer_settle(offer, error);
	g_free(offer);
}

static gboolean
gateway_port_handle_deadline(gpointer data)
{
	struct gateway_port_offer *offer = data;

	offer->deadline = 0;
	log_warning("a client's display did not answer within %d ms; the client is sent away",
		    GATEWAY_PORT_DEADLINE_MS);
	gateway_port_offer_settle(offer, -ETIMEDOUT);
	return G_SOURCE_REMOVE;
}

static void
gateway_port_admit(struct gateway_port *port, guint32 id, int fd, const struct ticket_pass *pass)
{
	struct gateway_port_offer *offer = g_new0(struct gateway_port_offer, 1);
	int error;

	*offer = (struct gateway_port_offer){ .port = port, .number = port->number, .id = id };
	g_ptr_array_add(port->offers, offer);
	offer->deadline =
		g_timeout_add(GATEWAY_PORT_DEADLINE_MS, gateway_port_handle_deadline, offer);
	error = port->events->admit(port->context, fd, pass, offer);
	if (error < 0) {
		close(fd);
		gateway_port_handle_passed(offer, error);
	}
}

static void
gateway_port_note(struct gateway_port *port, enum ticket_verdict verdict,
		  const struct ticket_pass *pass, const char *peer)
{
	if (verdict == TICKET_VERDICT_FIRST)
		log_info("desktop=%s session=%s user='%s': a client from '%s' comes in",
			 pass->desktop, pass->session, pass->user, peer);
	else if (verdict != TICKET_VERDICT_LATER &&
		 log_limit_allow(&port->refusals, io_boottime_ms()))
		log_warning("a client from '%s' showed a ticket that is %s; it is sent away", peer,
			    tickets_verdict_name(verdict));
	if (port->events->shown)
		port->events->shown(port->context, verdict, pass, peer);
}

static int
gateway_port_handle_offer(void *context, struct seq_message *message)
{
	struct gateway_port *port = context;
	struct gateway_offer wish;
	struct ticket_pass pass;
	enum ticket_verdict verdict;
	guint32 id = message->head.id;

	memcpy(&wish, message->payload, sizeof(wish));
	explicit_bzero(message->payload, sizeof(wish));
	if (!seq_text_ok(wish.ticket, sizeof(wish.ticket)) ||
	    !seq_text_ok(wish.peer, sizeof(wish.peer)) || wish.sink >= DISPLAY_SINK_COUNT) {
		explicit_bzero(&wish, sizeof(wish));
		return -EBADMSG;
	}
	/* Too many at once: before the ticket is spent, so that the client may come again with it. */
	if (port->offers->len >= GATEWAY_PORT_MAX_OFFERS) {
		explicit_bzero(&wish, sizeof(wish));
		gateway_port_answer(port, id, 503);
		return 0;
	}
	verdict = tickets_show(port->tickets, wish.ticket, wish.sink, io_boottime_ms(), &pass);
	explicit_bzero(wish.ticket, sizeof(wish.ticket));
	gateway_port_note(port, verdict, &pass, wish.peer);
	if (verdict == TICKET_VERDICT_FIRST || verdict == TICKET_VERDICT_LATER)
		gateway_port_admit(port, id, seq_take_fd(message, 0), &pass);
	else
		gateway_port_answer(port, id, 403);
	explicit_bzero(&pass, sizeof(pass));
	return 0;
}

static const struct seq_rule gateway_rules[] = {
	{ GATEWAY_OFFER, sizeof(struct gateway_offer), sizeof(struct gateway_offer), 1, 1, 1,
	  gateway_port_handle_offer },
};

static void
gateway_port_handle_message(void *context, struct seq_message *message)
{
	struct gateway_port *port = context;
	int error = -EPIPE;

	if (message)
		error = seq_dispatch(gateway_rules, G_N_ELEMENTS(gateway_rules), 0, port, message);
	if (error >= 0)
		return;
	if (error != -EPIPE)
		log_error("the gateway sent a wrong message (%s); its connection is closed",
			  g_strerror(-error));
	else
		log_info("the gateway's connection has ended");
	g_clear_pointer(&port->gateway, seq_source_free);
}

static void
gateway_port_handle_connection(void *context, int fd)
{
	struct gateway_port *port = context;
	struct io_peer peer;

	if (io_peer_get(fd, &peer) < 0 || peer.uid != port->gateway_uid) {
		if (log_limit_allow(&port->strangers, io_boottime_ms()))
			log_warning("uid %u may not speak for the gateway (uid %u); closed",
				    (guint)peer.uid, (guint)port->gateway_uid);
		close(fd);
		return;
	}
	g_clear_pointer(&port->gateway, seq_source_free);
	port->number++;
	port->gateway = seq_source_new(fd, "gateway", gateway_port_handle_message, port);
}

struct gateway_port *
gateway_port_open(const char *path, uid_t gateway_uid, struct ticket_table *tickets,
		  const struct gateway_port_events *events, void *context, GError **error)
{
	struct gateway_port *port;
	int fd = -1;
	/* hostd cannot give the file to the gateway: anybody may connect, and who it is decides (SO_PEERCRED). */
	int result = io_unix_listen(path, SOCK_SEQPACKET, 0666, &fd);

	if (result < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-result),
			    "cannot listen for the gateway on '%s': %s", path, g_strerror(-result));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	port = g_new0(struct gateway_port, 1);
	port->listen_fd = fd;
	port->path = g_strdup(path);
	port->gateway_uid = gateway_uid;
	port->tickets = tickets;
	port->events = events;
	port->context = context;
	port->offers = g_ptr_array_new();
	port->refusals = (struct log_limit){ .burst = 10, .every_ms = 6000 };
	port->strangers = (struct log_limit){ .burst = 5, .every_ms = 60000 };
	port->listener = seq_source_listen(fd, "gateway", gateway_port_handle_connection, port);
	return port;
}

void
gateway_port_close(struct gateway_port *port)
{
	if (!port)
		return;
	for (guint i = 0; i < port->offers->len; i++) {
		struct gateway_port_offer *offer = g_ptr_array_index(port->offers, i);

		offer->port = NULL;
		g_clear_handle_id(&offer->deadline, g_source_remove);
	}
	g_ptr_array_unref(port->offers);
	g_clear_handle_id(&port->listener, g_source_remove);
	g_clear_pointer(&port->gateway, seq_source_free);
	close(port->listen_fd);
	unlink(port->path);
	g_free(port->path);
	g_free(port);
}
