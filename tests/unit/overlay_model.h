/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * overlay_model.h - random work on an overlay with many requests in flight, compared with what the disk has to hold
 *
 * Requests in flight may share clusters, but no sector that one of them changes: what each sector holds is then known.
 * No cmocka here: the fuzzer's and the killed child's work is the same.
 */
#ifndef TESTS_UNIT_OVERLAY_MODEL_H
#define TESTS_UNIT_OVERLAY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/overlay.h"

#define OVERLAY_MODEL_DEPTH	  16
#define OVERLAY_MODEL_MAX_SECTORS 300 /* of a request: more than two clusters */
#define OVERLAY_MODEL_SEGMENTS	  5

struct overlay_model;

struct overlay_model_slot {
	struct overlay_request request; /* first */
	struct overlay_model *model;
	bool busy;
	char data[OVERLAY_MODEL_MAX_SECTORS * 512];
};

struct overlay_model {
	struct overlay *overlay;
	struct disk_io *io;
	uint32_t seed;
	uint64_t n_sectors;
	char *content;	     /* what was written last; of the caller */
	bool *discarded;     /* the sector may read as zeros as well; of the caller */
	uint32_t n_requests; /* that are done */
	uint32_t n_done[OVERLAY_FLUSH + 1]; /* of each kind */
	const char *problem;		    /* the first one */
	uint64_t problem_sector;
	int result; /* the first error of a request */
	struct overlay_model_slot slots[OVERLAY_MODEL_DEPTH];
};

/* Submits one more random request, if a slot is free. */
void overlay_model_step(struct overlay_model *model);
/* Reads all of the disk and compares; nothing may be in flight. */
void overlay_model_check_all(struct overlay_model *model);

#endif
