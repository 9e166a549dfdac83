/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * port.h - the agent's end of the agent port: frames in, frames out
 *
 * docs/PROTOCOL.md, "Agent frames"; base/frame.h.
 */
#ifndef AGENT_PORT_H
#define AGENT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"
#include "base/log.h"

#define PORT_MAX_OUTPUT (4 * (FRAME_HEAD_BYTES + FRAME_MAX_BYTES))

struct port {
	int fd;
	int epoll_fd;	/* holds fd, edge-triggered; this is what the loop polls */
	bool is_device; /* a virtio port: a host that went away comes back */
	bool lost;	/* no frame border is known: only a resync ends this */
	struct frame_reader reader;
	uint8_t *output;
	size_t output_size;
	size_t output_capacity;
	struct log_limit complaints;
};

typedef void (*port_frame_fn)(void *context, const char *text, size_t size);

void port_init(struct port *port);

/* Opens a virtio-serial device, or connects to a unix stream socket (tests). 0 or a negative errno. */
int port_open(struct port *port, const char *path);

/* Takes over a connected descriptor. 0 or a negative errno, then the descriptor stays the caller's. */
int port_adopt(struct port *port, int fd, bool is_device);
void port_done(struct port *port);

/*
 * Reads and writes all it can and calls on_frame for each frame. 0, or -EPIPE when the other end of a socket has gone;
 * a device whose host has gone is waited for.
 */
int port_handle_ready(struct port *port, port_frame_fn on_frame, void *context);

/* Feeds bytes as if they had been read; for tests and the fuzzer. */
void port_take_bytes(struct port *port, const void *data, size_t size, port_frame_fn on_frame,
		     void *context);

/* Queues one frame and writes what the port takes now. -EMSGSIZE, -ENOMEM, or -ENOBUFS when nobody reads. */
int port_send(struct port *port, const char *text, size_t size);

/* Forgets what is not written yet: after a resync the host wants nothing of it. */
void port_drop_output(struct port *port);

#endif
