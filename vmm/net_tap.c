/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_tap.c - the guest's network over a tap device
 *
 * In carrel-vmm, with the machine's lock held.
 *
 * How it works: the kernel's tap knows virtio's header (IFF_VNET_HDR), so checksums and the division of large pieces are
 * left to it, or to whoever receives them. One frame is one read or one write; a frame that was received and not
 * taken stays in the buffer.
 */
#include "vmm/net_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <net/if.h>

#include <linux/if_tun.h>

#include "base/log.h"

#define NET_TAP_FEATURE(name) (UINT64_C(1) << VIRTIO_NET_F_##name)

struct net_tap {
	struct net_peer peer; /* first */
	bool kept;	      /* the frame in the buffer was not taken */
	size_t size;
	uint8_t buffer[NET_PEER_HEADER_BYTES + NET_PEER_MAX_FRAME_BYTES];
};

static int
net_tap_send(struct net_peer *peer, struct iovec *segments, int count, size_t bytes)
{
	struct net_tap *tap = (struct net_tap *)peer;

	(void)bytes;
	if (!tap->peer.source)
		return -EPIPE;
	if (writev(tap->peer.fd, segments, count) >= 0)
		return 0;
	/* the rest is the guest's doing, such as a header that makes no sense */
	if (errno != EAGAIN)
		return -errno;
	net_peer_want_room(peer);
	return -EAGAIN;
}

static int
net_tap_receive(struct net_peer *peer, struct net_peer_frame *ret_frame)
{
	struct net_tap *tap = (struct net_tap *)peer;
	ssize_t got;

	if (!tap->peer.source)
		return 0;
	if (!tap->kept) {
		got = read(tap->peer.fd, tap->buffer, sizeof(tap->buffer));
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			net_peer_lose(&tap->peer, strerror(errno));
		if (got < (ssize_t)(NET_PEER_HEADER_BYTES + NET_PEER_MIN_FRAME_BYTES))
			return 0;
		tap->size = (size_t)got;
	}
	tap->kept = false;
	memcpy(&ret_frame->header, tap->buffer, sizeof(ret_frame->header));
	ret_frame->bytes = tap->buffer + NET_PEER_HEADER_BYTES;
	ret_frame->size = tap->size - NET_PEER_HEADER_BYTES;
	return 1;
}

static void
net_tap_unreceive(struct net_peer *peer)
{
	((struct net_tap *)peer)->kept = true;
}

/* What the guest can take; what it sends says so itself. */
static int
net_tap_set_offloads(struct net_peer *peer, uint64_t features)
{
	unsigned long flags = 0;

	if (features & NET_TAP_FEATURE(GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (features & NET_TAP_FEATURE(GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (features & NET_TAP_FEATURE(GUEST_TSO6))
		flags |= TUN_F_TSO6;
	return ioctl(peer->fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

static const struct net_peer_ops net_tap_ops = {
	.what = "tap device",
	.gone = "the device is gone",
	.send = net_tap_send,
	.receive = net_tap_receive,
	.unreceive = net_tap_unreceive,
	.set_offloads = net_tap_set_offloads,
};

/* A tap device, with virtio's header on each frame. */
static int
net_tap_check(const char *name, int fd)
{
	int header_bytes = NET_PEER_HEADER_BYTES;
	struct ifreq request;

	if (ioctl(fd, TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_TAP) ||
	    !(request.ifr_flags & IFF_VNET_HDR)) {
		log_error("net '%s': its descriptor is not a tap device with IFF_VNET_HDR", name);
		return -EINVAL;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int
net_tap_new(struct loop *loop, const char *name, int fd, const struct net_peer_events *events,
	    void *context, struct net_peer **ret_peer)
{
	struct net_tap *tap;
	int error = net_tap_check(name, fd);

	if (error < 0)
		return error;
	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return -ENOMEM;
	error = net_peer_start(&tap->peer, &net_tap_ops, loop, name, fd, events, context);
	if (error < 0) {
		free(tap);
		return error;
	}
	*ret_peer = &tap->peer;
	return 0;
}

const struct net_peer_kind net_tap_kind = {
	.make = net_tap_new,
	.features = NET_TAP_FEATURE(CSUM) | NET_TAP_FEATURE(HOST_TSO4) |
		    NET_TAP_FEATURE(HOST_TSO6) | NET_TAP_FEATURE(GUEST_CSUM) |
		    NET_TAP_FEATURE(GUEST_TSO4) | NET_TAP_FEATURE(GUEST_TSO6),
};
