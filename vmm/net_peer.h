/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_peer.h - the other end of the guest's network card: a tap device (net_tap.c) or a stream
 * socket (net_stream.c)
 *
 * A peer is handed frames and hands frames out, each with the header of virtio 1.2 section 5.1.6
 * (all of its 12 bytes). It holds at most one frame that it could send only a part of, and one read
 * of what came. All with the machine's lock held.
 */
#ifndef VMM_NET_PEER_H
#define VMM_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

struct loop;
struct net_peer;

#define NET_PEER_HEADER_BYTES	 sizeof(struct virtio_net_hdr_v1)
#define NET_PEER_MIN_FRAME_BYTES 14 /* two addresses and a type */
/* A whole IP packet, Ethernet's header and a VLAN tag */
#define NET_PEER_MAX_FRAME_BYTES (65535 + 14 + 4)

struct net_peer_frame {
	struct virtio_net_hdr_v1 header;
	const uint8_t *bytes; /* the peer's, until it is asked for another one */
	size_t size;	      /* MIN to MAX */
};

struct net_peer_events {
	/* While it is wished for: net_peer_receive() may have a frame. */
	void (*readable)(void *context);
	/* Once, after net_peer_send() has said -EAGAIN. */
	void (*writable)(void *context);
	/* It has logged why; once, and it should be freed, but not in here. */
	void (*lost)(void *context);
};

struct net_peer_ops {
	const char *what; /* for logs */
	const char *gone; /* why it is lost when the other side ends */
	int (*send)(struct net_peer *peer, struct iovec *segments, int count, size_t bytes);
	int (*receive)(struct net_peer *peer, struct net_peer_frame *ret_frame);
	void (*unreceive)(struct net_peer *peer);
	int (*set_offloads)(struct net_peer *peer, uint64_t features);
	/*
	 * There is room: what waits goes out; true: nothing waits any more. NULL: nothing ever
	 * does.
	 */
	bool (*flush)(struct net_peer *peer);
};

/*
 * The first member of each kind's own struct, which calloc() has made. The kinds read it and use
 * the functions below.
 */
struct net_peer {
	const struct net_peer_ops *ops;
	const char *name;
	const struct net_peer_events *events;
	void *context;
	int fd;
	struct loop_source *source; /* NULL: it is lost */
	bool reading;
	bool wants_room;
};

/* What the network can be made of. */
struct net_peer_kind {
	/*
	 * On success the descriptor belongs to the peer. 0; -EINVAL: it is not what it should be;
	 * -errno. The name is for logs and stays the caller's.
	 */
	int (*make)(struct loop *loop, const char *name, int fd,
		    const struct net_peer_events *events, void *context,
		    struct net_peer **ret_peer);
	uint64_t features; /* bits of VIRTIO_NET_F_..., that it makes possible */
	uint16_t mtu;	   /* 0: nothing is said about it */
};

/*
 * For the kinds: the descriptor is watched and belongs to the peer. 0 or -errno, then it does not.
 */
int net_peer_start(struct net_peer *peer, const struct net_peer_ops *ops, struct loop *loop,
		   const char *name, int fd, const struct net_peer_events *events, void *context);
/* Logs it and tells it, the first time. */
void net_peer_lose(struct net_peer *peer, const char *why);
/* "writable" will come. */
void net_peer_want_room(struct net_peer *peer);

/*
 * The segments begin with the header; "bytes" are all of it, within the limits. 0: it has taken the
 * frame (which can still be lost, as in any network); -EAGAIN: not now; other: it will never.
 * Changes the array.
 */
static inline int
net_peer_send(struct net_peer *peer, struct iovec *segments, int count, size_t bytes)
{
	return peer->ops->send(peer, segments, count, bytes);
}

/* 1 and a frame, 0: there is none yet. */
static inline int
net_peer_receive(struct net_peer *peer, struct net_peer_frame *ret_frame)
{
	return peer->ops->receive(peer, ret_frame);
}

/* The frame that was received last comes again the next time. */
static inline void
net_peer_unreceive(struct net_peer *peer)
{
	peer->ops->unreceive(peer);
}

void net_peer_set_reading(struct net_peer *peer, bool reading);

/* What the driver accepted, of the kind's features. 0 or -errno. */
static inline int
net_peer_set_offloads(struct net_peer *peer, uint64_t features)
{
	return peer->ops->set_offloads(peer, features);
}

void net_peer_free(struct net_peer *peer);

#endif
