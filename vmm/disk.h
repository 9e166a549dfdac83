/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk.h - a disk that is a read-only base and a private copy-on-write overlay over it (format:
 * overlay_file.h)
 */
#ifndef VMM_DISK_H
#define VMM_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "vmm/disk_io.h"

struct disk;
struct disk_request;

#define DISK_MAX_SEGMENTS 256

enum disk_kind {
	DISK_READ,
	DISK_WRITE,
	DISK_ZERO,    /* afterwards the range reads as zeros; its room is given back */
	DISK_DISCARD, /* the same for what whole clusters there are; the rest may stay as it is */
	DISK_FLUSH,   /* what was done before is durable */
};

/* What a partial write into a cluster of the base has to bring along from there. */
struct disk_fill {
	uint64_t offset;
	uint64_t bytes; /* 0: nothing */
	struct iovec segment;
	struct disk_io_op op;
};

/*
 * The caller's, and stays where it is until "done" was called, which may be before disk_submit()
 * returns.
 */
struct disk_request {
	enum disk_kind kind;
	uint64_t offset;
	uint64_t bytes;
	uint32_t n_segments; /* READ, WRITE: segments[1] and on, "bytes" in all; they are changed */
	struct iovec segments[1 + DISK_MAX_SEGMENTS + 1];
	void (*done)(struct disk_request *request, int result);

	struct disk *disk; /* from here on disk.c's */
	TAILQ_ENTRY(disk_request) link;
	struct disk_io_op op;
	struct disk_fill fills[2]; /* before and behind what is written */
	char *buffers[2];	   /* of the fills */
	uint64_t from;		   /* what is written with the fills; of a read: what is left */
	uint64_t to;
	struct iovec cut; /* a read that goes on in the middle of a segment: the rest of that */
	uint32_t stage;
	uint32_t pending; /* operations in flight */
	int result;
	bool claims; /* clusters of the base become the overlay's */
};

/*
 * See overlay_file_open() for what is opened, and logged when it cannot be. "io" has no files yet
 * and stays the caller's; the descriptors may be closed afterwards. Nothing is allocated after
 * this.
 */
int disk_open(const char *name, struct disk_io *io, int base_fd, int overlay_fd,
	      struct disk **ret_disk);
/*
 * Nothing may be in flight. What was not flushed may be lost, as when a disk loses its power. NULL
 * is allowed.
 */
void disk_close(struct disk *disk);

/* Gives the host the memory of the buffers, unless a change uses some. */
void disk_rest(struct disk *disk);

/* A flush that is waited for; nothing may be in flight. 0 or -EIO. */
int disk_sync(struct disk *disk);

uint64_t disk_get_bytes(const struct disk *disk);
bool disk_is_read_only(const struct disk *disk);
bool disk_is_kept_in(const struct disk *disk, int fd); /* overlay_file_is_kept_in() */
bool disk_is_over(const struct disk *disk, int fd);    /* overlay_file_is_over() */

/*
 * result: 0; -EINVAL outside of the disk, -EROFS, -EIO, -ECANCELED or what the storage said.
 * Requests in flight have no order among each other, except that none undoes another. It reaches
 * the kernel with the next disk_io_kick().
 */
void disk_submit(struct disk *disk, struct disk_request *request);

#endif
