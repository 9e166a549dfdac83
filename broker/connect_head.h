/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * connect_head.h - the head of a CONNECT request, as a stock SPICE client sends it (docs/PROTOCOL.md)
 *
 * Bytes come as they come; the parser says how many of them belong to the head, so that nothing behind its blank line
 * is taken from the socket. It keeps the ticket and the port, and nothing else.
 */
#ifndef BROKER_CONNECT_HEAD_H
#define BROKER_CONNECT_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

#define CONNECT_HEAD_MAX_BYTES 4096

enum connect_head_state {
	CONNECT_HEAD_METHOD,
	CONNECT_HEAD_HOST,
	CONNECT_HEAD_PORT,
	CONNECT_HEAD_VERSION,
	CONNECT_HEAD_LINE_START, /* of a header, or of the blank line */
	CONNECT_HEAD_LINE,
	CONNECT_HEAD_LAST, /* the blank line's CR was seen */
	CONNECT_HEAD_DONE,
	CONNECT_HEAD_FAILED,
};

/* Zero-initialised it stands at the beginning. */
struct connect_head {
	enum connect_head_state state;
	unsigned int status; /* of a failed one: the HTTP status to answer with */
	size_t bytes;
	size_t n_text; /* of the current word */
	char text[16]; /* method or version */
	char ticket[ID_SECRET_SIZE];
	unsigned int port;
	bool bad_ticket; /* a well-formed head whose host is no ticket: 403 at its end */
};

/*
 * Adds bytes until the head is done or wrong and returns how many it used. DONE: "ticket" is valid; FAILED: see
 * "status".
 */
size_t connect_head_feed(struct connect_head *head, const char *data, size_t size);

#endif
