/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_link_scanout.c - a scanout whose socket is full, and one that changes while the display reads
 *
 * The connection is a pair of sockets; what is said on it is test_seat_link.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/seq.h"
#include "vmm/link_scanout.h"
#include "vmm/seat_link.h"

struct stage {
	struct link_scanout scanout;
	int fds[2]; /* ours, the display's */
	uint32_t n_draws;
	struct seq_message message;
};

static void
stage_draw(void *context, uint32_t scanout, const struct damage_rect *rect, uint8_t *target,
	   uint32_t stride)
{
	struct stage *stage = context;

	(void)scanout, (void)rect, (void)target, (void)stride;
	stage->n_draws++;
}

static const struct seat_link_ops stage_ops = { .draw = stage_draw };

static int
stage_open(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	assert_int_equal(io_socketpair(SOCK_SEQPACKET | SOCK_NONBLOCK, stage->fds), 0);
	link_scanout_init(&stage->scanout, 0, &stage_ops, stage);
	link_scanout_set_size(&stage->scanout, 640, 480);
	link_scanout_begin(&stage->scanout);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	link_scanout_end(&stage->scanout);
	close(stage->fds[0]);
	close(stage->fds[1]);
	test_free(stage);
	return 0;
}

static void
stage_fill_socket(struct stage *stage)
{
	const struct source_leds leds = { 0 };

	while (link_scanout_send(stage->fds[0], SOURCE_LEDS, &leds, sizeof(leds), -1) == 0)
		;
}

/* All that is there; the last one's type. */
static uint32_t
stage_drain_socket(struct stage *stage)
{
	uint32_t type = SOURCE_LEDS;

	while (seq_receive(stage->fds[1], &stage->message) == 0) {
		type = stage->message.head.type;
		seq_close_fds(&stage->message);
	}
	return type;
}

/* Up to where the display reads. */
static void
stage_be_read(struct stage *stage)
{
	assert_int_equal(link_scanout_tell(&stage->scanout, stage->fds[0]), 0);
	assert_int_equal(link_scanout_take_ack(&stage->scanout, stage->scanout.generation), 0);
	damage_add_all(&stage->scanout.damage, 640, 480);
	assert_int_equal(link_scanout_tell(&stage->scanout, stage->fds[0]), 0);
	assert_int_equal(stage->scanout.state, LINK_SCANOUT_READ);
}

static void
test_link_scanout__a_surface_that_cannot_be_sent_is_made_once(void **state)
{
	struct stage *stage = *state;

	stage_fill_socket(stage);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(link_scanout_tell(&stage->scanout, stage->fds[0]), -EAGAIN);
		assert_int_equal(stage->scanout.generation, 1);
		assert_int_equal(stage->n_draws, 1);
	}
	stage_drain_socket(stage);
	assert_int_equal(link_scanout_tell(&stage->scanout, stage->fds[0]), 0);
	assert_int_equal(stage->n_draws, 1);
	assert_int_equal(stage_drain_socket(stage), SOURCE_CURSOR);
	assert_int_equal(link_scanout_take_ack(&stage->scanout, 1), 0);
}

/* The surface of the new size cannot be offered yet when the old one's answer comes. */
static void
test_link_scanout__what_was_drawn_of_an_old_size_is_no_mistake(void **state)
{
	struct stage *stage = *state;
	const uint64_t old = 1;

	stage_be_read(stage);
	stage_fill_socket(stage);
	link_scanout_set_size(&stage->scanout, 800, 600);
	assert_int_equal(stage->scanout.generation, old);
	assert_int_equal(link_scanout_take_drawn(&stage->scanout, old), 0);
	assert_int_equal(stage->scanout.state, LINK_SCANOUT_STALE);
	stage_drain_socket(stage);
	assert_int_equal(link_scanout_tell(&stage->scanout, stage->fds[0]), 0);
	/* nor after that */
	assert_int_equal(link_scanout_take_drawn(&stage->scanout, old), 0);
	assert_int_equal(stage->scanout.state, LINK_SCANOUT_OFFERED);
	/* but of one that was not told of */
	assert_int_equal(link_scanout_take_drawn(&stage->scanout, old + 2), -EPROTO);
	assert_int_equal(link_scanout_take_drawn(&stage->scanout, old + 1), -EPROTO);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_link_scanout__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_surface_that_cannot_be_sent_is_made_once),
		TEST(what_was_drawn_of_an_old_size_is_no_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
