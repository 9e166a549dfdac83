/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sound_client.h - a SPICE client that hears and speaks, for tests of carrel-display
 *
 * It is spice-gtk's library, in the test's process: sink and client live in one main loop. With Opus samples do not come out
 * as they went in, so a tone is known by how often it crosses zero.
 */
#ifndef TESTS_UNIT_SOUND_CLIENT_H
#define TESTS_UNIT_SOUND_CLIENT_H

#include <glib.h>
#include <spice-client.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "display/heads.h"
#include "display/sink.h"

#define SOUND_CLIENT_PASSWORD "secret"
#define SOUND_CLIENT_PIECE    480 /* frames */

/* What a tone's samples show. All zero: nothing was heard yet. */
struct ear {
	uint32_t n_frames;
	uint32_t n_crossings[2];
	bool below[2];
};

void ear_hear(struct ear *ear, const int16_t *samples, size_t n_frames);
/* Of the left (0) or the right side. */
uint32_t ear_get_hz(const struct ear *ear, size_t side);

/* A piece of two tones, 2 * SOUND_CLIENT_PIECE samples, from the frame "first" on. */
void sound_client_make_tone(uint32_t first, uint32_t left_hz, uint32_t right_hz,
			    int16_t *ret_samples);

/* A SPICE sink for such a client, which needs SOUND_CLIENT_PASSWORD. */
struct sound_server {
	struct sink *sink;
	struct surface *surfaces[HEADS_MAX];
	struct sink_events events;
};

/* Of what the client does only what it says is told. */
void sound_server_open(struct sound_server *server,
		       void (*spoken)(void *context, const void *frames, uint32_t n_frames),
		       void *context);
void sound_server_close(struct sound_server *server);

struct sound_client {
	struct sink *sink;
	SpiceSession *session;
	SpiceChannel *record; /* NULL: it was not asked to record */
	guint n_starts;
	guint n_stops;
	uint32_t rate; /* as it was told */
	struct ear ear;
};

/* Comes to the sink with SOUND_CLIENT_PASSWORD; "client" is all zero, or one that has gone. */
void sound_client_connect(struct sound_client *client, struct sink *sink);
void sound_client_disconnect(struct sound_client *client);
/* Speaks a piece, when it records. */
void sound_client_speak(struct sound_client *client, int16_t *samples, uint32_t time_ms);

#endif
