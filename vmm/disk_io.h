/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_io.h - reads, writes, syncs and holes in a disk's two files, without waiting for them: the
 * door to io_uring
 *
 * Each disk has a ring of its own, of which the kernel allows nothing but these four things on
 * these two files (io_uring_register(2), IORING_REGISTER_RESTRICTIONS), because io_uring passes by
 * seccomp. Everything is called with the machine's lock held, and so are the callbacks.
 */
#ifndef VMM_DISK_IO_H
#define VMM_DISK_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

struct disk_io;
struct disk_io_op;
struct loop;

#define DISK_IO_DEPTH 64 /* in the kernel at a time; what comes on top waits its turn */

enum disk_io_file {
	DISK_IO_BASE, /* only ever read */
	DISK_IO_OVERLAY,
	DISK_IO_FILES,
};

enum disk_io_kind {
	DISK_IO_READ,
	DISK_IO_WRITE,
	DISK_IO_PUNCH, /* make a hole, which reads as zeros; fallocate(2) */
	DISK_IO_SYNC,  /* fdatasync(2) */
};

/* result: 0 or -errno. The operation may be submitted again from here. */
typedef void (*disk_io_done)(struct disk_io_op *op, int result);

/*
 * The caller's, and stays where it is until "done" was called. offset, bytes and segments advance
 * with what is done.
 */
struct disk_io_op {
	enum disk_io_kind kind;
	enum disk_io_file file;
	uint64_t offset;
	uint64_t bytes;
	struct iovec *segments; /* "bytes" in all; they are changed */
	uint32_t n_segments;
	disk_io_done done;
	void *context; /* of whoever submits */

	STAILQ_ENTRY(disk_io_op) link; /* from here on disk_io.c's */
	bool retried;
};

struct disk_io_events {
	/* After each batch of callbacks: the time to tell the guest, once. */
	void (*batch_done)(void *context);
	/*
	 * true: there is no room on the host, and operations that need some are kept. false: all of
	 * them are done since. Must not drain.
	 */
	void (*lacks_space)(void *context, bool lacks);
	void *context;
};

/*
 * The name is for logs, "events" are copied. -EPERM or -ENOSYS where io_uring is not permitted,
 * which is logged with what to do: there is no slower way.
 */
int disk_io_new(struct loop *loop, const char *name, const struct disk_io_events *events,
		struct disk_io **ret_io);
/* Waits for what is in flight; kept operations are cancelled. NULL is allowed. */
void disk_io_free(struct disk_io *io);

/*
 * Takes a reference to the open file: the caller may close the descriptor. -1: no file. Nothing may
 * be in flight.
 */
int disk_io_set_file(struct disk_io *io, enum disk_io_file file, int fd);

/*
 * Short reads and writes are completed; the end of the file before "bytes" is -EIO. It reaches the
 * kernel with the next disk_io_kick(), which may call back, or after the present batch of
 * callbacks. An operation that fails for lack of space (-ENOSPC, -EDQUOT; -ENOMEM) is kept, with
 * what it has done so far; a sync only for lack of memory.
 */
void disk_io_submit(struct disk_io *io, struct disk_io_op *op);
void disk_io_kick(struct disk_io *io);

/*
 * Is nothing in flight? What the kernel has done is until it is taken up; what is kept is not.
 */
bool disk_io_is_idle(const struct disk_io *io);
/* Waits until nothing is in flight, callbacks included. 0, or -ENOSPC when operations are kept. */
int disk_io_drain(struct disk_io *io);

/* Tries the kept operations again. */
void disk_io_retry(struct disk_io *io);
/* Ends the kept operations with -ECANCELED. */
void disk_io_cancel_kept(struct disk_io *io);

#endif
