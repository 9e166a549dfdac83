/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk.c - a disk that is a read-only base and a private copy-on-write overlay over it
 *
 * In carrel-vmm, on whichever thread holds the machine's lock.
 *
 * How it works: a read is done run by run: clusters that follow each other and are in the same file
 * are one operation (disk_read_run()). A change (write, zero, discard) is one operation on the
 * overlay file, since a cluster has its fixed place there: disk_plan() widens it to whole clusters
 * where it cuts into one that is still in the base. What it has to bring along from there (at most
 * at both ends) are its fills: they are read into buffers first, and a write takes them along in
 * the same system call. Then the clusters' bits are set, and the request is done.
 *
 * A change that claims clusters from the base stands in "claiming" until its bits are set. Another
 * change of any of these clusters waits for it: it would take the base's contents for the present
 * ones. It waits for buffers in the same list. disk_run_waiting() tries them all again whenever a
 * claiming request ends. Without claims nothing waits.
 *
 * Which clusters are in the overlay, and what a flush does, is overlay_table.c's.
 *
 * Lack of space is not seen here: disk_io.c keeps the operation, and so the request stays in
 * flight.
 */
#include "vmm/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vmm/overlay_table.h"

/*
 * Copy-ups at a time that are partial at one end; memory is used only by as many as there were at
 * once since the last disk_rest().
 */
#define DISK_BUFFERS 8

struct disk {
	struct disk_io *io;
	struct overlay_table table;
	struct disk_list claiming;
	struct disk_list waiting;
	char *memory; /* of the buffers */
	char *buffers[DISK_BUFFERS];
	uint32_t n_buffers; /* free ones */
};

static void disk_go_on(struct disk_request *request);

/* Reading */

/* The cluster behind those that follow "cluster" in the same file, at most "end". */
static uint64_t
disk_find_run_end(const struct disk *disk, uint64_t cluster, uint64_t end)
{
	bool has = overlay_table_has(&disk->table, cluster);

	while (cluster < end && overlay_table_has(&disk->table, cluster) == has)
		cluster++;
	return cluster;
}

/*
 * Takes segments for "bytes" from the request's into its operation. The last one's rest goes to
 * request->cut.
 */
static void
disk_take_segments(struct disk_request *request, uint64_t bytes)
{
	struct disk_io_op *op = &request->op;
	struct iovec *segment = op->segments;

	op->bytes = bytes;
	op->n_segments = 1;
	while (segment->iov_len < bytes) {
		bytes -= segment->iov_len;
		segment++;
		op->n_segments++;
	}
	request->cut.iov_base = (char *)segment->iov_base + bytes;
	request->cut.iov_len = segment->iov_len - bytes;
	segment->iov_len = bytes;
}

static void
disk_read_run(struct disk_request *request)
{
	struct disk *disk = request->disk;
	uint64_t cluster = request->from / OVERLAY_CLUSTER_BYTES;
	uint64_t end = (request->to - 1) / OVERLAY_CLUSTER_BYTES + 1;
	uint64_t run_end = disk_find_run_end(disk, cluster, end) * OVERLAY_CLUSTER_BYTES;
	uint64_t to = run_end < request->to ? run_end : request->to;
	struct disk_io_op *op = &request->op;

	op->kind = DISK_IO_READ;
	op->file = overlay_table_has(&disk->table, cluster) ? DISK_IO_OVERLAY : DISK_IO_BASE;
	op->offset = request->from;
	if (op->file == DISK_IO_OVERLAY)
		op->offset += disk->table.file.data_offset;
	disk_take_segments(request, to - request->from);
	request->from = to;
	disk_io_submit(disk->io, op);
}

static void
disk_handle_read(struct disk_io_op *op, int result)
{
	struct disk_request *request = op->context;

	if (result < 0 || request->from == request->to) {
		request->done(request, result);
		return;
	}
	/* disk_io.c has gone past all it has filled: the cut segment too, whose rest comes now */
	if (request->cut.iov_len > 0)
		*--op->segments = request->cut;
	disk_read_run(request);
}

static void
disk_start_read(struct disk_request *request)
{
	request->from = request->offset;
	request->to = request->offset + request->bytes;
	request->op.segments = &request->segments[1];
	request->op.done = disk_handle_read;
	disk_read_run(request);
}

/* Changing */

static void
disk_handle_op(struct disk_io_op *op, int result)
{
	struct disk_request *request = op->context;

	if (result < 0)
		request->result = result;
	request->pending--;
	disk_go_on(request);
}

static void
disk_start_op(struct disk_request *request, struct disk_io_op *op)
{
	op->done = disk_handle_op;
	op->context = request;
	request->pending++;
	disk_io_submit(request->disk->io, op);
}

static void
disk_start_fills(struct disk_request *request, enum disk_io_kind kind, enum disk_io_file file,
		 uint64_t file_offset)
{
	for (int i = 0; i < 2; i++) {
		struct disk_fill *fill = &request->fills[i];

		if (fill->bytes == 0)
			continue;
		fill->segment.iov_base = request->buffers[i] + fill->offset % OVERLAY_CLUSTER_BYTES;
		fill->segment.iov_len = fill->bytes;
		fill->op.kind = kind;
		fill->op.file = file;
		fill->op.offset = file_offset + fill->offset;
		fill->op.bytes = fill->bytes;
		fill->op.segments = &fill->segment;
		fill->op.n_segments = 1;
		disk_start_op(request, &fill->op);
	}
}

static void
disk_read_fills(struct disk_request *request)
{
	disk_start_fills(request, DISK_IO_READ, DISK_IO_BASE, 0);
}

static void
disk_add_fills(struct disk_request *request)
{
	struct disk_io_op *op = &request->op;
	const struct disk_fill *before = &request->fills[0];
	const struct disk_fill *behind = &request->fills[1];

	op->segments = &request->segments[1];
	op->n_segments = request->n_segments;
	if (before->bytes > 0) {
		*--op->segments = (struct iovec){
			request->buffers[0] + before->offset % OVERLAY_CLUSTER_BYTES, before->bytes
		};
		op->n_segments++;
	}
	if (behind->bytes > 0)
		op->segments[op->n_segments++] = (struct iovec){
			request->buffers[1] + behind->offset % OVERLAY_CLUSTER_BYTES, behind->bytes
		};
}

static void
disk_change_data(struct disk_request *request)
{
	struct disk_io_op *op = &request->op;

	op->kind = request->kind == DISK_WRITE ? DISK_IO_WRITE : DISK_IO_PUNCH;
	op->file = DISK_IO_OVERLAY;
	op->offset = request->disk->table.file.data_offset + request->from;
	op->bytes = request->to - request->from;
	if (request->kind == DISK_WRITE)
		disk_add_fills(request);
	disk_start_op(request, op);
}

/* A write took them along; a hole is made around them first. */
static void
disk_write_fills(struct disk_request *request)
{
	if (request->kind != DISK_WRITE)
		disk_start_fills(request, DISK_IO_WRITE, DISK_IO_OVERLAY,
				 request->disk->table.file.data_offset);
}

static void (*const disk_stages[])(struct disk_request *request) = {
	disk_read_fills,
	disk_change_data,
	disk_write_fills,
};

#define DISK_STAGES (sizeof(disk_stages) / sizeof(disk_stages[0]))

static bool
disk_overlaps_claiming(const struct disk_request *request)
{
	uint64_t first = request->offset / OVERLAY_CLUSTER_BYTES;
	uint64_t last = (request->offset + request->bytes - 1) / OVERLAY_CLUSTER_BYTES;
	const struct disk_request *other;

	TAILQ_FOREACH(other, &request->disk->claiming, link) {
		// cppcheck-suppress uninitvar ; the macro sets it
		if (first <= (other->to - 1) / OVERLAY_CLUSTER_BYTES &&
		    last >= other->from / OVERLAY_CLUSTER_BYTES)
			return true;
	}
	return false;
}

/* What is to be written, and what has to come along from the base. False: nothing is to be done. */
static bool
disk_plan(struct disk_request *request)
{
	const struct disk *disk = request->disk;
	uint64_t from = request->offset;
	uint64_t to = request->offset + request->bytes;
	uint64_t first = from / OVERLAY_CLUSTER_BYTES * OVERLAY_CLUSTER_BYTES;
	uint64_t last = (to - 1) / OVERLAY_CLUSTER_BYTES * OVERLAY_CLUSTER_BYTES;
	uint64_t end = last + OVERLAY_CLUSTER_BYTES < disk->table.file.virtual_bytes
			       ? last + OVERLAY_CLUSTER_BYTES
			       : disk->table.file.virtual_bytes;
	bool before =
		from > first && !overlay_table_has(&disk->table, first / OVERLAY_CLUSTER_BYTES);
	bool behind = to < end && !overlay_table_has(&disk->table, last / OVERLAY_CLUSTER_BYTES);

	request->fills[0].bytes = 0;
	request->fills[1].bytes = 0;
	if (request->kind == DISK_DISCARD) {
		request->from = before ? first + OVERLAY_CLUSTER_BYTES : from;
		request->to = behind ? last : to;
		return request->from < request->to;
	}
	if (before) {
		request->fills[0].offset = first;
		request->fills[0].bytes = from - first;
	}
	if (behind) {
		request->fills[1].offset = to;
		request->fills[1].bytes = end - to;
	}
	request->from = before ? first : from;
	request->to = behind ? end : to;
	return true;
}

/* Fills of one cluster share a buffer. */
static bool
disk_take_buffers(struct disk_request *request)
{
	struct disk *disk = request->disk;
	bool before = request->fills[0].bytes > 0;
	bool behind = request->fills[1].bytes > 0;
	bool share = before && behind && request->to - request->from <= OVERLAY_CLUSTER_BYTES;
	uint32_t needed = (uint32_t)before + behind - share;

	if (needed > disk->n_buffers)
		return false;
	request->buffers[0] = before ? disk->buffers[--disk->n_buffers] : NULL;
	if (share)
		request->buffers[1] = request->buffers[0];
	else
		request->buffers[1] = behind ? disk->buffers[--disk->n_buffers] : NULL;
	return true;
}

static void
disk_give_buffers(struct disk_request *request)
{
	struct disk *disk = request->disk;

	if (request->buffers[1] && request->buffers[1] != request->buffers[0])
		disk->buffers[disk->n_buffers++] = request->buffers[1];
	if (request->buffers[0])
		disk->buffers[disk->n_buffers++] = request->buffers[0];
}

void
disk_rest(struct disk *disk)
{
	if (disk->n_buffers == DISK_BUFFERS)
		(void)madvise(disk->memory, DISK_BUFFERS * OVERLAY_CLUSTER_BYTES, MADV_DONTNEED);
}

static bool
disk_claims(const struct disk_request *request)
{
	uint64_t end = (request->to - 1) / OVERLAY_CLUSTER_BYTES + 1;

	for (uint64_t at = request->from / OVERLAY_CLUSTER_BYTES; at < end; at++) {
		if (!overlay_table_has(&request->disk->table, at))
			return true;
	}
	return false;
}

static void
disk_start_change(struct disk_request *request)
{
	struct disk *disk = request->disk;

	if (disk_overlaps_claiming(request)) {
		TAILQ_INSERT_TAIL(&disk->waiting, request, link);
		return;
	}
	if (!disk_plan(request)) {
		request->done(request, 0);
		return;
	}
	if (!disk_take_buffers(request)) {
		TAILQ_INSERT_TAIL(&disk->waiting, request, link);
		return;
	}
	request->claims = disk_claims(request);
	if (request->claims)
		TAILQ_INSERT_TAIL(&disk->claiming, request, link);
	request->stage = 0;
	request->pending = 0;
	request->result = 0;
	disk_go_on(request);
}

static void
disk_run_waiting(struct disk *disk)
{
	struct disk_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct disk_request *request;

	TAILQ_CONCAT(&waiting, &disk->waiting, link);
	while ((request = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, request, link);
		disk_start_change(request);
	}
}

static void
disk_end_change(struct disk_request *request)
{
	struct disk *disk = request->disk;
	uint64_t end = (request->to - 1) / OVERLAY_CLUSTER_BYTES + 1;
	bool claims = request->claims;

	if (claims) {
		TAILQ_REMOVE(&disk->claiming, request, link);
		for (uint64_t at = request->from / OVERLAY_CLUSTER_BYTES;
		     request->result == 0 && at < end; at++) {
			if (!overlay_table_has(&disk->table, at))
				overlay_table_claim(&disk->table, at);
		}
	}
	disk_give_buffers(request);
	request->done(request, request->result);
	if (claims)
		disk_run_waiting(disk);
}

/* The next stage, once all operations of the one before have ended. */
static void
disk_go_on(struct disk_request *request)
{
	while (request->pending == 0) {
		if (request->result < 0 || request->stage == DISK_STAGES) {
			disk_end_change(request);
			return;
		}
		disk_stages[request->stage++](request);
	}
}

/* Opening, and the door */

void
disk_submit(struct disk *disk, struct disk_request *request)
{
	uint64_t size = disk->table.file.virtual_bytes;

	request->disk = disk;
	request->op.context = request;
	if (request->kind == DISK_FLUSH)
		overlay_table_flush(&disk->table, request);
	else if (request->offset > size || request->bytes > size - request->offset)
		request->done(request, -EINVAL);
	else if (request->kind != DISK_READ && disk_is_read_only(disk))
		request->done(request, -EROFS);
	else if (request->bytes == 0)
		request->done(request, 0);
	else if (request->kind == DISK_READ)
		disk_start_read(request);
	else
		disk_start_change(request);
}

uint64_t
disk_get_bytes(const struct disk *disk)
{
	return disk->table.file.virtual_bytes;
}

bool
disk_is_read_only(const struct disk *disk)
{
	return overlay_file_is_read_only(&disk->table.file);
}

bool
disk_is_kept_in(const struct disk *disk, int fd)
{
	return overlay_file_is_kept_in(&disk->table.file, fd);
}

bool
disk_is_over(const struct disk *disk, int fd)
{
	return overlay_file_is_over(&disk->table.file, fd);
}

static void
disk_free(struct disk *disk)
{
	if (disk->memory)
		munmap(disk->memory, DISK_BUFFERS * OVERLAY_CLUSTER_BYTES);
	overlay_table_done(&disk->table);
	free(disk);
}

/* Memory for all fills at a time; most of it is never touched. */
static int
disk_map_buffers(struct disk *disk)
{
	void *memory = mmap(NULL, DISK_BUFFERS * OVERLAY_CLUSTER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	disk->memory = memory;
	while (disk->n_buffers < DISK_BUFFERS) {
		disk->buffers[disk->n_buffers] =
			disk->memory + disk->n_buffers * OVERLAY_CLUSTER_BYTES;
		disk->n_buffers++;
	}
	return 0;
}

static int
disk_set_files(struct disk *disk, int base_fd, int overlay_fd)
{
	int result = disk_io_set_file(disk->io, DISK_IO_BASE, base_fd);

	return result < 0 ? result : disk_io_set_file(disk->io, DISK_IO_OVERLAY, overlay_fd);
}

int
disk_open(const char *name, struct disk_io *io, int base_fd, int overlay_fd, struct disk **ret_disk)
{
	struct overlay_file file;
	struct disk *disk;
	int result = overlay_file_open(name, base_fd, overlay_fd, &file);

	if (result < 0)
		return result;
	disk = calloc(1, sizeof(*disk));
	if (!disk) {
		overlay_file_close(&file);
		return -ENOMEM;
	}
	disk->io = io;
	TAILQ_INIT(&disk->claiming);
	TAILQ_INIT(&disk->waiting);
	result = overlay_table_init(&disk->table, name, io, &file);
	if (result == 0)
		result = disk_map_buffers(disk);
	if (result == 0)
		result = disk_set_files(disk, base_fd, overlay_fd);
	if (result < 0) {
		disk_close(disk);
		return result;
	}
	*ret_disk = disk;
	return 0;
}

void
disk_close(struct disk *disk)
{
	if (!disk)
		return;
	disk_set_files(disk, -1, -1);
	disk_free(disk);
}

int
disk_sync(struct disk *disk)
{
	return overlay_table_sync(&disk->table);
}
