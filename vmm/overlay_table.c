/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay_table.c - which clusters are in the overlay, in memory and in the file
 *
 * In carrel-vmm, on whichever thread holds the machine's lock.
 *
 * How it works: a flush is a round, for all flushes that came in before it began: sync; write the table's blocks that have
 * changed, as they were before this sync (overlay_table_take_snapshot()), so that no bit gets into the file before its
 * cluster; sync again. Mostly no block has changed, and the round is one sync. Flushes that come in meanwhile wait for the
 * next round.
 *
 * When a sync fails the kernel forgets what it could not write, and the next sync would succeed. So after the first
 * failure ("failed") no flush succeeds any more, and the table in the file stays as it is. One for which the kernel has no
 * memory forgets nothing: disk_io.c keeps it, and it is tried again.
 */
#include "vmm/overlay_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* table.blocks */
#define OVERLAY_TABLE_CHANGED 1
#define OVERLAY_TABLE_WRITING 2

static void overlay_table_start_round(struct overlay_table *table);

static uint64_t
overlay_table_count_blocks(const struct overlay_table *table)
{
	return table->file.table_bytes / OVERLAY_BLOCK_BYTES;
}

void
overlay_table_claim(struct overlay_table *table, uint64_t cluster)
{
	table->file.table[cluster / 8] |= (uint8_t)(1U << cluster % 8);
	table->blocks[cluster / 8 / OVERLAY_BLOCK_BYTES] |= OVERLAY_TABLE_CHANGED;
}

static void
overlay_table_end_round(struct overlay_table *table, int result)
{
	struct disk_list flushed = TAILQ_HEAD_INITIALIZER(flushed);
	struct disk_request *request;

	for (uint64_t i = 0; i < overlay_table_count_blocks(table); i++) {
		if (result < 0 && table->blocks[i] & OVERLAY_TABLE_WRITING)
			table->blocks[i] |= OVERLAY_TABLE_CHANGED;
		table->blocks[i] &= (uint8_t)~OVERLAY_TABLE_WRITING;
	}
	table->round = OVERLAY_ROUND_NONE;
	table->result = result;
	TAILQ_CONCAT(&flushed, &table->flushing, link);
	while ((request = TAILQ_FIRST(&flushed))) {
		TAILQ_REMOVE(&flushed, request, link);
		request->done(request, result);
	}
	if (table->round == OVERLAY_ROUND_NONE && !TAILQ_EMPTY(&table->to_flush))
		overlay_table_start_round(table);
}

static void
overlay_table_submit_sync(struct overlay_table *table)
{
	table->op.kind = DISK_IO_SYNC;
	disk_io_submit(table->io, &table->op);
}

/* Writes the next blocks that follow each other; false when there are none. */
static bool
overlay_table_write_blocks(struct overlay_table *table)
{
	uint64_t n_blocks = overlay_table_count_blocks(table);
	uint64_t first = table->next_block;
	uint64_t end;

	while (first < n_blocks && !(table->blocks[first] & OVERLAY_TABLE_WRITING))
		first++;
	if (first == n_blocks)
		return false;
	end = first;
	while (end < n_blocks && table->blocks[end] & OVERLAY_TABLE_WRITING)
		end++;
	table->next_block = end;
	table->segment.iov_base = table->snapshot + first * OVERLAY_BLOCK_BYTES;
	table->segment.iov_len = (end - first) * OVERLAY_BLOCK_BYTES;
	table->op.kind = DISK_IO_WRITE;
	table->op.offset = OVERLAY_BLOCK_BYTES + first * OVERLAY_BLOCK_BYTES;
	table->op.bytes = table->segment.iov_len;
	table->op.segments = &table->segment;
	table->op.n_segments = 1;
	disk_io_submit(table->io, &table->op);
	return true;
}

static void
overlay_table_fail(struct overlay_table *table, int error)
{
	table->failed = true;
	log_error(
		"disk '%s': its storage failed (%s): writes may be lost, and the guest is told so at each flush "
		"from now on",
		table->name, strerror(error));
}

/* After the first sync, after each write, after the last sync. */
static void
overlay_table_handle_op(struct disk_io_op *op, int result)
{
	struct overlay_table *table = op->context;

	if (result < 0) {
		if (table->round != OVERLAY_ROUND_TABLE && result != -ECANCELED)
			overlay_table_fail(table, -result);
		overlay_table_end_round(table, result);
	} else if (table->round == OVERLAY_ROUND_LAST) {
		overlay_table_end_round(table, 0);
	} else if (overlay_table_write_blocks(table)) {
		table->round = OVERLAY_ROUND_TABLE;
	} else if (table->round == OVERLAY_ROUND_TABLE) {
		table->round = OVERLAY_ROUND_LAST;
		overlay_table_submit_sync(table);
	} else {
		overlay_table_end_round(table, 0);
	}
}

static void
overlay_table_take_snapshot(struct overlay_table *table)
{
	for (uint64_t i = 0; i < overlay_table_count_blocks(table); i++) {
		if (!(table->blocks[i] & OVERLAY_TABLE_CHANGED))
			continue;
		memcpy(table->snapshot + i * OVERLAY_BLOCK_BYTES,
		       table->file.table + i * OVERLAY_BLOCK_BYTES, OVERLAY_BLOCK_BYTES);
		table->blocks[i] = OVERLAY_TABLE_WRITING;
	}
}

static void
overlay_table_start_round(struct overlay_table *table)
{
	table->round = OVERLAY_ROUND_DATA;
	TAILQ_CONCAT(&table->flushing, &table->to_flush, link);
	if (table->failed) {
		overlay_table_end_round(table, -EIO);
		return;
	}
	table->next_block = 0;
	overlay_table_take_snapshot(table);
	overlay_table_submit_sync(table);
}

void
overlay_table_flush(struct overlay_table *table, struct disk_request *request)
{
	/* a disk that is only read has nothing to flush */
	if (overlay_file_is_read_only(&table->file)) {
		request->done(request, 0);
		return;
	}
	TAILQ_INSERT_TAIL(&table->to_flush, request, link);
	if (table->round == OVERLAY_ROUND_NONE)
		overlay_table_start_round(table);
}

int
overlay_table_sync(struct overlay_table *table)
{
	if (overlay_file_is_read_only(&table->file))
		return 0;
	if (table->round == OVERLAY_ROUND_NONE)
		overlay_table_start_round(table);
	while (disk_io_drain(table->io) < 0)
		disk_io_cancel_kept(table->io);
	return table->result < 0 ? -EIO : 0;
}

int
overlay_table_init(struct overlay_table *table, const char *name, struct disk_io *io,
		   const struct overlay_file *file)
{
	uint64_t n_blocks = file->table_bytes / OVERLAY_BLOCK_BYTES;

	table->name = name;
	table->io = io;
	table->file = *file;
	TAILQ_INIT(&table->flushing);
	TAILQ_INIT(&table->to_flush);
	table->op.file = DISK_IO_OVERLAY;
	table->op.done = overlay_table_handle_op;
	table->op.context = table;
	if (n_blocks == 0)
		return 0;
	table->snapshot = calloc(n_blocks, OVERLAY_BLOCK_BYTES);
	table->blocks = calloc(n_blocks, 1);
	return table->snapshot && table->blocks ? 0 : -ENOMEM;
}

void
overlay_table_done(struct overlay_table *table)
{
	free(table->snapshot);
	free(table->blocks);
	overlay_file_close(&table->file);
}
