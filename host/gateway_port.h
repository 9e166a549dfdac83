/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gateway_port.h - where carrel-gateway hands its clients over (base/proto_gateway.h)
 *
 * Wiring: carrel-hostd opens it with <run>/gateway.sock, the gateway's uid and the table of tickets. For each good
 * ticket admit() looks the desktop up and calls display_control_add_client() with gateway_port_handle_passed as
 * callback and "offer" as its data. shown() is for sync's events ticket_spent and ticket_refused.
 */
#ifndef HOST_GATEWAY_PORT_H
#define HOST_GATEWAY_PORT_H

#include <gio/gio.h>

#include "base/proto_gateway.h"
#include "host/tickets.h"

struct gateway_port;
struct gateway_port_offer;

struct gateway_port_events {
	/*
	 * A good ticket, spent already. The callee takes the socket over and later calls gateway_port_handle_passed()
	 * exactly once, or returns a negative errno at once (-ENOENT: no such desktop; -EAGAIN) and takes nothing.
	 */
	int (*admit)(void *context, int fd, const struct ticket_pass *pass,
		     struct gateway_port_offer *offer);
	/* pass: as for admit; zeroed when the verdict is a refusal. peer is the client's address. May be NULL. */
	void (*shown)(void *context, enum ticket_verdict verdict, const struct ticket_pass *pass,
		      const char *peer);
};

struct gateway_port *gateway_port_open(const char *path, uid_t gateway_uid,
				       struct ticket_table *tickets,
				       const struct gateway_port_events *events, void *context,
				       GError **error);

/* Offers that still wait stay valid for gateway_port_handle_passed(), which then does nothing. */
void gateway_port_close(struct gateway_port *port);

/* error 0: the display has the socket. A display_control_callback. */
void gateway_port_handle_passed(void *offer, int error);

#endif
