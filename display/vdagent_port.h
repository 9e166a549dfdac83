/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_port.h - our end of the guest's vdagent port: the sink's bytes and our own messages on one socket
 */
#ifndef DISPLAY_VDAGENT_PORT_H
#define DISPLAY_VDAGENT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heads;
struct vdagent_port;

struct vdagent_port_events {
	/* There is something to read, or room to write again. */
	void (*wakeup)(void *context);
	/* The port is closed or speaks nonsense; the owner frees it, later and not in this call. */
	void (*lost)(void *context);
};

/* Owns the descriptor. */
struct vdagent_port *vdagent_port_new(int fd, const struct vdagent_port_events *events,
				      void *context);
void vdagent_port_free(struct vdagent_port *port);

/* Both return at once with the bytes done, 0 when there is nothing to read or no room. */
size_t vdagent_port_read(struct vdagent_port *port, uint8_t *data, size_t size);
size_t vdagent_port_write(struct vdagent_port *port, const uint8_t *data, size_t size);

/* Sends the wanted sizes at the next border between two chunks; newer ones replace them. */
void vdagent_port_ask_sizes(struct vdagent_port *port, const struct heads *wanted);

#endif
