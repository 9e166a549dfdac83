/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_stage.c - the display's link in a loop of its own, which notes what it is asked for, and a display
 */
#include "tests/unit/link_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/damage.h"
#include "vmm/loop.h"

static void
link_stage_draw(void *context, uint32_t scanout, const struct damage_rect *rect, uint8_t *target,
		uint32_t stride)
{
	struct link_stage *stage = context;

	stage->n_draws++;
	stage->drawn_pixels += (uint64_t)rect->width * rect->height;
	for (uint32_t y = rect->y; y < rect->y + rect->height; y++)
		for (uint32_t x = rect->x; x < rect->x + rect->width; x++) {
			uint32_t pixel = stage->paint + scanout;

			memcpy(target + (size_t)y * stride + (size_t)x * 4, &pixel, 4);
		}
}

static void
link_stage_set_size(void *context, uint32_t scanout, uint32_t width, uint32_t height)
{
	struct link_stage *stage = context;

	stage->n_sizes++;
	stage->size_scanout = scanout;
	stage->width = width;
	stage->height = height;
}

static void
link_stage_send_key(void *context, uint32_t qnum, bool down)
{
	struct link_stage *stage = context;

	stage->n_keys++;
	stage->qnum = qnum;
	stage->down = down;
}

static void
link_stage_send_pointer(void *context, uint32_t x, uint32_t y, uint32_t buttons)
{
	struct link_stage *stage = context;

	stage->x = x;
	stage->y = y;
	stage->buttons = buttons;
}

static void
link_stage_turn_wheel(void *context, int32_t steps)
{
	struct link_stage *stage = context;

	stage->steps += steps;
}

static void
link_stage_release_all(void *context)
{
	struct link_stage *stage = context;

	stage->n_releases++;
}

static const struct seat_link_ops link_stage_ops = {
	.draw = link_stage_draw,
	.set_size = link_stage_set_size,
	.send_key = link_stage_send_key,
	.send_pointer = link_stage_send_pointer,
	.turn_wheel = link_stage_turn_wheel,
	.release_all = link_stage_release_all,
};

static int
link_stage_open_for(void **state, uint32_t uid)
{
	struct link_stage *stage = test_calloc(1, sizeof(*stage));
	struct seat_link_setup setup = {
		.uid = uid,
		.n_scanouts = 2,
		.device_address = "pci/0000/01.0",
		.ops = &link_stage_ops,
		.context = stage,
	};

	pthread_mutex_init(&stage->lock, NULL);
	assert_int_equal(loop_new(&stage->lock, &stage->loop), 0);
	stage->listen_fd = display_peer_listen();
	assert_true(stage->listen_fd >= 0);
	setup.listen_fd = stage->listen_fd;
	assert_int_equal(seat_link_new(stage->loop, &setup, &stage->link), 0);
	*state = stage;
	return 0;
}

int
link_stage_open(void **state)
{
	return link_stage_open_for(state, getuid());
}

int
link_stage_open_for_another(void **state)
{
	return link_stage_open_for(state, getuid() + 1);
}

int
link_stage_close(void **state)
{
	struct link_stage *stage = *state;

	if (stage->peer)
		assert_false(stage->peer->wrong);
	display_peer_close(stage->peer);
	seat_link_free(stage->link);
	loop_free(stage->loop);
	close(stage->listen_fd);
	test_free(stage);
	return 0;
}

void
link_stage_settle(struct link_stage *stage)
{
	for (int quiet = 0; quiet < 3; quiet++) {
		loop_step(stage->loop, 0);
		if (stage->peer && display_peer_read(stage->peer) > 0)
			quiet = 0;
	}
}

void
link_stage_attach(struct link_stage *stage, bool answers)
{
	assert_int_equal(display_peer_open(stage->listen_fd, answers, &stage->peer), 0);
	link_stage_settle(stage);
	assert_true(stage->peer->greeted);
}
