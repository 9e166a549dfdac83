/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_peer.c - what all peers of the guest's network card have in common: a descriptor, watched
 * while something is wished for
 */
#include "vmm/net_peer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/loop.h"

void
net_peer_lose(struct net_peer *peer, const char *why)
{
	if (!peer->source)
		return;
	log_warning("net '%s': its %s is lost: %s; the link is down", peer->name, peer->ops->what,
		    why);
	loop_remove(peer->source);
	peer->source = NULL;
	peer->events->lost(peer->context);
}

static void
net_peer_watch(struct net_peer *peer)
{
	uint32_t events = (peer->reading ? EPOLLIN : 0) | (peer->wants_room ? EPOLLOUT : 0);
	int error = peer->source ? loop_change(peer->source, events) : 0;

	if (error < 0)
		net_peer_lose(peer, strerror(-error));
}

void
net_peer_set_reading(struct net_peer *peer, bool reading)
{
	if (peer->reading == reading)
		return;
	peer->reading = reading;
	net_peer_watch(peer);
}

void
net_peer_want_room(struct net_peer *peer)
{
	if (peer->wants_room)
		return;
	peer->wants_room = true;
	net_peer_watch(peer);
}

static void
net_peer_handle_events(void *context, uint32_t events)
{
	struct net_peer *peer = context;

	if (events & EPOLLOUT && peer->wants_room &&
	    (!peer->ops->flush || peer->ops->flush(peer))) {
		peer->wants_room = false;
		net_peer_watch(peer);
		peer->events->writable(peer->context);
	}
	if (!peer->source)
		return;
	if (events & EPOLLIN && peer->reading)
		peer->events->readable(peer->context);
	else if (events & (EPOLLHUP | EPOLLERR))
		net_peer_lose(peer, peer->ops->gone);
}

int
net_peer_start(struct net_peer *peer, const struct net_peer_ops *ops, struct loop *loop,
	       const char *name, int fd, const struct net_peer_events *events, void *context)
{
	peer->ops = ops;
	peer->name = name;
	peer->events = events;
	peer->context = context;
	peer->fd = fd;
	return loop_add(loop, name, fd, 0, net_peer_handle_events, peer, &peer->source);
}

void
net_peer_free(struct net_peer *peer)
{
	if (!peer)
		return;
	loop_remove(peer->source);
	close(peer->fd);
	free(peer);
}
