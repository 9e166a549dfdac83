/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spice_sound.c - tones go through the SPICE sink to a client, and from it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/proto_sound.h"
#include "tests/unit/sound_client.h"

#define LEFT_HZ	     440
#define RIGHT_HZ     1200
#define VOICE_HZ     700
#define ENOUGH	     (SOURCE_SOUND_RATE / 2) /* frames: of this many a tone is told */
#define TOLERANCE_HZ 30			     /* Opus begins with silence */
#define PATIENCE_MS  20000

struct stage {
	struct sound_server server;
	struct sound_client client;
	struct ear guest;
};

static void
note_spoken(void *context, const void *frames, uint32_t n_frames)
{
	struct stage *stage = context;

	ear_hear(&stage->guest, frames, n_frames);
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	sound_server_open(&stage->server, note_spoken, stage);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	sound_client_disconnect(&stage->client);
	sound_server_close(&stage->server);
	test_free(stage);
	return 0;
}

/* One turn of the main loop, which may wait; fails when nothing comes of it for long. */
static void
wait_more(gint64 *deadline_us)
{
	if (*deadline_us == 0)
		*deadline_us = g_get_monotonic_time() + PATIENCE_MS * 1000;
	assert_true(g_get_monotonic_time() < *deadline_us);
	if (!g_main_context_iteration(NULL, FALSE))
		g_usleep(1000);
}

static void
play_piece(struct stage *stage, uint32_t *position)
{
	int16_t samples[2 * SOUND_CLIENT_PIECE];

	sound_client_make_tone(*position, LEFT_HZ, RIGHT_HZ, samples);
	*position += SOUND_CLIENT_PIECE;
	/* Pieces of all sizes come. */
	stage->server.sink->ops->play(stage->server.sink, samples, 100);
	stage->server.sink->ops->play(stage->server.sink, samples + 200, SOUND_CLIENT_PIECE - 100);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void
expect_tone(const struct ear *ear, size_t side, uint32_t hz)
{
	assert_in_range(ear_get_hz(ear, side), hz - TOLERANCE_HZ, hz + TOLERANCE_HZ);
}

static void
test_spice_sound__a_client_hears_the_tones(void **state)
{
	struct stage *stage = *state;
	struct sound_client *client = &stage->client;
	uint32_t position = 0;
	gint64 deadline_us = 0;

	/* Before somebody is there it goes nowhere. */
	stage->server.sink->ops->set_sound(stage->server.sink, true, false);
	play_piece(stage, &position);
	sound_client_connect(client, stage->server.sink);
	while (client->n_starts == 0)
		wait_more(&deadline_us);
	assert_int_equal(client->rate, SOURCE_SOUND_RATE);
	while (client->ear.n_frames < ENOUGH) {
		play_piece(stage, &position);
		wait_more(&deadline_us);
	}
	expect_tone(&client->ear, 0, LEFT_HZ);
	expect_tone(&client->ear, 1, RIGHT_HZ);
	/* Between two tunes, and for the next client. */
	stage->server.sink->ops->set_sound(stage->server.sink, false, false);
	while (client->n_stops == 0)
		wait_more(&deadline_us);
	play_piece(stage, &position);
	stage->server.sink->ops->set_sound(stage->server.sink, true, false);
	while (client->n_starts < 2)
		wait_more(&deadline_us);
	stage->server.sink->ops->play(stage->server.sink, "half a packet.....", 4);
	sound_client_disconnect(client);
	play_piece(stage, &position);
	memset(&client->ear, 0, sizeof(client->ear));
	sound_client_connect(client, stage->server.sink);
	while (client->ear.n_frames < ENOUGH) {
		play_piece(stage, &position);
		wait_more(&deadline_us);
	}
	assert_int_equal(client->n_starts, 3);
}

static void
test_spice_sound__the_guest_hears_a_voice(void **state)
{
	struct stage *stage = *state;
	int16_t samples[2 * SOUND_CLIENT_PIECE];
	uint32_t position = 0;
	gint64 deadline_us = 0;

	stage->server.sink->ops->set_sound(stage->server.sink, false, true);
	sound_client_connect(&stage->client, stage->server.sink);
	while (!stage->client.record)
		wait_more(&deadline_us);
	assert_int_equal(stage->client.rate, SOURCE_SOUND_RATE);
	while (stage->guest.n_frames < ENOUGH) {
		sound_client_make_tone(position, VOICE_HZ, VOICE_HZ, samples);
		sound_client_speak(&stage->client, samples, position / (SOURCE_SOUND_RATE / 1000));
		position += SOUND_CLIENT_PIECE;
		for (uint32_t i = 0; i < 10; i++)
			wait_more(&deadline_us);
	}
	expect_tone(&stage->guest, 0, VOICE_HZ);
	expect_tone(&stage->guest, 1, VOICE_HZ);
	stage->server.sink->ops->set_sound(stage->server.sink, false, false);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_spice_sound__##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_client_hears_the_tones),
		TEST(the_guest_hears_a_voice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
