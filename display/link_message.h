/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_message.h - the first message of a SPICE link, and what flows behind it, as far as we look into it
 *
 * SPICE protocol, "Link" (spice/protocol.h): a header of 16 bytes ("REDQ", major, minor, size), then SpiceLinkMess
 * with connection id, channel type and id, and capabilities. Numbers are little endian.
 */
#ifndef DISPLAY_LINK_MESSAGE_H
#define DISPLAY_LINK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_HEAD_BYTES 16
#define LINK_MESS_BYTES 18
#define LINK_MAX_BYTES	1024 /* of the message behind the head; spice-gtk sends 26 to 34 */
#define LINK_MAX_CAPS	64   /* words */

#define LINK_CHANNEL_MAIN     1
#define LINK_CHANNEL_DISPLAY  2
#define LINK_CHANNEL_PLAYBACK 5
#define LINK_CHANNEL_RECORD   6

struct link_message {
	uint32_t connection_id;
	uint8_t channel_type;
	uint8_t channel_id;
	bool mini_header; /* the client can take it */
};

/* The message's size behind the head in "ret_bytes"; -EPROTO when this is no SPICE link. */
int link_message_parse_head(const uint8_t head[LINK_HEAD_BYTES], uint32_t *ret_bytes);

/* 0 or -EPROTO. */
int link_message_parse(const uint8_t *data, size_t size, struct link_message *ret_message);

/*
 * Follows what the server sends on one link, without keeping it. link_scan_next() returns how many of the bytes belong
 * to the current message: all of them, or up to its end. spice-gtk waits for its socket before each message, although
 * the rest of a TLS record may lie decrypted already: so no record may hold the end of one message and more.
 */
struct link_scan {
	enum {
		LINK_SCAN_REPLY_HEAD,
		LINK_SCAN_REPLY,
		LINK_SCAN_RESULT,
		LINK_SCAN_HEAD,
		LINK_SCAN_BODY
	} state;
	bool mini_header;
	uint8_t head[LINK_HEAD_BYTES + 2];
	size_t n_head;
	uint64_t skip;
	bool draws; /* the current message is one of a display channel's draw messages */
};

size_t link_scan_next(struct link_scan *scan, const uint8_t *data, size_t size);

#endif
