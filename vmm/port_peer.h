/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * port_peer.h - the host's end of a guest's port: a listening unix stream socket, and one connection at a time
 *
 * The newest connection replaces an older one. Nothing is held here: what is not read stays in the socket, where the
 * kernel bounds it.
 */
#ifndef VMM_PORT_PEER_H
#define VMM_PORT_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct loop;
struct port_peer;

/* What is done with what the peer sends. */
enum port_peer_reading {
	PORT_PEER_IGNORE, /* not read, and lost if the peer goes; the state at first and after each connection */
	PORT_PEER_HOLD, /* not read now, but it will be, even when the peer has gone by then */
	PORT_PEER_READ, /* events->readable is called */
};

struct port_peer_events {
	void (*changed)(void *context, bool connected);
	void (*readable)(void *context);
	void (*writable)(void *context); /* once, after port_peer_write() has said -EAGAIN */
};

/*
 * The listening socket stays the caller's, as the name (for logs); it must outlive the peer. Only that uid may connect. 0
 * or -errno.
 */
int port_peer_new(struct loop *loop, const char *name, int listen_fd, uint32_t uid,
		  const struct port_peer_events *events, void *context,
		  struct port_peer **ret_peer);
/* Without events->changed. */
void port_peer_free(struct port_peer *peer);

bool port_peer_is_connected(const struct port_peer *peer);
/* For this connection; nothing when there is none. */
void port_peer_set_reading(struct port_peer *peer, enum port_peer_reading reading);
/* How many bytes, at least 1; -EAGAIN; -EPIPE: there is no peer (any more: events->changed has been called). */
ssize_t port_peer_read(struct port_peer *peer, const struct iovec *segments, int count);
ssize_t port_peer_write(struct port_peer *peer, struct iovec *segments, int count);

#endif
