/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_balloon.h - memory that the guest gives back to the host (virtio 1.2 section 5.5)
 *
 * In two ways: pages that the host asks for by a target size, and those that the guest reports as
 * free by itself, which it may use again without asking. The guest takes the first ones back when
 * it runs out of memory.
 */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include <stdint.h>

struct platform;
struct virtio_device;

#define VIRTIO_BALLOON_CLASS_CODE 0x00ff00 /* for virtio_pci_new(): none of the known ones */

struct virtio_balloon_statistics {
	uint64_t balloon_bytes;	   /* that the guest has given of what was asked for; as it says */
	uint64_t reported_bytes;   /* that it has reported as free, since the device was made */
	uint64_t guest_free_bytes; /* as it said last; 0: not known */
	uint64_t guest_total_bytes;
};

/* The device then goes to virtio_pci_new(). 0 or -ENOMEM. */
int virtio_balloon_new(struct platform *platform, struct virtio_device **ret_device);

/* How much the guest should give, in whole pages. -EINVAL: more than it has. */
int virtio_balloon_set_target(struct virtio_device *device, uint64_t bytes);

/* What is known; the guest is asked for news, which the next call has. */
void virtio_balloon_get_statistics(struct virtio_device *device,
				   struct virtio_balloon_statistics *ret_statistics);

#endif
