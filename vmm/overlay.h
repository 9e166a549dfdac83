/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay.h - a disk that is a read-only base and a private copy-on-write overlay over it (format: overlay_file.h)
 */
#ifndef VMM_OVERLAY_H
#define VMM_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "vmm/disk_io.h"

struct overlay;
struct overlay_request;

#define OVERLAY_MAX_SEGMENTS 256

enum overlay_kind {
	OVERLAY_READ,
	OVERLAY_WRITE,
	OVERLAY_ZERO,	 /* afterwards the range reads as zeros; its room is given back */
	OVERLAY_DISCARD, /* the same for what whole clusters there are; the rest may stay as it is */
	OVERLAY_FLUSH,	 /* what was done before is durable */
};

/* What a partial write into a cluster of the base has to bring along from there. */
struct overlay_fill {
	uint64_t offset;
	uint64_t bytes; /* 0: nothing */
	struct iovec segment;
	struct disk_io_op op;
};

/* The caller's, and stays where it is until "done" was called, which may be before overlay_submit() returns. */
struct overlay_request {
	enum overlay_kind kind;
	uint64_t offset;
	uint64_t bytes;
	uint32_t n_segments; /* READ, WRITE: segments[1] and on, "bytes" in all; they are changed */
	struct iovec segments[1 + OVERLAY_MAX_SEGMENTS + 1];
	void (*done)(struct overlay_request *request, int result);

	struct overlay *overlay; /* from here on overlay.c's */
	TAILQ_ENTRY(overlay_request) link;
	struct disk_io_op op;
	struct overlay_fill fills[2]; /* before and behind what is written */
	char *buffers[2];	      /* of the fills */
	uint64_t from;		      /* what is written with the fills; of a read: what is left */
	uint64_t to;
	struct iovec cut; /* a read that goes on in the middle of a segment: the rest of that */
	uint32_t stage;
	uint32_t pending; /* operations in flight */
	int result;
	bool claims; /* clusters of the base become the overlay's */
};

/*
 * See overlay_file_open() for what is opened, and logged when it cannot be. "io" has no files yet and stays the
 * caller's; the descriptors may be closed afterwards. Nothing is allocated after this.
 */
int overlay_open(const char *name, struct disk_io *io, int base_fd, int overlay_fd,
		 struct overlay **ret_overlay);
/* Writes down and makes durable what was done; nothing may be in flight. 0, or -errno when that failed. */
int overlay_close(struct overlay *overlay);

uint64_t overlay_get_bytes(const struct overlay *overlay);
bool overlay_is_read_only(const struct overlay *overlay);

/*
 * result: 0; -EINVAL outside of the disk, -EROFS, -EIO, -ECANCELED or what the storage said. Requests in flight have no
 * order among each other, except that none undoes another. It reaches the kernel with the next disk_io_kick().
 */
void overlay_submit(struct overlay *overlay, struct overlay_request *request);

#endif
