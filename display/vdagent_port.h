/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_port.h - our end of the guest's vdagent port: a sink's bytes and our own messages on one socket
 */
#ifndef DISPLAY_VDAGENT_PORT_H
#define DISPLAY_VDAGENT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heads;
struct vdagent_port;

/*
 * Owns the descriptor. "lost" is told once, when the port is closed or speaks nonsense; the owner frees it then, later and
 * not in this call.
 */
struct vdagent_port *vdagent_port_new(int fd, void (*lost)(void *context), void *context);
void vdagent_port_free(struct vdagent_port *port);

/*
 * Whoever reads and writes from now on; "wakeup" tells it that there is something to read, or room to write again. NULL:
 * nobody, and what the guest sends waits. The new one meets the guest between two chunks and as one that has no client yet:
 * what is left of a chunk is not shown to it, one that was begun is filled up, and the guest hears
 * VD_AGENT_CLIENT_DISCONNECTED, at which it forgets the rest of a message that was on its way. Where that cannot be had the
 * port is lost.
 */
void vdagent_port_hand_over(struct vdagent_port *port, void (*wakeup)(void *user), void *user);

/* Its user has seen the guest break the rules. */
void vdagent_port_lose(struct vdagent_port *port);

/* Both return at once with the bytes done, 0 when there is nothing to read or no room. */
size_t vdagent_port_read(struct vdagent_port *port, uint8_t *data, size_t size);
size_t vdagent_port_write(struct vdagent_port *port, const uint8_t *data, size_t size);

/* Sends the wanted sizes at the next border between two chunks; newer ones replace them. */
void vdagent_port_ask_sizes(struct vdagent_port *port, const struct heads *wanted);

#endif
