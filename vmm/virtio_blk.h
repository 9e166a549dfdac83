/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_blk.h - a disk (virtio 1.2 section 5.2) over disk.h, or a slot for one
 */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

struct platform;
struct virtio_device;

#define VIRTIO_BLK_CLASS_CODE 0x010000 /* for virtio_pci_new(): mass storage */
#define VIRTIO_BLK_MAX_QUEUES 4
#define VIRTIO_BLK_ID_BYTES   20 /* section 5.2.6 */

struct virtio_blk_options {
	const char *name;   /* for logs; stays the caller's, as long as the device lives */
	const char *serial; /* at most VIRTIO_BLK_ID_BYTES; copied */
	int base_fd;	    /* -1: the other is a raw image */
	/* -1: read-only. Both -1: no medium yet. They may be closed when the device is made. */
	int overlay_fd;
	uint32_t n_queues; /* one a vCPU is best; more than VIRTIO_BLK_MAX_QUEUES are not made */
	/*
	 * true: a write found no room on the host. It is kept, and so are others. The machine
	 * should be paused (not from in here), and virtio_blk_retry() called now and then. false:
	 * all of them are done, the machine can go on.
	 */
	void (*lacks_space)(void *context, bool lacks);
	void *context;
};

/* Since the device was made; only what succeeded is counted, but for "failed". */
struct virtio_blk_statistics {
	uint64_t reads;
	uint64_t writes;
	uint64_t flushes;
	uint64_t discards; /* and zeroes */
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t failed;
};

/*
 * The device then goes to virtio_pci_new(). Waits a little while somebody else has the file
 * (overlay_file_await()). Errors: overlay_file_open(), disk_io_new(), which log
 * them; -ENOMEM.
 */
int virtio_blk_new(struct platform *platform, const struct virtio_blk_options *options,
		   struct virtio_device **ret_device);

/*
 * A medium comes into an empty slot; the guest is told. -EBUSY when there is one; see
 * overlay_file_open() for others.
 */
int virtio_blk_attach(struct virtio_device *device, int base_fd, int overlay_fd);
/*
 * It goes: waits for what is in flight, makes it durable, tells the guest. What it asks later
 * fails. 0, -ENOENT or -EIO; -ENOSPC: it stays, since it keeps requests for which the host has no
 * room.
 */
int virtio_blk_detach(struct virtio_device *device);
bool virtio_blk_has_medium(const struct virtio_device *device);
/* Its medium's; 0: there is none. */
uint64_t virtio_blk_get_bytes(const struct virtio_device *device);
/* Is what it writes kept in the file that this descriptor is of? */
bool virtio_blk_is_kept_in(const struct virtio_device *device, int fd);
/* Is that its base? */
bool virtio_blk_is_over(const struct virtio_device *device, int fd);

/* disk_rest() */
void virtio_blk_rest(struct virtio_device *device);
/* disk_io_is_idle() */
bool virtio_blk_is_idle(const struct virtio_device *device);
/*
 * Waits until nothing is in flight. 0, or -ENOSPC when requests are kept for lack of space. The
 * guest may not run, or there is more at once.
 */
int virtio_blk_drain(struct virtio_device *device);
/*
 * The same, and what the guest was told is done is durable, flushed or not: for saving the machine.
 * 0, -ENOSPC, -EIO.
 */
int virtio_blk_sync(struct virtio_device *device);
/* The same at the machine's end, when there is nothing to wait for: kept requests fail. 0, -EIO. */
int virtio_blk_finish(struct virtio_device *device);
/* Tries kept requests again. */
void virtio_blk_retry(struct virtio_device *device);

void virtio_blk_get_statistics(const struct virtio_device *device,
			       struct virtio_blk_statistics *ret_statistics);

#endif
