/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_seat_link.c - what the display is told and when, and what it may say
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/damage.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/link_stage.h"
#include "vmm/seat_link.h"

static void
test_seat_link__lets_in_one_uid_only(void **state)
{
	struct link_stage *stage = *state;

	assert_int_equal(display_peer_open(stage->listen_fd, true, &stage->peer), 0);
	link_stage_settle(stage);
	assert_false(stage->peer->greeted);
	assert_int_equal(stage->peer->fd, -1);
}

static void
test_seat_link__tells_how_things_are(void **state)
{
	struct link_stage *stage = *state;
	const struct source_cursor cursor = {
		.scanout = 1, .width = 2, .height = 1, .hot_x = 1, .x = 30, .y = -4, .visible = 1
	};

	seat_link_set_scanout(stage->link, 1, 320, 200);
	seat_link_set_cursor(stage->link, &cursor, (const uint8_t *)"12345678");
	seat_link_set_leds(stage->link, 5);
	stage->paint = 0x123450;
	link_stage_attach(stage, true);
	assert_int_equal(stage->peer->hello.version, SOURCE_PROTOCOL_VERSION);
	assert_int_equal(stage->peer->hello.n_scanouts, 2);
	assert_string_equal(stage->peer->hello.device_address, "pci/0000/01.0");
	assert_int_equal(stage->peer->scanouts[0].n_offers, 1);
	assert_null(stage->peer->scanouts[0].pixels);
	assert_int_equal(stage->peer->scanouts[1].offer.width, 320);
	assert_int_equal(stage->peer->scanouts[1].offer.height, 200);
	assert_int_equal(stage->peer->scanouts[1].seals & (F_SEAL_SHRINK | F_SEAL_GROW),
			 F_SEAL_SHRINK | F_SEAL_GROW);
	assert_int_equal(display_peer_pixel(stage->peer, 1, 0, 0), 0x123451);
	assert_int_equal(display_peer_pixel(stage->peer, 1, 319, 199), 0x123451);
	assert_int_equal(stage->drawn_pixels, 320 * 200);
	assert_memory_equal(&stage->peer->scanouts[1].cursor, &cursor, sizeof(cursor));
	assert_memory_equal(stage->peer->scanouts[1].argb, "12345678", 8);
	assert_int_equal(stage->peer->leds, 5);
}

static void
test_seat_link__copies_nothing_for_nobody(void **state)
{
	struct link_stage *stage = *state;
	const struct damage_rect rect = { 0, 0, 100, 100 };

	seat_link_set_scanout(stage->link, 0, 640, 480);
	for (int i = 0; i < 100; i++)
		seat_link_add_damage(stage->link, 0, &rect);
	link_stage_settle(stage);
	assert_int_equal(stage->n_draws, 0);
	link_stage_attach(stage, false);
	assert_int_equal(stage->n_draws, 1);
	/* It does not answer: it gets nothing more. */
	for (int i = 0; i < 100; i++)
		seat_link_add_damage(stage->link, 0, &rect);
	link_stage_settle(stage);
	assert_int_equal(stage->n_draws, 1);
	display_peer_close(stage->peer);
	stage->peer = NULL;
	link_stage_settle(stage);
	seat_link_add_damage(stage->link, 0, &rect);
	link_stage_settle(stage);
	assert_int_equal(stage->n_draws, 1);
	assert_int_equal(stage->n_releases, 1);
}

static void
test_seat_link__has_one_damage_out(void **state)
{
	struct link_stage *stage = *state;
	struct display_peer_scanout *seen;

	seat_link_set_scanout(stage->link, 0, 640, 480);
	link_stage_attach(stage, false);
	seen = &stage->peer->scanouts[0];
	seat_link_add_damage(stage->link, 0, &(struct damage_rect){ 0, 0, 640, 480 });
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_ACK, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(seen->n_damages, 1);
	stage->paint = 0x00ff00;
	stage->n_draws = 0;
	seat_link_add_damage(stage->link, 0, &(struct damage_rect){ 10, 10, 5, 5 });
	seat_link_add_damage(stage->link, 0, &(struct damage_rect){ 600, 400, 5, 5 });
	link_stage_settle(stage);
	/* The peer reads at present: nothing is written below it. */
	assert_int_equal(seen->n_damages, 1);
	assert_int_equal(stage->n_draws, 0);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 10, 10), 0);
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_DRAWN, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(seen->n_damages, 2);
	assert_int_equal(seen->damage.n_boxes, 2);
	assert_int_equal(stage->n_draws, 2);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 10, 10), 0x00ff00);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 604, 404), 0x00ff00);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 605, 404), 0);
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_DRAWN, 0), 0);
	link_stage_settle(stage);
	assert_true(stage->peer->fd >= 0);
	/* Once more than it was asked for. */
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_DRAWN, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->fd, -1);
}

static void
test_seat_link__offers_one_size_at_a_time(void **state)
{
	struct link_stage *stage = *state;
	struct display_peer_scanout *seen;

	seat_link_set_scanout(stage->link, 0, 640, 480);
	link_stage_attach(stage, false);
	seen = &stage->peer->scanouts[0];
	for (uint32_t i = 1; i <= 20; i++)
		seat_link_set_scanout(stage->link, 0, 640 + 8 * i, 480);
	link_stage_settle(stage);
	assert_int_equal(seen->n_offers, 1);
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_ACK, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(seen->n_offers, 2);
	assert_int_equal(seen->offer.width, 800);
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_ACK, 0), 0);
	link_stage_settle(stage);
	/* The same size again is damage, told with the next one. */
	stage->paint = 0x0000ff;
	seat_link_set_scanout(stage->link, 0, 800, 480);
	link_stage_settle(stage);
	assert_int_equal(seen->n_damages, 0);
	seat_link_add_damage(stage->link, 0, &(struct damage_rect){ 0, 0, 1, 1 });
	link_stage_settle(stage);
	assert_int_equal(seen->n_offers, 2);
	assert_int_equal(seen->damage.boxes[0].width, 800);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 799, 479), 0x0000ff);
	/* A DRAWN of the surface before is no mistake. */
	seat_link_set_scanout(stage->link, 0, 0, 0);
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_DRAWN, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(seen->n_offers, 3);
	assert_null(seen->pixels);
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_ACK, 0), 0);
	link_stage_settle(stage);
	assert_true(stage->peer->fd >= 0);
	/* Once more than it was asked for. */
	assert_int_equal(display_peer_answer(stage->peer, SOURCE_ACK, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->fd, -1);
}

static void
test_seat_link__serves_the_newest(void **state)
{
	struct link_stage *stage = *state;
	struct display_peer *older;

	seat_link_set_scanout(stage->link, 0, 640, 480);
	link_stage_attach(stage, true);
	older = stage->peer;
	link_stage_attach(stage, true);
	display_peer_read(older);
	assert_int_equal(older->fd, -1);
	assert_int_equal(stage->n_releases, 1);
	assert_true(stage->peer->scanouts[0].offer.generation >
		    older->scanouts[0].offer.generation);
	display_peer_close(older);
	seat_link_add_damage(stage->link, 0, &(struct damage_rect){ 1, 2, 3, 4 });
	link_stage_settle(stage);
	assert_int_equal(stage->peer->scanouts[0].damage.boxes[0].y, 2);
}

static void
test_seat_link__waits_for_a_slow_display(void **state)
{
	struct link_stage *stage = *state;
	struct source_cursor cursor = { .width = 64, .height = 64, .visible = 1 };
	static uint8_t argb[64 * 64 * 4];

	seat_link_set_scanout(stage->link, 0, 640, 480);
	link_stage_attach(stage, true);
	stage->paint = 0x00ff00;
	for (int32_t i = 0; i < 5000; i++) {
		cursor.x = i;
		argb[0] = (uint8_t)i;
		seat_link_set_cursor(stage->link, &cursor, argb);
		seat_link_move_cursor(stage->link, 0, i, 77);
	}
	/* what cannot be sent is not even drawn */
	stage->n_draws = 0;
	for (int i = 0; i < 100; i++)
		seat_link_add_damage(stage->link, 0, &(struct damage_rect){ 0, 0, 640, 480 });
	assert_int_equal(stage->n_draws, 0);
	link_stage_settle(stage);
	assert_in_range(stage->n_draws, 1, 2);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 600, 400), 0x00ff00);
	assert_true(stage->peer->fd >= 0);
	assert_in_range(stage->peer->scanouts[0].n_cursors, 2, 4999);
	assert_int_equal(stage->peer->scanouts[0].cursor.x, 4999);
	assert_int_equal(stage->peer->scanouts[0].cursor.y, 77);
	assert_int_equal(stage->peer->scanouts[0].argb[0], (uint8_t)4999);
}

static void
test_seat_link__passes_input_on(void **state)
{
	struct link_stage *stage = *state;
	const struct source_key key = { 0x9c, 1 };
	struct source_pointer pointer = { 1, 0, 99, 0x15 };
	const struct source_wheel wheel = { -3 };
	struct source_size size = { 1, 1280, 1024 };

	seat_link_set_scanout(stage->link, 0, 300, 200);
	seat_link_set_scanout(stage->link, 1, 100, 100);
	link_stage_attach(stage, true);
	display_peer_send(stage->peer, SOURCE_KEY, &key, sizeof(key));
	display_peer_send(stage->peer, SOURCE_POINTER, &pointer, sizeof(pointer));
	display_peer_send(stage->peer, SOURCE_WHEEL, &wheel, sizeof(wheel));
	display_peer_send(stage->peer, SOURCE_SIZE, &size, sizeof(size));
	link_stage_settle(stage);
	assert_int_equal(stage->qnum, 0x9c);
	assert_true(stage->down);
	/* The second scanout begins at three quarters of the whole width. */
	assert_int_equal(stage->x, 300 * SEAT_LINK_MAX_POSITION / 399);
	assert_int_equal(stage->y, 99 * SEAT_LINK_MAX_POSITION / 199);
	assert_int_equal(stage->buttons, 0x15);
	assert_int_equal(stage->steps, -3);
	assert_int_equal(stage->size_scanout, 1);
	assert_int_equal(stage->height, 1024);
	pointer.x = 5000; /* of a picture that was larger */
	size = (struct source_size){ 1, 0, 0 };
	display_peer_send(stage->peer, SOURCE_POINTER, &pointer, sizeof(pointer));
	display_peer_send(stage->peer, SOURCE_SIZE, &size, sizeof(size));
	link_stage_settle(stage);
	assert_int_equal(stage->x, SEAT_LINK_MAX_POSITION);
	assert_int_equal(stage->width, 0);
	assert_true(stage->peer->fd >= 0);
}

static const struct {
	uint32_t type;
	uint32_t bytes;
	uint32_t words[6];
} hostile_table[] = {
	{ 0, 0, { 0 } },
	{ 99, 8, { 0 } },
	{ SOURCE_HELLO, sizeof(struct source_hello), { 1, 1 } },
	{ SOURCE_ACK, 16, { 2, 0, 1, 0 } },
	{ SOURCE_ACK, 16, { 0, 0, 9, 9 } },
	{ SOURCE_ACK, 15, { 0 } },
	{ SOURCE_DRAWN, 16, { 0xffffffff, 0, 1, 0 } },
	{ SOURCE_DRAWN, 16, { 0, 0, 0, 7 } },
	{ SOURCE_KEY, 8, { 256, 1 } },
	{ SOURCE_KEY, 8, { 30, 2 } },
	{ SOURCE_KEY, 9, { 30, 1 } },
	{ SOURCE_POINTER, 16, { 2, 0, 0, 0 } },
	{ SOURCE_POINTER, 16, { 0, 0, 0, 0x20 } },
	{ SOURCE_WHEEL, 4, { 65 } },
	{ SOURCE_WHEEL, 4, { 0x80000000 } },
	{ SOURCE_SIZE, 12, { 2, 640, 480 } },
	{ SOURCE_SIZE, 12, { 0, 0, 0 } }, /* the first monitor stays */
	{ SOURCE_SIZE, 12, { 1, 0, 480 } },
	{ SOURCE_SIZE, 12, { 0, 8193, 480 } },
	{ SOURCE_SIZE, 12, { 0, 640, SOURCE_MIN_SIZE - 1 } },
	{ SOURCE_LISTEN, 8, { 2, 0 } },
	{ SOURCE_LISTEN, 8, { 0, 2 } },
	{ SOURCE_LISTEN, 7, { 0, 0 } },
	{ SOURCE_HEARD, 0, { 0 } },
	{ SOURCE_SPOKEN, 8, { 0 } }, /* it does not speak */
	{ SOURCE_SPOKEN, 0, { 0 } },
	{ SOURCE_PLAYED, 4, { 0 } },
};

static void
test_seat_link__ends_with_whoever_breaks_the_rules(void **state)
{
	struct link_stage *stage = *state;

	seat_link_set_scanout(stage->link, 0, 640, 480);
	for (size_t i = 0; i < sizeof(hostile_table) / sizeof(hostile_table[0]); i++) {
		struct source_hello padded = { 0 };

		link_stage_attach(stage, true);
		memcpy(&padded, hostile_table[i].words, sizeof(hostile_table[i].words));
		assert_int_equal(display_peer_send(stage->peer, hostile_table[i].type, &padded,
						   hostile_table[i].bytes),
				 0);
		link_stage_settle(stage);
		assert_int_equal(stage->peer->fd, -1);
		display_peer_close(stage->peer);
		stage->peer = NULL;
	}
	assert_int_equal(stage->n_keys + stage->n_sizes, 0);
	link_stage_attach(stage, true);
	assert_true(stage->peer->fd >= 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_stage_open, link_stage_close)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_seat_link__lets_in_one_uid_only,
						link_stage_open_for_another, link_stage_close),
		TEST(test_seat_link__tells_how_things_are),
		TEST(test_seat_link__copies_nothing_for_nobody),
		TEST(test_seat_link__has_one_damage_out),
		TEST(test_seat_link__offers_one_size_at_a_time),
		TEST(test_seat_link__serves_the_newest),
		TEST(test_seat_link__waits_for_a_slow_display),
		TEST(test_seat_link__passes_input_on),
		TEST(test_seat_link__ends_with_whoever_breaks_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
