/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay_table.h - which clusters are in the overlay, in memory and in the file; a part of disk.c
 */
#ifndef VMM_OVERLAY_TABLE_H
#define VMM_OVERLAY_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/disk_io.h"
#include "vmm/disk.h"
#include "vmm/overlay_file.h"

TAILQ_HEAD(disk_list, disk_request);

/* What a flush has come to: NONE -> DATA (-> TABLE -> LAST) -> NONE; an error ends it anywhere. */
enum overlay_round {
	OVERLAY_ROUND_NONE,
	OVERLAY_ROUND_DATA,  /* the clusters are synced */
	OVERLAY_ROUND_TABLE, /* their bits are written */
	OVERLAY_ROUND_LAST,  /* and synced */
};

struct overlay_table {
	const char *name;
	struct disk_io *io;
	struct overlay_file file;  /* with the table as it is now */
	uint8_t *snapshot;	   /* as it is to be in the file */
	uint8_t *blocks;	   /* flags of each 4096 bytes of the table */
	struct disk_list flushing; /* in the present round */
	struct disk_list to_flush; /* in the next one */
	enum overlay_round round;
	bool failed;
	int result; /* of the last round */
	uint64_t next_block;
	struct disk_io_op op;
	struct iovec segment;
};

/* Takes the file over, on an error too; zero-initialised before. 0 or -ENOMEM. */
int overlay_table_init(struct overlay_table *table, const char *name, struct disk_io *io,
		       const struct overlay_file *file);
void overlay_table_done(struct overlay_table *table);

static inline bool
overlay_table_has(const struct overlay_table *table, uint64_t cluster)
{
	if (table->file.table_bytes == 0)
		return table->file.is_raw;
	return table->file.table[cluster / 8] >> cluster % 8 & 1;
}

/* Called when the whole cluster is in the file, durable or not. */
void overlay_table_claim(struct overlay_table *table, uint64_t cluster);

/* An DISK_FLUSH. */
void overlay_table_flush(struct overlay_table *table, struct disk_request *request);
/* The same without a request, waited for; nothing may be in flight. 0 or -EIO. */
int overlay_table_sync(struct overlay_table *table);

#endif
