/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_net.h - the guest's network card (virtio 1.2 section 5.1): one pair of queues, a link that comes and goes
 */
#ifndef VMM_VIRTIO_NET_H
#define VMM_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

struct net_peer_kind;
struct platform;
struct virtio_device;

#define VIRTIO_NET_CLASS_CODE 0x020000 /* for virtio_pci_new(): Ethernet */

struct virtio_net_options {
	const char *name; /* for logs; stays the caller's, as long as the device lives */
	const struct net_peer_kind *kind; /* of every peer it will have (vmm/net_peer.h) */
	uint8_t mac[6];
	int fd;	   /* the first peer's; -1: none yet. On success it belongs to the device */
	bool link; /* whether that one is to be used */
};

/* Since the device was made. */
struct virtio_net_statistics {
	uint64_t received_frames; /* by the guest */
	uint64_t received_bytes;
	uint64_t sent_frames;
	uint64_t sent_bytes;
	uint64_t dropped; /* of either direction */
};

/* The device then goes to virtio_pci_new(). 0; -EINVAL: the descriptor is not of that kind; -errno. */
int virtio_net_new(struct platform *platform, const struct virtio_net_options *options,
		   struct virtio_device **ret_device);

/*
 * Plugs the cable in or out; the guest is told. A descriptor is a new peer's, and replaces the one before; it belongs
 * to the device, which closes it on an error. -1: the peer stays. -ENOTCONN: there is none to plug in. An error leaves
 * link and peer as they were.
 */
int virtio_net_set_link(struct virtio_device *device, bool up, int fd);
/* As the guest sees it: not when the peer is lost. */
bool virtio_net_has_link(const struct virtio_device *device);

void virtio_net_get_statistics(const struct virtio_device *device,
			       struct virtio_net_statistics *ret_statistics);

#endif
