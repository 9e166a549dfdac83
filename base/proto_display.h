/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_display.h - what carrel-hostd and carrel-display say to each other
 *
 * SOCK_SEQPACKET on the desktop folder's "watch" socket, seq.h messages. carrel-display gets the listening socket as
 * descriptor 3 and the argument --desktop ID; the newest connection replaces an older one, streams go on.
 *
 * type       from     payload               fds
 * HELLO      display  display_hello         -             first on every connection: the facts as they are now
 * SETUP      hostd    display_setup + PEMs  -             certificate and key of this display; again when they are renewed, for later links
 * SOURCE     hostd    display_source        one           qemu: D-Bus p2p socket; vmm: display socket
 * VDAGENT    hostd    -                     0 or one      the guest opened (one) or closed (none) its vdagent port
 * CLIENT     hostd    display_client        one           a TCP socket behind its CONNECT answer: TLS comes next
 * DROP       hostd    display_drop          -             close this attachment; 0 is all
 * BEAT       both     -                     -             hostd asks each 500 ms, display's main loop answers
 * FACT       display  display_fact          -             what happened
 * QUIT       hostd    -                     -             end
 */
#ifndef BASE_PROTO_DISPLAY_H
#define BASE_PROTO_DISPLAY_H

#include <stdint.h>

#include "base/id.h"

#define DISPLAY_WATCH_FD	 3
#define DISPLAY_PROTOCOL_VERSION 1
#define DISPLAY_MAX_PEM_BYTES	 (8 * 1024)
#define DISPLAY_MAX_WIDTH	 8192
#define DISPLAY_MAX_HEIGHT	 8192

enum display_type {
	DISPLAY_HELLO = 1,
	DISPLAY_SETUP,
	DISPLAY_SOURCE,
	DISPLAY_VDAGENT,
	DISPLAY_CLIENT,
	DISPLAY_DROP,
	DISPLAY_BEAT,
	DISPLAY_FACT,
	DISPLAY_QUIT,
};

enum display_source_kind {
	DISPLAY_SOURCE_QEMU,
	DISPLAY_SOURCE_VMM,
	DISPLAY_SOURCE_COUNT
};
enum display_sink_kind {
	DISPLAY_SINK_SPICE,
	DISPLAY_SINK_VNC,
	DISPLAY_SINK_COUNT
};

struct display_hello {
	uint32_t version;
	uint32_t has_setup;
	uint32_t has_source;
	uint32_t has_vdagent;
	uint64_t attachment; /* whose main channel lives; 0: nobody is connected */
	char desktop[ID_SIZE];
};

/* Followed by the certificate and then the private key, PEM, not NUL-terminated. */
struct display_setup {
	uint64_t generation;
	uint32_t certificate_bytes;
	uint32_t key_bytes;
};

struct display_source_offer {
	uint32_t kind;
};

/*
 * One channel's socket. The first of an attachment sets the password that each link must show; hostd counts up
 * attachments and never uses one twice.
 */
struct display_client {
	uint64_t attachment;
	uint32_t sink;
	uint32_t first;
	char password[ID_PASSWORD_SIZE + 7];
};

struct display_drop {
	uint64_t attachment;
};

enum display_fact_kind {
	DISPLAY_FACT_CONNECTED,	  /* the main channel is linked */
	DISPLAY_FACT_FIRST_FRAME, /* a frame with content was sent to it */
	DISPLAY_FACT_INPUT,	  /* last input; at most one a second */
	DISPLAY_FACT_RESIZED,	  /* value: width << 32 | height of the surface */
	DISPLAY_FACT_BYTES,	  /* value: bytes sent so far */
	DISPLAY_FACT_ROUND_TRIP,  /* value: microseconds */
	DISPLAY_FACT_DISCONNECTED,
	DISPLAY_FACT_LINK_REFUSED, /* text: why; a stranger's or a broken link */
	DISPLAY_FACT_SOURCE_LOST,  /* the source's socket ended: hostd offers a new one */
	DISPLAY_FACT_COUNT,
};

struct display_fact {
	uint64_t attachment;
	uint64_t boottime_ms;
	uint64_t value;
	uint32_t kind;
	char text[100];
};

#endif
