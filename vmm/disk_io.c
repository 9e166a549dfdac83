/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_io.c - reads, writes, syncs and holes in a disk's two files, without waiting for them: the
 * door to io_uring
 *
 * In carrel-vmm, on whichever thread holds the machine's lock.
 *
 * How it works: disk_io_submit() puts an operation into the ring's submission queue, or into
 * "waiting" when as many are in flight as the ring holds; so the queue never overflows.
 * disk_io_kick() makes them known to the kernel, one system call for all, and takes what is done at
 * once (what was in the page cache). The ring's descriptor is readable while further completions
 * wait: the loop then calls disk_io_handle_ring(), which ends each operation (disk_io_end()): it
 * goes on after a short read or write, is kept when there is no room on the host, or is done.
 *
 * Kept operations stand in "kept" until disk_io_retry(). "n_retried" counts those of them that are
 * on their way again: the lack of space is over when there are neither.
 */
#include "vmm/disk_io.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/log.h"
#include "vmm/loop.h"

/*
 * Kernel threads for what the file system cannot do at once; they count against the desktop's limit
 * of tasks.
 */
#define DISK_IO_WORKERS 4
/* When the kernel has no memory for a submission */
#define DISK_IO_AGAIN_NS UINT64_C(10000000)

STAILQ_HEAD(disk_io_list, disk_io_op);

struct disk_io {
	const char *name;
	struct loop *loop;
	struct disk_io_events events;
	struct io_uring ring;
	struct loop_source *source;
	struct loop_timer *again;
	struct disk_io_list waiting;
	struct disk_io_list kept;
	uint32_t n_in_flight; /* in the submission queue or in the kernel */
	uint32_t n_retried;
	bool lacks_space;
	struct log_limit limit;
	struct log_limit failures;
};

static void disk_io_handle_ring(void *context, uint32_t events);

static void
disk_io_handle_again(void *context)
{
	disk_io_kick(context);
}

/* From now on the ring does these operations on its registered files, and nothing else. */
static int
disk_io_restrict(struct io_uring *ring)
{
	struct io_uring_restriction rules[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FALLOCATE },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP,
		  .register_op = IORING_REGISTER_FILES_UPDATE },
	};
	/* liburing 2.3 has functions for these two, but does not export them */
	int result = io_uring_register((unsigned int)ring->ring_fd, IORING_REGISTER_RESTRICTIONS,
				       rules, sizeof(rules) / sizeof(rules[0]));

	if (result < 0)
		return result;
	return io_uring_register((unsigned int)ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
				 0);
}

static int
disk_io_set_up_ring(struct io_uring *ring)
{
	unsigned int workers[2] = { DISK_IO_WORKERS, 1 };
	int files[DISK_IO_FILES] = { -1, -1 };
	int result = io_uring_queue_init(DISK_IO_DEPTH, ring,
					 IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN);

	if (result < 0)
		return result;
	result = io_uring_register_files(ring, files, DISK_IO_FILES);
	if (result == 0)
		result = io_uring_register_iowq_max_workers(ring, workers);
	if (result == 0)
		result = disk_io_restrict(ring);
	if (result < 0)
		io_uring_queue_exit(ring);
	return result;
}

static int
disk_io_watch(struct disk_io *io)
{
	int result = loop_add(io->loop, io->name, io->ring.ring_fd, EPOLLIN, disk_io_handle_ring,
			      io, &io->source);

	if (result < 0)
		return result;
	return loop_timer_new(io->loop, io->name, disk_io_handle_again, io, &io->again);
}

/* By what io_uring_setup(2) says of each error. */
static const char *
disk_io_advise(int error)
{
	if (error == -ENOMEM)
		return "the memory that this uid may lock is used up; raise that limit (ulimit -l), or "
		       "end other machines of this uid";
	if (error == -EPERM || error == -EACCES)
		return "set sysctl kernel.io_uring_disabled=0, and let no seccomp filter of a container "
		       "forbid it";
	return "Linux has it from 5.19 on";
}

int
disk_io_new(struct loop *loop, const char *name, const struct disk_io_events *events,
	    struct disk_io **ret_io)
{
	struct disk_io *io = calloc(1, sizeof(*io));
	int result;

	if (!io)
		return -ENOMEM;
	io->name = name;
	io->loop = loop;
	io->events = *events;
	io->limit = (struct log_limit){ .burst = 3, .every_ms = 60000 };
	io->failures = (struct log_limit){ .burst = 1, .every_ms = 60000 };
	STAILQ_INIT(&io->waiting);
	STAILQ_INIT(&io->kept);
	result = disk_io_set_up_ring(&io->ring);
	if (result < 0) {
		log_error("disk '%s': io_uring cannot be used, which carrel-vmm needs (%s): %s",
			  name, strerror(-result), disk_io_advise(result));
		free(io);
		return result;
	}
	result = disk_io_watch(io);
	if (result < 0) {
		disk_io_free(io);
		return result;
	}
	*ret_io = io;
	return 0;
}

void
disk_io_free(struct disk_io *io)
{
	if (!io)
		return;
	while (disk_io_drain(io) < 0)
		disk_io_cancel_kept(io);
	loop_timer_free(io->again);
	loop_remove(io->source);
	io_uring_queue_exit(&io->ring);
	free(io);
}

int
disk_io_set_file(struct disk_io *io, enum disk_io_file file, int fd)
{
	int result = io_uring_register_files_update(&io->ring, file, &fd, 1);

	return result < 0 ? result : 0;
}

static void
disk_io_prepare(struct io_uring_sqe *sqe, const struct disk_io_op *op)
{
	switch (op->kind) {
	case DISK_IO_READ:
		io_uring_prep_readv(sqe, op->file, op->segments, op->n_segments, op->offset);
		break;
	case DISK_IO_WRITE:
		io_uring_prep_writev(sqe, op->file, op->segments, op->n_segments, op->offset);
		break;
	case DISK_IO_PUNCH:
		io_uring_prep_fallocate(sqe, op->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)op->offset, (off_t)op->bytes);
		break;
	case DISK_IO_SYNC:
		io_uring_prep_fsync(sqe, op->file, IORING_FSYNC_DATASYNC);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE;
}

static void
disk_io_enqueue(struct disk_io *io, struct disk_io_op *op)
{
	struct io_uring_sqe *sqe;

	if (io->n_in_flight == DISK_IO_DEPTH) {
		STAILQ_INSERT_TAIL(&io->waiting, op, link);
		return;
	}
	/* never NULL: the queue has DISK_IO_DEPTH places */
	sqe = io_uring_get_sqe(&io->ring);
	disk_io_prepare(sqe, op);
	io_uring_sqe_set_data(sqe, op);
	io->n_in_flight++;
}

void
disk_io_submit(struct disk_io *io, struct disk_io_op *op)
{
	op->retried = false;
	disk_io_enqueue(io, op);
}

static void
disk_io_enter(struct disk_io *io)
{
	int result;

	if (io_uring_sq_ready(&io->ring) == 0)
		return;
	do
		result = io_uring_submit(&io->ring);
	while (result == -EINTR);
	if (io_uring_sq_ready(&io->ring) == 0)
		return;
	if (log_limit_allow(&io->limit, loop_now_ns() / 1000000))
		log_warning("disk '%s': the kernel takes no requests (%s); trying again", io->name,
			    strerror(result < 0 ? -result : EAGAIN));
	loop_timer_set(io->again, loop_now_ns() + DISK_IO_AGAIN_NS);
}

static void
disk_io_keep(struct disk_io *io, struct disk_io_op *op)
{
	STAILQ_INSERT_TAIL(&io->kept, op, link);
	if (io->lacks_space)
		return;
	io->lacks_space = true;
	io->events.lacks_space(io->events.context, true);
}

/* One line: failing storage fails in many places. Whoever asked tells the guest. */
static void
disk_io_log_failure(struct disk_io *io, const struct disk_io_op *op, int error)
{
	static const char *const verbs[] = {
		[DISK_IO_READ] = "read",
		[DISK_IO_WRITE] = "written",
		[DISK_IO_PUNCH] = "discarded",
		[DISK_IO_SYNC] = "flushed",
	};

	if (log_limit_allow(&io->failures, loop_now_ns() / 1000000))
		log_error("disk '%s': its %s cannot be %s at byte %ju: %s; the guest gets an I/O "
			  "error, look at the host's storage",
			  io->name, op->file == DISK_IO_BASE ? "template" : "overlay",
			  verbs[op->kind], (uintmax_t)op->offset, strerror(error));
}

static void
disk_io_finish(struct disk_io *io, struct disk_io_op *op, int result)
{
	if (result < 0 && result != -ECANCELED)
		disk_io_log_failure(io, op, -result);
	if (op->retried)
		io->n_retried--;
	op->retried = false;
	op->done(op, result);
}

static void
disk_io_advance(struct disk_io_op *op, uint64_t bytes)
{
	op->offset += bytes;
	op->bytes -= bytes;
	while (bytes > 0 && bytes >= op->segments->iov_len) {
		bytes -= op->segments->iov_len;
		op->segments++;
		op->n_segments--;
	}
	if (bytes > 0) {
		op->segments->iov_base = (char *)op->segments->iov_base + bytes;
		op->segments->iov_len -= bytes;
	}
}

/*
 * Of room on the disk, or of memory in the kernel: it passes, and the guest need not know. But a
 * sync that says there is no room has given up what it could not write (fsync(2)); one without
 * memory has not begun.
 */
static bool
disk_io_is_lack(const struct disk_io_op *op, int result)
{
	if (result == -ENOMEM)
		return true;
	return op->kind != DISK_IO_SYNC && (result == -ENOSPC || result == -EDQUOT);
}

/* "result" is what the system call would have returned. */
static void
disk_io_end(struct disk_io *io, struct disk_io_op *op, int result)
{
	bool moves_bytes = op->kind == DISK_IO_READ || op->kind == DISK_IO_WRITE;

	if (result == -EINTR || result == -EAGAIN) {
		disk_io_enqueue(io, op);
	} else if (disk_io_is_lack(op, result)) {
		if (op->retried)
			io->n_retried--;
		op->retried = false;
		disk_io_keep(io, op);
	} else if (result < 0 || !moves_bytes) {
		disk_io_finish(io, op, result);
	} else if (result == 0 && op->bytes > 0) {
		disk_io_finish(io, op, -EIO);
	} else {
		disk_io_advance(op, (uint64_t)result);
		if (op->bytes > 0)
			disk_io_enqueue(io, op);
		else
			disk_io_finish(io, op, 0);
	}
}

static void
disk_io_end_batch(struct disk_io *io)
{
	while (io->n_in_flight < DISK_IO_DEPTH && !STAILQ_EMPTY(&io->waiting)) {
		struct disk_io_op *op = STAILQ_FIRST(&io->waiting);

		STAILQ_REMOVE_HEAD(&io->waiting, link);
		disk_io_enqueue(io, op);
	}
	disk_io_enter(io);
	if (io->lacks_space && io->n_retried == 0 && STAILQ_EMPTY(&io->kept)) {
		io->lacks_space = false;
		io->events.lacks_space(io->events.context, false);
	}
	io->events.batch_done(io->events.context);
}

static void
disk_io_handle_ring(void *context, uint32_t events)
{
	struct disk_io *io = context;
	struct io_uring_cqe *cqe;

	(void)events;
	for (unsigned int i = 0; i < DISK_IO_DEPTH && io_uring_peek_cqe(&io->ring, &cqe) == 0;
	     i++) {
		struct disk_io_op *op = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&io->ring, cqe);
		io->n_in_flight--;
		disk_io_end(io, op, result);
	}
	disk_io_end_batch(io);
}

void
disk_io_kick(struct disk_io *io)
{
	disk_io_enter(io);
	if (io_uring_cq_ready(&io->ring) > 0)
		disk_io_handle_ring(io, EPOLLIN);
}

bool
disk_io_is_idle(const struct disk_io *io)
{
	return io->n_in_flight == 0;
}

int
disk_io_drain(struct disk_io *io)
{
	while (io->n_in_flight > 0) {
		int result = io_uring_submit_and_wait(&io->ring, 1);

		/* the kernel is out of memory: it gets time to find some */
		if (result < 0 && result != -EINTR)
			nanosleep(&(struct timespec){ .tv_nsec = (long)DISK_IO_AGAIN_NS }, NULL);
		disk_io_handle_ring(io, EPOLLIN);
	}
	return STAILQ_EMPTY(&io->kept) ? 0 : -ENOSPC;
}

void
disk_io_retry(struct disk_io *io)
{
	struct disk_io_list kept = STAILQ_HEAD_INITIALIZER(kept);

	STAILQ_CONCAT(&kept, &io->kept);
	while (!STAILQ_EMPTY(&kept)) {
		struct disk_io_op *op = STAILQ_FIRST(&kept);

		STAILQ_REMOVE_HEAD(&kept, link);
		op->retried = true;
		io->n_retried++;
		disk_io_enqueue(io, op);
	}
	disk_io_kick(io);
}

void
disk_io_cancel_kept(struct disk_io *io)
{
	struct disk_io_list kept = STAILQ_HEAD_INITIALIZER(kept);

	STAILQ_CONCAT(&kept, &io->kept);
	while (!STAILQ_EMPTY(&kept)) {
		struct disk_io_op *op = STAILQ_FIRST(&kept);

		STAILQ_REMOVE_HEAD(&kept, link);
		disk_io_finish(io, op, -ECANCELED);
	}
	disk_io_end_batch(io);
}
