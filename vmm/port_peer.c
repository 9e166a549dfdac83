/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * port_peer.c - the host's end of a guest's port: a listening unix stream socket, and one connection at a time
 *
 * In carrel-vmm, with the machine's lock held.
 *
 * How it works: epoll says that a peer has gone whether it was asked or not, and says so for ever. So a connection that is
 * held although its peer has gone is taken out of the loop until it is wanted again (port_peer_watch()).
 */
#include "vmm/port_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/listener.h"
#include "vmm/loop.h"

struct port_peer {
	struct loop *loop;
	const char *name;
	const struct port_peer_events *events;
	void *context;
	struct listener *listener;
	int fd; /* -1: nobody is connected */
	struct loop_source *source;
	enum port_peer_reading reading;
	bool wants_room; /* to write */
};

static void
port_peer_drop(struct port_peer *peer)
{
	if (peer->fd < 0)
		return;
	loop_remove(peer->source);
	peer->source = NULL;
	close(peer->fd);
	peer->fd = -1;
	peer->reading = PORT_PEER_IGNORE;
	peer->wants_room = false;
	peer->events->changed(peer->context, false);
}

static void
port_peer_handle_hangup(struct port_peer *peer)
{
	switch (peer->reading) {
	case PORT_PEER_IGNORE:
		port_peer_drop(peer);
		break;
	case PORT_PEER_HOLD:
		loop_remove(peer->source);
		peer->source = NULL;
		break;
	case PORT_PEER_READ: /* which ends in port_peer_read() finding the end */
		peer->events->readable(peer->context);
		break;
	}
}

static void port_peer_handle_events(void *context, uint32_t events);

/* The loop is told what is waited for. */
static void
port_peer_watch(struct port_peer *peer)
{
	uint32_t events =
		(peer->reading == PORT_PEER_READ ? EPOLLIN : 0) | (peer->wants_room ? EPOLLOUT : 0);
	int error;

	if (peer->source)
		error = loop_change(peer->source, events);
	else
		error = loop_add(peer->loop, peer->name, peer->fd, events, port_peer_handle_events,
				 peer, &peer->source);
	if (error < 0) {
		log_error("port '%s': its peer cannot be listened to: %s; it is dropped",
			  peer->name, strerror(-error));
		port_peer_drop(peer);
	}
}

static void
port_peer_handle_events(void *context, uint32_t events)
{
	struct port_peer *peer = context;

	if (events & EPOLLOUT && peer->wants_room) {
		peer->wants_room = false;
		port_peer_watch(peer);
		if (peer->fd >= 0)
			peer->events->writable(peer->context);
	}
	if (peer->fd < 0)
		return;
	if (events & EPOLLIN && peer->reading == PORT_PEER_READ)
		peer->events->readable(peer->context);
	else if (events & (EPOLLHUP | EPOLLERR))
		port_peer_handle_hangup(peer);
}

static void
port_peer_handle_accepted(void *context, int fd)
{
	struct port_peer *peer = context;

	port_peer_drop(peer);
	peer->fd = fd;
	peer->events->changed(peer->context, true);
	if (peer->fd >= 0)
		port_peer_watch(peer);
}

int
port_peer_new(struct loop *loop, const char *name, int listen_fd, uint32_t uid,
	      const struct port_peer_events *events, void *context, struct port_peer **ret_peer)
{
	struct port_peer *peer = calloc(1, sizeof(*peer));
	const struct listener_setup listener = {
		.name = name,
		.listen_fd = listen_fd,
		.uid = uid,
		.accepted = port_peer_handle_accepted,
		.context = peer,
	};
	int error;

	if (!peer)
		return -ENOMEM;
	*peer = (struct port_peer){
		.loop = loop,
		.name = name,
		.events = events,
		.context = context,
		.fd = -1,
	};
	error = listener_new(loop, &listener, &peer->listener);
	if (error < 0) {
		free(peer);
		return error;
	}
	*ret_peer = peer;
	return 0;
}

void
port_peer_free(struct port_peer *peer)
{
	if (!peer)
		return;
	listener_free(peer->listener);
	loop_remove(peer->source);
	if (peer->fd >= 0)
		close(peer->fd);
	free(peer);
}

bool
port_peer_is_connected(const struct port_peer *peer)
{
	return peer->fd >= 0;
}

void
port_peer_set_reading(struct port_peer *peer, enum port_peer_reading reading)
{
	if (peer->fd < 0 || peer->reading == reading)
		return;
	peer->reading = reading;
	port_peer_watch(peer);
}

ssize_t
port_peer_read(struct port_peer *peer, const struct iovec *segments, int count)
{
	ssize_t got = peer->fd < 0 ? 0 : readv(peer->fd, segments, count);

	if (got > 0)
		return got;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	port_peer_drop(peer);
	return -EPIPE;
}

ssize_t
port_peer_write(struct port_peer *peer, struct iovec *segments, int count)
{
	struct msghdr message = { .msg_iov = segments, .msg_iovlen = (size_t)count };
	ssize_t sent;

	if (peer->fd < 0)
		return -EPIPE;
	sent = sendmsg(peer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent > 0)
		return sent;
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		port_peer_drop(peer);
		return -EPIPE;
	}
	peer->wants_room = true;
	port_peer_watch(peer);
	return peer->fd < 0 ? -EPIPE : -EAGAIN;
}
