/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_console_device.h - what the ports' device is inside: shared by virtio_console.c and
 * virtio_console_state.c
 */
#ifndef VMM_VIRTIO_CONSOLE_DEVICE_H
#define VMM_VIRTIO_CONSOLE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/virtio.h"
#include "vmm/virtio_console.h"

#define VIRTIO_CONSOLE_STATE_VERSION 1
#define VIRTIO_CONSOLE_FIRST_PORT    1

struct port_peer;

/* What the guest is still to be told of a port, in this order */
enum virtio_console_due {
	VIRTIO_CONSOLE_DUE_ADD,
	VIRTIO_CONSOLE_DUE_NAME,
	VIRTIO_CONSOLE_DUE_CLOSE,
	VIRTIO_CONSOLE_DUE_OPEN,
	VIRTIO_CONSOLE_DUE_COUNT,
};

#define VIRTIO_CONSOLE_DUE(what) (1U << VIRTIO_CONSOLE_DUE_##what)

/* How far the driver is with a port: only forward, until a reset. */
enum virtio_console_stage {
	VIRTIO_CONSOLE_UNKNOWN,
	VIRTIO_CONSOLE_ADDED, /* it is told of it, or will be */
	VIRTIO_CONSOLE_READY, /* and has said that it is ready */
};

/* What the guest sees; saved and restored. */
struct virtio_console_port_state {
	uint8_t stage; /* enum virtio_console_stage */
	uint8_t open;  /* by a program in the guest */
	uint8_t due;   /* a set of enum virtio_console_due */
	uint8_t reserved;
	uint32_t
		sent_bytes; /* of the next chain that the guest sends; this peer's, and not saved */
};

struct virtio_console;

struct virtio_console_port {
	struct virtio_console_port_state state;
	struct virtio_console *console;
	uint32_t number; /* the driver's */
	bool blocked;	 /* the peer's socket is full */
	struct port_peer *peer;
	char name[VIRTIO_CONSOLE_MAX_NAME + 1];
};

struct virtio_console {
	struct virtio_device device; /* first */
	size_t n_ports;
	struct virtio_console_port ports[VIRTIO_CONSOLE_MAX_PORTS];
	void (*opened)(void *context, size_t port, bool open);
	void *context;
	struct virtqueue_chain chain; /* the one being looked at */
};

/* Section 5.3.2; number 0 has the first two queues, before those for control */
static inline uint32_t
virtio_console_get_in_queue(const struct virtio_console_port *port)
{
	return 2 * port->number + 2;
}

static inline uint32_t
virtio_console_get_out_queue(const struct virtio_console_port *port)
{
	return virtio_console_get_in_queue(port) + 1;
}

/* The guest is to be told that somebody has connected to the port, or has gone. */
void virtio_console_note_peer(struct virtio_console_port *port, bool connected);
/* A program in the guest has opened the port, or closed it. */
void virtio_console_set_open(struct virtio_console_port *port, bool open);

/* virtio_console_state.c: virtio_ops */
void virtio_console_save(struct virtio_device *device, struct state_writer *writer);
int virtio_console_load(struct virtio_device *device, struct state_reader *reader);

#endif
