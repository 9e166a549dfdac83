/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_ledger.h - what a disk may hold after a crash: writers whose sectors say which write of which sector they are
 *
 * Each sector's "sent" is the last write of it, "done" the last that was answered, "safe" the last that a flush was
 * answered for; 0 is the base. After a crash it must hold one from "safe" to "sent". The ledger can be shared with the
 * process that is killed.
 */
#ifndef TESTS_UNIT_DISK_LEDGER_H
#define TESTS_UNIT_DISK_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/disk.h"

#define DISK_LEDGER_MAX_SECTORS 4000
#define DISK_LEDGER_WRITERS	4
#define DISK_LEDGER_AT_ONCE	200 /* sectors */

struct disk_ledger {
	uint32_t n_sectors;
	uint32_t next;
	uint32_t sent[DISK_LEDGER_MAX_SECTORS];
	uint32_t done[DISK_LEDGER_MAX_SECTORS];
	uint32_t safe[DISK_LEDGER_MAX_SECTORS];
};

struct disk_ledger_writer {
	struct disk_request request; /* first */
	struct disk_ledger *ledger;
	bool busy;
	uint32_t number;
	char data[DISK_LEDGER_AT_ONCE * 512];
	uint32_t at_flush[DISK_LEDGER_MAX_SECTORS];
};

/* Lets a writer that is not busy write or flush, by chance. Two may share a cluster, but not a sector. */
void disk_ledger_step(struct disk_ledger *ledger, struct disk_ledger_writer *writers,
		      struct disk *disk, uint32_t *seed);

/*
 * Is the disk's content, after a crash, possible? The first sector that is not, or -1. What is there cannot be lost any more
 * from now on, and what was lost must not come back.
 */
int64_t disk_ledger_check(struct disk_ledger *ledger, const char *base, const char *content);

#endif
