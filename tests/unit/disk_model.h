/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_model.h - random work on an overlay with many requests in flight, compared with what the disk has to hold
 *
 * Requests in flight may share clusters, but no sector that one of them changes: what each sector holds is then known.
 * No cmocka here: the fuzzer's and the killed child's work is the same.
 */
#ifndef TESTS_UNIT_DISK_MODEL_H
#define TESTS_UNIT_DISK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/disk.h"

#define DISK_MODEL_DEPTH       16
#define DISK_MODEL_MAX_SECTORS 300 /* of a request: more than two clusters */
#define DISK_MODEL_SEGMENTS    5

struct disk_model;

struct disk_model_slot {
	struct disk_request request; /* first */
	struct disk_model *model;
	bool busy;
	char data[DISK_MODEL_MAX_SECTORS * 512];
};

struct disk_model {
	struct disk *disk;
	struct disk_io *io;
	uint32_t seed;
	uint64_t n_sectors;
	char *content;			 /* what was written last; of the caller */
	bool *discarded;		 /* the sector may read as zeros as well; of the caller */
	uint32_t n_requests;		 /* that are done */
	uint32_t n_done[DISK_FLUSH + 1]; /* of each kind */
	const char *problem;		 /* the first one */
	uint64_t problem_sector;
	int result; /* the first error of a request */
	struct disk_model_slot slots[DISK_MODEL_DEPTH];
};

/* Submits one more random request, if a slot is free. */
void disk_model_step(struct disk_model *model);
/* Reads all of the disk and compares; nothing may be in flight. */
void disk_model_check_all(struct disk_model *model);

#endif
