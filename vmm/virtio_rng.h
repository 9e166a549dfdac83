/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_rng.h - the host's random numbers for the guest (virtio 1.2 section 5.4)
 */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

struct platform;
struct virtio_device;

#define VIRTIO_RNG_CLASS_CODE 0x00ff00 /* for virtio_pci_new(): none of the known ones */

/* The device then goes to virtio_pci_new(). 0 or -ENOMEM. */
int virtio_rng_new(struct platform *platform, struct virtio_device **ret_device);

#endif
