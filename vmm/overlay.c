// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * overlay.c - a disk that is a read-only base and a private copy-on-write overlay over it
 *
 * In carrel-vmm, on whichever thread holds the machine's lock.
 *
 * How it works: a read is done run by run: clusters that follow each other and are in the same file are one operation
 * (overlay_read_run()). A change (write, zero, discard) is one operation on the overlay file, since a cluster has its
 * fixed place there: overlay_plan() widens it to whole clusters where it cuts into one that is still in the base. What
 * it has to bring along from there (at most at both ends) are its fills: they are read into buffers first, and a write
 * takes them along in the same system call. Then the clusters' bits are set, and the request is done.
 *
 * A change that claims clusters from the base stands in "claiming" until its bits are set. Another change of any of these
 * clusters waits for it: it would take the base's contents for the present ones. It waits for buffers in the same list.
 * overlay_run_waiting() tries them all again whenever a claiming request ends. Without claims nothing waits.
 *
 * Lack of space is not seen here: disk_io.c keeps the operation, and so the request stays in flight.
 */
#include "vmm/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vmm/overlay_table.h"

/* Copy-ups at a time that are partial at one end; memory is used only by as many as there were at once. */
#define OVERLAY_BUFFERS 8

struct overlay {
	struct disk_io *io;
	struct overlay_table table;
	struct overlay_list claiming;
	struct overlay_list waiting;
	char *memory; /* of the buffers */
	char *buffers[OVERLAY_BUFFERS];
	uint32_t n_buffers; /* free ones */
};

static void overlay_go_on(struct overlay_request *request);

/* Reading */

/* The cluster behind those that follow "cluster" in the same file, at most "end". */
static uint64_t
overlay_find_run_end(const struct overlay *overlay, uint64_t cluster, uint64_t end)
{
	bool has = overlay_table_has(&overlay->table, cluster);

	while (cluster < end && overlay_table_has(&overlay->table, cluster) == has)
		cluster++;
	return cluster;
}

/* Takes segments for "bytes" from the request's into its operation. The last one's rest goes to request->cut. */
static void
overlay_take_segments(struct overlay_request *request, uint64_t bytes)
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
overlay_read_run(struct overlay_request *request)
{
	struct overlay *overlay = request->overlay;
	uint64_t cluster = request->from / OVERLAY_CLUSTER_BYTES;
	uint64_t end = (request->to - 1) / OVERLAY_CLUSTER_BYTES + 1;
	uint64_t run_end = overlay_find_run_end(overlay, cluster, end) * OVERLAY_CLUSTER_BYTES;
	uint64_t to = run_end < request->to ? run_end : request->to;
	struct disk_io_op *op = &request->op;

	op->kind = DISK_IO_READ;
	op->file = overlay_table_has(&overlay->table, cluster) ? DISK_IO_OVERLAY : DISK_IO_BASE;
	op->offset = request->from;
	if (op->file == DISK_IO_OVERLAY)
		op->offset += overlay->table.file.data_offset;
	overlay_take_segments(request, to - request->from);
	request->from = to;
	disk_io_submit(overlay->io, op);
}

static void
overlay_handle_read(struct disk_io_op *op, int result)
{
	struct overlay_request *request = op->context;

	if (result < 0 || request->from == request->to) {
		request->done(request, result);
		return;
	}
	/* disk_io.c has gone past all it has filled: the cut segment too, whose rest comes now */
	if (request->cut.iov_len > 0)
		*--op->segments = request->cut;
	overlay_read_run(request);
}

static void
overlay_start_read(struct overlay_request *request)
{
	request->from = request->offset;
	request->to = request->offset + request->bytes;
	request->op.segments = &request->segments[1];
	request->op.done = overlay_handle_read;
	overlay_read_run(request);
}

/* Changing */

static void
overlay_handle_op(struct disk_io_op *op, int result)
{
	struct overlay_request *request = op->context;

	if (result < 0)
		request->result = result;
	request->pending--;
	overlay_go_on(request);
}

static void
overlay_start_op(struct overlay_request *request, struct disk_io_op *op)
{
	op->done = overlay_handle_op;
	op->context = request;
	request->pending++;
	disk_io_submit(request->overlay->io, op);
}

static void
overlay_start_fills(struct overlay_request *request, enum disk_io_kind kind, enum disk_io_file file,
		    uint64_t file_offset)
{
	for (int i = 0; i < 2; i++) {
		struct overlay_fill *fill = &request->fills[i];

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
		overlay_start_op(request, &fill->op);
	}
}

static void
overlay_read_fills(struct overlay_request *request)
{
	overlay_start_fills(request, DISK_IO_READ, DISK_IO_BASE, 0);
}

static void
overlay_add_fills(struct overlay_request *request)
{
	struct disk_io_op *op = &request->op;
	const struct overlay_fill *before = &request->fills[0];
	const struct overlay_fill *behind = &request->fills[1];

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
overlay_change_data(struct overlay_request *request)
{
	struct disk_io_op *op = &request->op;

	op->kind = request->kind == OVERLAY_WRITE ? DISK_IO_WRITE : DISK_IO_PUNCH;
	op->file = DISK_IO_OVERLAY;
	op->offset = request->overlay->table.file.data_offset + request->from;
	op->bytes = request->to - request->from;
	if (request->kind == OVERLAY_WRITE)
		overlay_add_fills(request);
	overlay_start_op(request, op);
}

/* A write took them along; a hole is made around them first. */
static void
overlay_write_fills(struct overlay_request *request)
{
	if (request->kind != OVERLAY_WRITE)
		overlay_start_fills(request, DISK_IO_WRITE, DISK_IO_OVERLAY,
				    request->overlay->table.file.data_offset);
}

static void (*const overlay_stages[])(struct overlay_request *request) = {
	overlay_read_fills,
	overlay_change_data,
	overlay_write_fills,
};

#define OVERLAY_STAGES (sizeof(overlay_stages) / sizeof(overlay_stages[0]))

static bool
overlay_overlaps_claiming(const struct overlay_request *request)
{
	uint64_t first = request->offset / OVERLAY_CLUSTER_BYTES;
	uint64_t last = (request->offset + request->bytes - 1) / OVERLAY_CLUSTER_BYTES;
	const struct overlay_request *other;

	TAILQ_FOREACH(other, &request->overlay->claiming, link) {
		if (first <= (other->to - 1) / OVERLAY_CLUSTER_BYTES &&
		    last >= other->from / OVERLAY_CLUSTER_BYTES)
			return true;
	}
	return false;
}

/* What is to be written, and what has to come along from the base. False: nothing is to be done. */
static bool
overlay_plan(struct overlay_request *request)
{
	const struct overlay *overlay = request->overlay;
	uint64_t from = request->offset;
	uint64_t to = request->offset + request->bytes;
	uint64_t first = from / OVERLAY_CLUSTER_BYTES * OVERLAY_CLUSTER_BYTES;
	uint64_t last = (to - 1) / OVERLAY_CLUSTER_BYTES * OVERLAY_CLUSTER_BYTES;
	uint64_t end = last + OVERLAY_CLUSTER_BYTES < overlay->table.file.virtual_bytes
			       ? last + OVERLAY_CLUSTER_BYTES
			       : overlay->table.file.virtual_bytes;
	bool before =
		from > first && !overlay_table_has(&overlay->table, first / OVERLAY_CLUSTER_BYTES);
	bool behind = to < end && !overlay_table_has(&overlay->table, last / OVERLAY_CLUSTER_BYTES);

	request->fills[0].bytes = 0;
	request->fills[1].bytes = 0;
	if (request->kind == OVERLAY_DISCARD) {
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
overlay_take_buffers(struct overlay_request *request)
{
	struct overlay *overlay = request->overlay;
	bool before = request->fills[0].bytes > 0;
	bool behind = request->fills[1].bytes > 0;
	bool share = before && behind && request->to - request->from <= OVERLAY_CLUSTER_BYTES;
	uint32_t needed = (uint32_t)before + behind - share;

	if (needed > overlay->n_buffers)
		return false;
	request->buffers[0] = before ? overlay->buffers[--overlay->n_buffers] : NULL;
	if (share)
		request->buffers[1] = request->buffers[0];
	else
		request->buffers[1] = behind ? overlay->buffers[--overlay->n_buffers] : NULL;
	return true;
}

static void
overlay_give_buffers(struct overlay_request *request)
{
	struct overlay *overlay = request->overlay;

	if (request->buffers[1] && request->buffers[1] != request->buffers[0])
		overlay->buffers[overlay->n_buffers++] = request->buffers[1];
	if (request->buffers[0])
		overlay->buffers[overlay->n_buffers++] = request->buffers[0];
}

static bool
overlay_claims(const struct overlay_request *request)
{
	uint64_t end = (request->to - 1) / OVERLAY_CLUSTER_BYTES + 1;

	for (uint64_t at = request->from / OVERLAY_CLUSTER_BYTES; at < end; at++) {
		if (!overlay_table_has(&request->overlay->table, at))
			return true;
	}
	return false;
}

static void
overlay_start_change(struct overlay_request *request)
{
	struct overlay *overlay = request->overlay;

	if (overlay_overlaps_claiming(request)) {
		TAILQ_INSERT_TAIL(&overlay->waiting, request, link);
		return;
	}
	if (!overlay_plan(request)) {
		request->done(request, 0);
		return;
	}
	if (!overlay_take_buffers(request)) {
		TAILQ_INSERT_TAIL(&overlay->waiting, request, link);
		return;
	}
	request->claims = overlay_claims(request);
	if (request->claims)
		TAILQ_INSERT_TAIL(&overlay->claiming, request, link);
	request->stage = 0;
	request->pending = 0;
	request->result = 0;
	overlay_go_on(request);
}

static void
overlay_run_waiting(struct overlay *overlay)
{
	struct overlay_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct overlay_request *request;

	TAILQ_CONCAT(&waiting, &overlay->waiting, link);
	while ((request = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, request, link);
		overlay_start_change(request);
	}
}

static void
overlay_end_change(struct overlay_request *request)
{
	struct overlay *overlay = request->overlay;
	uint64_t end = (request->to - 1) / OVERLAY_CLUSTER_BYTES + 1;
	bool claims = request->claims;

	if (claims) {
		TAILQ_REMOVE(&overlay->claiming, request, link);
		for (uint64_t at = request->from / OVERLAY_CLUSTER_BYTES;
		     request->result == 0 && at < end; at++) {
			if (!overlay_table_has(&overlay->table, at))
				overlay_table_claim(&overlay->table, at);
		}
	}
	overlay_give_buffers(request);
	request->done(request, request->result);
	if (claims)
		overlay_run_waiting(overlay);
}

/* The next stage, once all operations of the one before have ended. */
static void
overlay_go_on(struct overlay_request *request)
{
	while (request->pending == 0) {
		if (request->result < 0 || request->stage == OVERLAY_STAGES) {
			overlay_end_change(request);
			return;
		}
		overlay_stages[request->stage++](request);
	}
}

/* Opening, and the door */

void
overlay_submit(struct overlay *overlay, struct overlay_request *request)
{
	uint64_t size = overlay->table.file.virtual_bytes;

	request->overlay = overlay;
	request->op.context = request;
	if (request->kind == OVERLAY_FLUSH)
		overlay_table_flush(&overlay->table, request);
	else if (request->offset > size || request->bytes > size - request->offset)
		request->done(request, -EINVAL);
	else if (request->kind != OVERLAY_READ && overlay_is_read_only(overlay))
		request->done(request, -EROFS);
	else if (request->bytes == 0)
		request->done(request, 0);
	else if (request->kind == OVERLAY_READ)
		overlay_start_read(request);
	else
		overlay_start_change(request);
}

uint64_t
overlay_get_bytes(const struct overlay *overlay)
{
	return overlay->table.file.virtual_bytes;
}

bool
overlay_is_read_only(const struct overlay *overlay)
{
	return overlay->table.file.table_bytes == 0;
}

static void
overlay_free(struct overlay *overlay)
{
	if (overlay->memory)
		munmap(overlay->memory, OVERLAY_BUFFERS * OVERLAY_CLUSTER_BYTES);
	overlay_table_done(&overlay->table);
	free(overlay);
}

/* Memory for all fills at a time; most of it is never touched. */
static int
overlay_map_buffers(struct overlay *overlay)
{
	void *memory = mmap(NULL, OVERLAY_BUFFERS * OVERLAY_CLUSTER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	overlay->memory = memory;
	while (overlay->n_buffers < OVERLAY_BUFFERS) {
		overlay->buffers[overlay->n_buffers] =
			overlay->memory + overlay->n_buffers * OVERLAY_CLUSTER_BYTES;
		overlay->n_buffers++;
	}
	return 0;
}

static int
overlay_set_files(struct overlay *overlay, int base_fd, int overlay_fd)
{
	int result = disk_io_set_file(overlay->io, DISK_IO_BASE, base_fd);

	return result < 0 ? result : disk_io_set_file(overlay->io, DISK_IO_OVERLAY, overlay_fd);
}

int
overlay_open(const char *name, struct disk_io *io, int base_fd, int overlay_fd,
	     struct overlay **ret_overlay)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	struct overlay_file file;
	int result;

	if (!overlay)
		return -ENOMEM;
	overlay->io = io;
	TAILQ_INIT(&overlay->claiming);
	TAILQ_INIT(&overlay->waiting);
	result = overlay_file_open(name, base_fd, overlay_fd, &file);
	if (result == 0)
		result = overlay_table_init(&overlay->table, name, io, &file);
	if (result == 0)
		result = overlay_map_buffers(overlay);
	if (result == 0)
		result = overlay_set_files(overlay, base_fd, overlay_fd);
	if (result < 0) {
		overlay_free(overlay);
		return result;
	}
	*ret_overlay = overlay;
	return 0;
}

int
overlay_close(struct overlay *overlay)
{
	int result = overlay_table_write_down(&overlay->table);

	overlay_set_files(overlay, -1, -1);
	overlay_free(overlay);
	return result;
}
