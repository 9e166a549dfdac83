/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_blk_request.h - what the two halves of the disk share: virtio_blk.c and
 * virtio_blk_request.c
 */
#ifndef VMM_VIRTIO_BLK_REQUEST_H
#define VMM_VIRTIO_BLK_REQUEST_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/disk_io.h"
#include "vmm/disk.h"
#include "vmm/virtio.h"
#include "vmm/virtio_blk.h"

#define VIRTIO_BLK_REQUESTS 64 /* at a time, of all queues */
#define VIRTIO_BLK_SECTOR   512
/* Of one discard or zeroing: what a reset may have to wait for */
#define VIRTIO_BLK_MAX_HOLE_SECTORS ((256U << 20) / VIRTIO_BLK_SECTOR)

static_assert(VIRTIO_BLK_REQUESTS <= UINT8_MAX, "virtio_blk.free_requests are bytes");
static_assert(VIRTQUEUE_MAX_SEGMENTS <= DISK_MAX_SEGMENTS, "a chain fits a request");

struct virtio_blk;

struct virtio_blk_request {
	struct disk_request io; /* first */
	struct virtio_blk *blk;
	uint32_t type;
	uint32_t in_bytes;
	uint16_t queue;
	uint16_t head;
	uint8_t *status; /* in guest memory */
	bool flush_follows;
};

/* What the guest has set; saved and restored. */
struct virtio_blk_state {
	uint8_t write_cache;
};

struct virtio_blk {
	struct virtio_device device; /* first */
	struct virtio_blk_state state;
	const char *name;
	uint8_t serial[VIRTIO_BLK_ID_BYTES];
	void (*lacks_space)(void *context, bool lacks);
	void *context;
	struct disk_io *io;
	struct disk *disk;	   /* NULL: no medium */
	uint64_t capacity_sectors; /* of the medium */
	bool told_lack;		   /* lacks_space(true) was the last */
	uint32_t to_signal;	   /* queues, a bit each */
	uint32_t starved;	   /* the same */
	struct virtio_blk_statistics statistics;
	struct virtqueue_chain chain; /* the one being looked at */
	uint32_t n_free;
	uint8_t free_requests[VIRTIO_BLK_REQUESTS]; /* indexes; the last freed is the next taken */
	struct virtio_blk_request requests[VIRTIO_BLK_REQUESTS];
};

static inline struct virtio_blk *
virtio_blk_from(struct virtio_device *device)
{
	return (struct virtio_blk *)device;
}

/* virtio_ops */
void virtio_blk_handle_queue(struct virtio_device *device, uint32_t queue);
/* disk_io_events: tells the guest of all that was pushed since the last time. */
void virtio_blk_end_batch(void *context);

#endif
