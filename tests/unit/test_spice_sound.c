/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spice_sound.c - tones go through the SPICE sink to a client, and from it
 *
 * The client is spice-gtk's library, in this process: both live in the main loop. With Opus samples do not come out as they
 * went in, so a tone is known by how often it crosses zero.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <spice-client.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/proto_sound.h"
#include "display/sink.h"
#include "display/sink_spice.h"
#include "display/surface.h"

#define PASSWORD     "secret"
#define PIECE	     480 /* frames */
#define LEFT_HZ	     440
#define RIGHT_HZ     1200
#define VOICE_HZ     700
#define ENOUGH	     (SOURCE_SOUND_RATE / 2) /* frames: of this many a tone is told */
#define LOUD	     12000
#define QUIET	     2000 /* what Opus makes of the other side's tone is less */
#define TOLERANCE_HZ 30	  /* Opus begins with silence */
#define PATIENCE_MS  20000

/* What a tone's samples show. */
struct ear {
	uint32_t n_frames;
	uint32_t n_crossings[2];
	bool below[2];
};

struct stage {
	struct surface *surface;
	struct sink *sink;
	SpiceSession *session;
	SpiceChannel *record;
	guint n_starts;
	guint n_stops;
	guint n_record_starts;
	uint32_t rate;
	struct ear client;
	struct ear guest;
};

static void
ear_hear(struct ear *ear, const int16_t *samples, size_t n_frames)
{
	for (size_t i = 0; i < 2 * n_frames; i++) {
		bool *below = &ear->below[i % 2];

		if (*below ? samples[i] < QUIET : samples[i] > -QUIET)
			continue;
		*below = !*below;
		ear->n_crossings[i % 2]++;
	}
	ear->n_frames += (uint32_t)n_frames;
}

static void
ear_expect(const struct ear *ear, uint32_t left_hz, uint32_t right_hz)
{
	const uint32_t wanted[2] = { left_hz, right_hz };

	for (size_t i = 0; i < 2; i++) {
		uint32_t hz = (uint32_t)((uint64_t)ear->n_crossings[i] * SOURCE_SOUND_RATE / 2 /
					 ear->n_frames);

		assert_in_range(hz, wanted[i] - TOLERANCE_HZ, wanted[i] + TOLERANCE_HZ);
	}
}

static void
make_tone(uint32_t first, uint32_t left_hz, uint32_t right_hz, int16_t *ret_samples)
{
	for (uint32_t i = 0; i < PIECE; i++) {
		double turns = 2 * G_PI * (first + i) / SOURCE_SOUND_RATE;

		ret_samples[2 * i] = (int16_t)(LOUD * sin(turns * left_hz));
		ret_samples[2 * i + 1] = (int16_t)(LOUD * sin(turns * right_hz));
	}
}

/* The display's side. */

static void
ignore_connection(void *context, uint32_t connection_id)
{
	(void)context;
	(void)connection_id;
}

static void
ignore_size(void *context, uint32_t width, uint32_t height)
{
	(void)context;
	(void)width;
	(void)height;
}

static void
ignore_button(void *context, enum source_button button, bool down)
{
	(void)context;
	(void)button;
	(void)down;
}

static void
note_spoken(void *context, const void *frames, uint32_t n_frames)
{
	struct stage *stage = context;

	ear_hear(&stage->guest, frames, n_frames);
}

static uint32_t
no_backlog(void *context)
{
	(void)context;
	return 0;
}

static const struct sink_events events = {
	.main_linked = ignore_connection,
	.main_ended = ignore_connection,
	.size_wanted = ignore_size,
	.size_shown = ignore_size,
	.button = ignore_button,
	.spoken = note_spoken,
	.backlog = no_backlog,
};

static void
ignore_change(void *context)
{
	(void)context;
}

/* The client's side. */

static void
handle_open_fd(SpiceChannel *channel, int with_tls, gpointer data)
{
	struct stage *stage = data;
	int pair[2];

	assert_false(with_tls);
	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	assert_int_equal(stage->sink->ops->add_client(stage->sink, pair[1]), 0);
	assert_true(spice_channel_open_fd(channel, pair[0]));
}

static void
handle_start(SpicePlaybackChannel *channel, int format, int channels, int rate, gpointer data)
{
	struct stage *stage = data;

	(void)channel;
	assert_int_equal(format, SPICE_AUDIO_FMT_S16);
	assert_int_equal(channels, 2);
	stage->rate = (uint32_t)rate;
	stage->n_starts++;
}

static void
handle_data(SpicePlaybackChannel *channel, gpointer samples, int bytes, gpointer data)
{
	(void)channel;
	ear_hear(&((struct stage *)data)->client, samples, (size_t)bytes / SOURCE_FRAME_BYTES);
}

static void
handle_stop(SpicePlaybackChannel *channel, gpointer data)
{
	(void)channel;
	((struct stage *)data)->n_stops++;
}

static void
handle_record_start(SpiceRecordChannel *channel, int format, int channels, int rate, gpointer data)
{
	struct stage *stage = data;

	(void)format;
	(void)channels;
	stage->record = SPICE_CHANNEL(channel);
	stage->rate = (uint32_t)rate;
	stage->n_record_starts++;
}

static void
handle_channel(SpiceSession *session, SpiceChannel *channel, gpointer data)
{
	(void)session;
	g_signal_connect(channel, "open-fd", G_CALLBACK(handle_open_fd), data);
	if (SPICE_IS_PLAYBACK_CHANNEL(channel)) {
		g_signal_connect(channel, "playback-start", G_CALLBACK(handle_start), data);
		g_signal_connect(channel, "playback-data", G_CALLBACK(handle_data), data);
		g_signal_connect(channel, "playback-stop", G_CALLBACK(handle_stop), data);
	} else if (SPICE_IS_RECORD_CHANNEL(channel)) {
		g_signal_connect(channel, "record-start", G_CALLBACK(handle_record_start), data);
	} else {
		return; /* the main channel connects by itself */
	}
	spice_channel_connect(channel);
}

static void
connect_client(struct stage *stage)
{
	stage->session = spice_session_new();
	g_object_set(stage->session, "password", PASSWORD, NULL);
	g_signal_connect(stage->session, "channel-new", G_CALLBACK(handle_channel), stage);
	assert_true(spice_session_open_fd(stage->session, -1));
}

static void
disconnect_client(struct stage *stage)
{
	if (stage->session)
		spice_session_disconnect(stage->session);
	g_clear_object(&stage->session);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	stage->surface = surface_new(ignore_change, NULL);
	stage->sink = sink_spice_new("test", stage->surface, &events, stage);
	assert_non_null(stage->sink);
	stage->sink->ops->set_password(stage->sink, PASSWORD);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	disconnect_client(stage);
	stage->sink->ops->free(stage->sink);
	surface_free(stage->surface);
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
	int16_t samples[2 * PIECE];

	make_tone(*position, LEFT_HZ, RIGHT_HZ, samples);
	*position += PIECE;
	/* Pieces of all sizes come. */
	stage->sink->ops->play(stage->sink, samples, 100);
	stage->sink->ops->play(stage->sink, samples + 200, PIECE - 100);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void
test_spice_sound__a_client_hears_the_tones(void **state)
{
	struct stage *stage = *state;
	uint32_t position = 0;
	gint64 deadline_us = 0;

	/* Before somebody is there it goes nowhere. */
	stage->sink->ops->set_sound(stage->sink, true, false);
	play_piece(stage, &position);
	connect_client(stage);
	while (stage->n_starts == 0)
		wait_more(&deadline_us);
	assert_int_equal(stage->rate, SOURCE_SOUND_RATE);
	while (stage->client.n_frames < ENOUGH) {
		play_piece(stage, &position);
		wait_more(&deadline_us);
	}
	ear_expect(&stage->client, LEFT_HZ, RIGHT_HZ);
	/* Between two tunes, and for the next client. */
	stage->sink->ops->set_sound(stage->sink, false, false);
	while (stage->n_stops == 0)
		wait_more(&deadline_us);
	play_piece(stage, &position);
	stage->sink->ops->set_sound(stage->sink, true, false);
	while (stage->n_starts < 2)
		wait_more(&deadline_us);
	play_piece(stage, &position);
	disconnect_client(stage);
	play_piece(stage, &position);
	memset(&stage->client, 0, sizeof(stage->client));
	connect_client(stage);
	while (stage->client.n_frames < ENOUGH) {
		play_piece(stage, &position);
		wait_more(&deadline_us);
	}
	assert_int_equal(stage->n_starts, 3);
}

static void
test_spice_sound__the_guest_hears_a_voice(void **state)
{
	struct stage *stage = *state;
	int16_t samples[2 * PIECE];
	uint32_t position = 0;
	gint64 deadline_us = 0;

	stage->sink->ops->set_sound(stage->sink, false, true);
	connect_client(stage);
	while (stage->n_record_starts == 0)
		wait_more(&deadline_us);
	assert_int_equal(stage->rate, SOURCE_SOUND_RATE);
	while (stage->guest.n_frames < ENOUGH) {
		make_tone(position, VOICE_HZ, VOICE_HZ, samples);
		spice_record_channel_send_data(SPICE_RECORD_CHANNEL(stage->record), samples,
					       sizeof(samples), position / 48);
		position += PIECE;
		for (uint32_t i = 0; i < 10; i++)
			wait_more(&deadline_us);
	}
	ear_expect(&stage->guest, VOICE_HZ, VOICE_HZ);
	stage->sink->ops->set_sound(stage->sink, false, false);
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
