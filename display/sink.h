/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink.h - who shows a desktop to its user; one table a protocol
 *
 * A sink reads the surfaces it was given, one a head, and speaks its protocol over descriptors handed to add_client(), which carry
 * clear text: TLS ends in tls_link.c. Everything happens on the main thread; events too.
 */
#ifndef DISPLAY_SINK_H
#define DISPLAY_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "display/source.h"

struct sink;
struct vdagent_port;

struct sink_events {
	void (*main_linked)(void *context, uint32_t connection_id);
	void (*main_ended)(void *context, uint32_t connection_id);
	/* Of one monitor of the client's; 0 x 0: it has no such monitor. */
	void (*size_wanted)(void *context, uint32_t head, uint32_t width, uint32_t height);
	/* Of all heads together. */
	void (*size_shown)(void *context, uint32_t width, uint32_t height);
	void (*key)(void *context, uint32_t qnum, bool down);
	void (*position)(void *context, uint32_t head, uint32_t x, uint32_t y);
	void (*button)(void *context, enum source_button button, bool down);
	/* While set_sound() says that the guest records: frames as in base/proto_sound.h. */
	void (*spoken)(void *context, const void *frames, uint32_t n_frames);
	/* A frame with content was sent; of a sink whose links do not show it (tls_link.h). */
	void (*drawn)(void *context);
	/* Bytes on their way to the display's client that it has not read: the sink draws later while they are many. */
	uint32_t (*backlog)(void *context);
};

struct sink_ops {
	/* A surface may have changed. */
	void (*refresh)(struct sink *sink);
	/* What the source says: the address may be empty; a client may have as many monitors as there are heads. */
	void (*set_device)(struct sink *sink, const char *device_address, uint32_t n_heads);
	/* What the guest does: play() comes only while it plays, and what the client says is told only while it records. */
	void (*set_sound)(struct sink *sink, bool plays, bool records);
	void (*play)(struct sink *sink, const void *frames, uint32_t n_frames);
	/* NULL: nobody gets in. The sink keeps no copy beyond what its protocol needs. */
	void (*set_password)(struct sink *sink, const char *password);
	/* Owns the descriptor, whatever it returns: 0 or a negative errno. */
	int (*add_client)(struct sink *sink, int fd);
	/* Lends it the guest's vdagent port, until it is told NULL: closed, or another sink's now. */
	void (*set_vdagent)(struct sink *sink, struct vdagent_port *port);
	void (*free)(struct sink *sink);
};

struct sink {
	const struct sink_ops *ops;
};

#endif
