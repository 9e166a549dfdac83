/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_link_sound.c - what a guest plays and records by way of the display
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/proto_sound.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/link_stage.h"
#include "vmm/seat_link.h"

static void
listen_as(struct link_stage *stage, uint32_t hears, uint32_t speaks)
{
	const struct source_listen listen = { hears, speaks };

	display_peer_send(stage->peer, SOURCE_LISTEN, &listen, sizeof(listen));
	link_stage_settle(stage);
}

/* What a card would play: each frame is its number. */
static void
play(struct link_stage *stage, uint32_t first, uint32_t n_frames)
{
	int16_t samples[SOUND_MAX_FRAMES * SOUND_CHANNELS];

	for (uint32_t done = 0, step; done < n_frames; done += step) {
		step = n_frames - done < SOUND_MAX_FRAMES ? n_frames - done : SOUND_MAX_FRAMES;
		for (uint32_t i = 0; i < step; i++) {
			uint32_t frame = first + done + i;

			memcpy(samples + (size_t)i * SOUND_CHANNELS, &frame, sizeof(frame));
		}
		seat_link_play(stage->link, samples, step);
	}
}

static void
test_link_sound__plays_to_who_hears(void **state)
{
	struct link_stage *stage = *state;

	seat_link_change_sound(stage->link, SOUND_PLAY, true);
	play(stage, 0, 480);
	link_stage_attach(stage, true);
	assert_true(stage->peer->sound.plays);
	assert_false(stage->peer->sound.records);
	play(stage, 480, 480);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->n_played, 0);
	listen_as(stage, 1, 0);
	assert_int_equal(stage->peer->n_played, 0); /* nothing was kept for it */
	play(stage, 960, 480);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->n_played_frames, 480);
	assert_int_equal(stage->peer->last_played, 1439);
	/* The last that was played comes before the end. */
	play(stage, 1440, 300);
	seat_link_change_sound(stage->link, SOUND_PLAY, false);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->last_played, 1739);
	assert_false(stage->peer->sound.plays);
	listen_as(stage, 0, 0);
	seat_link_change_sound(stage->link, SOUND_PLAY, true);
	play(stage, 2000, 480);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->n_played_frames, 780);
	assert_int_equal(stage->peer->n_sounds, 3);
}

static void
test_link_sound__has_one_message_of_sound_out(void **state)
{
	struct link_stage *stage = *state;

	link_stage_attach(stage, false);
	seat_link_change_sound(stage->link, SOUND_PLAY, true);
	listen_as(stage, 1, 0);
	play(stage, 0, 480);
	link_stage_settle(stage);
	play(stage, 480, 100000);
	seat_link_change_sound(stage->link, SOUND_PLAY, false);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->n_played, 1);
	assert_int_equal(stage->peer->n_played_frames, 480);
	assert_true(stage->peer->sound.plays);
	/* What it reads late is the newest. */
	for (uint32_t i = 2; i < 4; i++) {
		assert_int_equal(display_peer_send(stage->peer, SOURCE_HEARD, NULL, 0), 0);
		link_stage_settle(stage);
		assert_int_equal(stage->peer->n_played, i);
	}
	assert_int_equal(stage->peer->n_played_frames, 480 + SOURCE_KEPT_FRAMES);
	assert_int_equal(stage->peer->last_played, 100479);
	assert_false(stage->peer->sound.plays);
	assert_int_equal(display_peer_send(stage->peer, SOURCE_HEARD, NULL, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->n_played, 3);
	assert_true(stage->peer->fd >= 0);
	/* Once more than it was asked for. */
	assert_int_equal(display_peer_send(stage->peer, SOURCE_HEARD, NULL, 0), 0);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->fd, -1);
}

static void
test_link_sound__records_who_speaks(void **state)
{
	struct link_stage *stage = *state;
	static uint32_t spoken[SOURCE_MAX_FRAMES];
	int16_t samples[SOUND_MAX_FRAMES * SOUND_CHANNELS];
	uint32_t frame;

	link_stage_attach(stage, true);
	listen_as(stage, 0, 1);
	/* The guest does not record: that was on its way. */
	display_peer_send(stage->peer, SOURCE_SPOKEN, spoken, sizeof(spoken));
	link_stage_settle(stage);
	seat_link_change_sound(stage->link, SOUND_RECORD, true);
	link_stage_settle(stage);
	assert_true(stage->peer->sound.records);
	assert_int_equal(seat_link_record(stage->link, samples, SOUND_MAX_FRAMES), 0);
	for (uint32_t i = 0; i < 3 * SOURCE_MAX_FRAMES; i++) {
		spoken[i % SOURCE_MAX_FRAMES] = i;
		if (i % SOURCE_MAX_FRAMES == SOURCE_MAX_FRAMES - 1)
			display_peer_send(stage->peer, SOURCE_SPOKEN, spoken, sizeof(spoken));
	}
	link_stage_settle(stage);
	/* It records late: the oldest third is lost. */
	assert_int_equal(seat_link_record(stage->link, samples, SOUND_MAX_FRAMES),
			 SOUND_MAX_FRAMES);
	memcpy(&frame, samples, sizeof(frame));
	assert_int_equal(frame, SOURCE_MAX_FRAMES);
	assert_int_equal(seat_link_record(stage->link, samples, 1), 1);
	memcpy(&frame, samples, sizeof(frame));
	assert_int_equal(frame, SOURCE_MAX_FRAMES + SOUND_MAX_FRAMES);
	/* Nothing of it is left for the next recording, or for one without a speaker. */
	seat_link_change_sound(stage->link, SOUND_RECORD, false);
	seat_link_change_sound(stage->link, SOUND_RECORD, true);
	assert_int_equal(seat_link_record(stage->link, samples, SOUND_MAX_FRAMES), 0);
	display_peer_send(stage->peer, SOURCE_SPOKEN, spoken, sizeof(spoken));
	listen_as(stage, 0, 0);
	assert_int_equal(seat_link_record(stage->link, samples, SOUND_MAX_FRAMES), 0);
	assert_true(stage->peer->fd >= 0);
}

static void
test_link_sound__takes_no_half_a_frame(void **state)
{
	struct link_stage *stage = *state;

	link_stage_attach(stage, true);
	listen_as(stage, 1, 1);
	assert_int_equal(display_peer_send(stage->peer, SOURCE_SPOKEN, "12345678", 8), 0);
	link_stage_settle(stage);
	assert_true(stage->peer->fd >= 0);
	assert_int_equal(display_peer_send(stage->peer, SOURCE_SPOKEN, "123456", 6), 0);
	link_stage_settle(stage);
	assert_int_equal(stage->peer->fd, -1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_link_sound__##name, link_stage_open, link_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plays_to_who_hears),
		TEST(has_one_message_of_sound_out),
		TEST(records_who_speaks),
		TEST(takes_no_half_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
