/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sound_client.c - a SPICE client that hears and speaks, for tests of carrel-display
 */
#include "tests/unit/sound_client.h"

#include <math.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/proto_sound.h"
#include "display/sink_spice.h"
#include "display/surface.h"

#define LOUD  12000
#define QUIET 2000 /* what Opus makes of the other side's tone is less */

void
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

uint32_t
ear_get_hz(const struct ear *ear, size_t side)
{
	return (uint32_t)((uint64_t)ear->n_crossings[side] * SOURCE_SOUND_RATE / 2 / ear->n_frames);
}

void
sound_client_make_tone(uint32_t first, uint32_t left_hz, uint32_t right_hz, int16_t *ret_samples)
{
	for (uint32_t i = 0; i < SOUND_CLIENT_PIECE; i++) {
		double turns = 2 * G_PI * (first + i) / SOURCE_SOUND_RATE;

		ret_samples[2 * i] = (int16_t)(LOUD * sin(turns * left_hz));
		ret_samples[2 * i + 1] = (int16_t)(LOUD * sin(turns * right_hz));
	}
}

static void
sound_client_handle_open(SpiceChannel *channel, int with_tls, gpointer data)
{
	struct sound_client *client = data;
	int pair[2];

	if (with_tls || io_socketpair(SOCK_STREAM, pair) < 0)
		abort();
	client->sink->ops->add_client(client->sink, pair[1]);
	spice_channel_open_fd(channel, pair[0]);
}

static void
sound_client_handle_start(SpicePlaybackChannel *channel, int format, int channels, int rate,
			  gpointer data)
{
	struct sound_client *client = data;

	(void)channel;
	if (format != SPICE_AUDIO_FMT_S16 || channels != 2)
		abort();
	client->rate = (uint32_t)rate;
	client->n_starts++;
}

static void
sound_client_handle_data(SpicePlaybackChannel *channel, gpointer samples, int bytes, gpointer data)
{
	struct sound_client *client = data;

	(void)channel;
	ear_hear(&client->ear, samples, (size_t)bytes / SOURCE_FRAME_BYTES);
}

static void
sound_client_handle_stop(SpicePlaybackChannel *channel, gpointer data)
{
	struct sound_client *client = data;

	(void)channel;
	client->n_stops++;
}

static void
sound_client_handle_record(SpiceRecordChannel *channel, int format, int channels, int rate,
			   gpointer data)
{
	struct sound_client *client = data;

	if (format != SPICE_AUDIO_FMT_S16 || channels != 2)
		abort();
	client->record = SPICE_CHANNEL(channel);
	client->rate = (uint32_t)rate;
}

static void
sound_client_handle_channel(SpiceSession *session, SpiceChannel *channel, gpointer data)
{
	(void)session;
	g_signal_connect(channel, "open-fd", G_CALLBACK(sound_client_handle_open), data);
	if (SPICE_IS_PLAYBACK_CHANNEL(channel)) {
		g_signal_connect(channel, "playback-start", G_CALLBACK(sound_client_handle_start),
				 data);
		g_signal_connect(channel, "playback-data", G_CALLBACK(sound_client_handle_data),
				 data);
		g_signal_connect(channel, "playback-stop", G_CALLBACK(sound_client_handle_stop),
				 data);
	} else if (SPICE_IS_RECORD_CHANNEL(channel)) {
		g_signal_connect(channel, "record-start", G_CALLBACK(sound_client_handle_record),
				 data);
	} else {
		return; /* the main channel connects by itself, others are not needed */
	}
	spice_channel_connect(channel);
}

static void
sound_server_ignore_connection(void *context, uint32_t connection_id)
{
	(void)context;
	(void)connection_id;
}

static void
sound_server_ignore_button(void *context, enum source_button button, bool down)
{
	(void)context;
	(void)button;
	(void)down;
}

static void
sound_server_ignore_change(void *context)
{
	(void)context;
}

void
sound_server_open(struct sound_server *server,
		  void (*spoken)(void *context, const void *frames, uint32_t n_frames),
		  void *context)
{
	server->events = (struct sink_events){
		.main_linked = sound_server_ignore_connection,
		.main_ended = sound_server_ignore_connection,
		.button = sound_server_ignore_button,
		.spoken = spoken,
	};
	for (guint i = 0; i < HEADS_MAX; i++)
		server->surfaces[i] = surface_new(sound_server_ignore_change, NULL);
	server->sink = sink_spice_new("test", server->surfaces, &server->events, context);
	if (!server->sink)
		abort();
	server->sink->ops->set_password(server->sink, SOUND_CLIENT_PASSWORD);
}

void
sound_server_close(struct sound_server *server)
{
	server->sink->ops->free(server->sink);
	for (guint i = 0; i < HEADS_MAX; i++)
		surface_free(server->surfaces[i]);
}

void
sound_client_connect(struct sound_client *client, struct sink *sink)
{
	client->sink = sink;
	client->session = spice_session_new();
	g_object_set(client->session, "password", SOUND_CLIENT_PASSWORD, NULL);
	g_signal_connect(client->session, "channel-new", G_CALLBACK(sound_client_handle_channel),
			 client);
	if (!spice_session_open_fd(client->session, -1))
		abort();
}

void
sound_client_disconnect(struct sound_client *client)
{
	client->record = NULL;
	if (client->session)
		spice_session_disconnect(client->session);
	g_clear_object(&client->session);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

void
sound_client_speak(struct sound_client *client, int16_t *samples, uint32_t time_ms)
{
	if (client->record)
		spice_record_channel_send_data(SPICE_RECORD_CHANNEL(client->record), samples,
					       SOUND_CLIENT_PIECE * SOURCE_FRAME_BYTES, time_ms);
}
