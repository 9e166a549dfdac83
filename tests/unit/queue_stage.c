/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * queue_stage.c - a virtqueue and a ring of a driver's for it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/queue_stage.h"

#include "tests/unit/fake_platform.h"

void
queue_stage_start(struct queue_stage *stage, bool event_index)
{
	assert_int_equal(driver_ring_init(&stage->ring, stage->fake, QUEUE_STAGE_SIZE, event_index),
			 0);
	assert_int_equal(
		virtqueue_start(&stage->queue, stage->fake->platform.memory, &stage->ring.setup),
		0);
}

int
queue_stage_setup(void **state)
{
	struct queue_stage *stage = test_calloc(1, sizeof(*stage));

	assert_int_equal(fake_platform_new(QUEUE_STAGE_RAM_END, &stage->fake), 0);
	stage->buffer = fake_platform_alloc(stage->fake, 4096, 4096);
	assert_int_not_equal(stage->buffer, 0);
	queue_stage_start(stage, false);
	*state = stage;
	return 0;
}

int
queue_stage_teardown(void **state)
{
	struct queue_stage *stage = *state;

	fake_platform_free(stage->fake);
	test_free(stage);
	return 0;
}
