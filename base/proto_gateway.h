/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_gateway.h - how carrel-gateway hands a connected socket to carrel-hostd
 *
 * SOCK_SEQPACKET on <run>/gateway.sock, seq.h messages; only the gateway's uid may connect. The gateway has read the
 * CONNECT head (docs/PROTOCOL.md) and nothing behind its blank line.
 *
 * type     from     payload           fds
 * OFFER    gateway  gateway_offer     the client's socket (the gateway keeps its own until the answer)
 * ANSWER   hostd    gateway_answer    -        same id; status 0: the gateway writes "200 Connection established",
 *                                              else 403, 404 (unknown desktop), 503 (try again), then closes
 *
 * hostd hands the socket to carrel-display before it answers; a client speaks first only after the 200.
 */
#ifndef BASE_PROTO_GATEWAY_H
#define BASE_PROTO_GATEWAY_H

#include <stdint.h>

#include "base/id.h"

/* The port in a CONNECT head says what the client speaks; it is no address. Any other: SPICE. */
#define GATEWAY_VNC_PORT 5900

enum gateway_type {
	GATEWAY_OFFER = 1,
	GATEWAY_ANSWER,
};

struct gateway_offer {
	char ticket[ID_SECRET_SIZE + 3];
	char peer[64]; /* numeric address, for the log and the audit */
	uint32_t sink; /* enum display_sink_kind */
};

struct gateway_answer {
	uint32_t http_status;
};

#endif
