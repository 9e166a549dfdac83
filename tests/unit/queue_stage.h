/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * queue_stage.h - a virtqueue, a ring of a driver's for it, and a page for its buffers; with cmocka's assertions
 */
#ifndef TESTS_UNIT_QUEUE_STAGE_H
#define TESTS_UNIT_QUEUE_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/driver_ring.h"
#include "vmm/virtqueue.h"

#define QUEUE_STAGE_SIZE    16
#define QUEUE_STAGE_RAM_END (VIRTQUEUE_MAX_CHAIN_BYTES / 4)

struct fake_platform;

struct queue_stage {
	struct fake_platform *fake;
	struct driver_ring ring;
	struct virtqueue queue;
	struct virtqueue_chain chain;
	uint64_t buffer; /* GPA of a page */
};

/* Afresh, on a driver's new ring */
void queue_stage_start(struct queue_stage *stage, bool event_index);
/* cmocka's: *state is the stage. */
int queue_stage_setup(void **state);
int queue_stage_teardown(void **state);

#endif
