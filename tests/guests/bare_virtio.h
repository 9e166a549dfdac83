/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_virtio.h - a driver for any virtio PCI device, of a guest without an operating system (virtio 1.2 sections 3.1, 4.1)
 *
 * Split queues, no indirect descriptors, no event index. Vector BARE_IRQ_FIRST is the configuration's, the next the first
 * queue's and so on.
 */
#ifndef TESTS_GUESTS_BARE_VIRTIO_H
#define TESTS_GUESTS_BARE_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#define BARE_VIRTIO_MAX_QUEUES 8
#define BARE_VIRTIO_MAX_SIZE   16
#define BARE_VIRTIO_LOST       UINT32_MAX

struct bare_queue {
	struct vring_desc *descriptors;
	struct vring_avail *available;
	volatile struct vring_used *used;
	uint16_t size; /* what the device offers, MAX_SIZE at most */
	uint16_t next; /* of available */
	uint16_t seen; /* of used */
	uint64_t doorbell;
};

struct bare_virtio {
	uint32_t slot;
	uint64_t common;
	uint64_t notify;
	uint64_t isr;
	uint64_t config;
	uint32_t notify_multiplier;
	struct bare_queue queues[BARE_VIRTIO_MAX_QUEUES];
};

struct bare_buffer {
	void *data;
	uint32_t bytes;
	bool device_writes;
};

/* Finds the structures and switches MSI-X on. What is missing is said; then false. */
bool bare_virtio_open(struct bare_virtio *device, uint32_t slot);

/* "field": VIRTIO_PCI_COMMON_... of linux/virtio_pci.h */
uint32_t bare_virtio_get(const struct bare_virtio *device, uint32_t field, uint32_t bytes);
void bare_virtio_set(const struct bare_virtio *device, uint32_t field, uint32_t bytes,
		     uint32_t value);
uint8_t bare_virtio_get_status(const struct bare_virtio *device);
uint32_t bare_virtio_get_config(const struct bare_virtio *device, uint32_t offset, uint32_t bytes);
void bare_virtio_set_config(const struct bare_virtio *device, uint32_t offset, uint32_t bytes,
			    uint32_t value);

/* Until the status reads 0; all queues are gone. */
void bare_virtio_reset(struct bare_virtio *device);
uint64_t bare_virtio_get_features(const struct bare_virtio *device);
/* Reset to FEATURES_OK; false when the device did not take them. */
bool bare_virtio_negotiate(struct bare_virtio *device, uint64_t features);
bool bare_virtio_set_queue(struct bare_virtio *device, uint16_t index);
void bare_virtio_go(struct bare_virtio *device); /* DRIVER_OK */
/* All of this: negotiates what is offered of "features" and VERSION_1, n_queues queues, DRIVER_OK. */
bool bare_virtio_start(struct bare_virtio *device, uint64_t features, uint16_t n_queues);

/* Makes a chain out of descriptors from "first" on, offers it and rings the doorbell. */
void bare_virtio_offer(struct bare_virtio *device, uint16_t index, uint16_t first,
		       const struct bare_buffer *buffers, uint16_t n_buffers);
/* This buffer as so many chains at once. */
void bare_virtio_offer_many(struct bare_virtio *device, uint16_t index, uint16_t n_chains,
			    const struct bare_buffer *buffer);
/* Waits for the next used chain: the bytes the device wrote, or BARE_VIRTIO_LOST. */
uint32_t bare_virtio_wait(struct bare_virtio *device, uint16_t index);
/* Both, with descriptors from 0 on. */
uint32_t bare_virtio_transfer(struct bare_virtio *device, uint16_t index,
			      const struct bare_buffer *buffers, uint16_t n_buffers);

#endif
