/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * driver_ring.h - the driver's side of a split virtqueue, good or bad, for tests and fuzzers (virtio 1.2 section 2.7)
 *
 * driver_ring_add() and driver_ring_get_used() are a driver that keeps the rules. driver_ring_set_descriptor() and
 * driver_ring_publish() write whatever a test wants to be seen.
 */
#ifndef TESTS_UNIT_DRIVER_RING_H
#define TESTS_UNIT_DRIVER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/virtqueue.h"

#define DRIVER_RING_MAX_INDIRECT 256 /* entries */

struct fake_platform;

/* The device-readable ones come first. */
struct driver_buffer {
	uint64_t gpa;
	uint32_t bytes;
	bool write; /* for the device to write into */
};

struct driver_ring {
	struct fake_platform *fake;
	struct virtqueue_setup setup; /* addresses and size as the device is told */
	bool event_index;
	bool interrupts; /* wanted, the state at first */
	uint16_t next_avail;
	uint16_t next_used;
	uint16_t kicked; /* next_avail when it was last decided whether to kick */
	uint16_t n_free;
	uint16_t first_free;
	uint16_t next_free[VIRTQUEUE_MAX_SIZE];
	uint16_t chain_length[VIRTQUEUE_MAX_SIZE]; /* by head */
	uint64_t indirect[VIRTQUEUE_MAX_SIZE];	   /* by head: a table, kept once it was needed */
};

/* Takes guest memory for the rings; 0, -ENOMEM, -EINVAL. "size": a power of two up to VIRTQUEUE_MAX_SIZE. */
int driver_ring_init(struct driver_ring *ring, struct fake_platform *fake, uint16_t size,
		     bool event_index);

/* Adds and publishes one chain: its head, or -ENOSPC. */
int driver_ring_add(struct driver_ring *ring, const struct driver_buffer *buffers, size_t count);
int driver_ring_add_indirect(struct driver_ring *ring, const struct driver_buffer *buffers,
			     size_t count);
/* The next chain that the device has handed back, if any; its descriptors are free again. */
bool driver_ring_get_used(struct driver_ring *ring, uint16_t *ret_head, uint32_t *ret_written);
/* Does the device want to be told of what was published since the last time this was asked? */
bool driver_ring_wants_kick(struct driver_ring *ring);
/* Ask for an interrupt after the next used chain, or for none. */
void driver_ring_set_interrupts(struct driver_ring *ring, bool on);

void driver_ring_set_descriptor(struct driver_ring *ring, uint16_t index, uint64_t gpa,
				uint32_t bytes, uint16_t flags, uint16_t next);
/* Puts a head, which can be any number, into the available ring and counts up. */
void driver_ring_publish(struct driver_ring *ring, uint16_t head);
void driver_ring_set_avail_index(struct driver_ring *ring, uint16_t index);

#endif
