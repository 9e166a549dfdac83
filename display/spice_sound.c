/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_sound.c - a SPICE client's loudspeaker and microphone (carrel-display, main thread)
 *
 * How it works: libspice-server lends packets of a size that it chooses (480 frames with Opus). Frames are collected in one
 * until it is full, then it is put, and replaces one that the client's socket had no room for; so what waits for a slow
 * client is its socket's content and one packet. Without a client there is no packet, and frames go nowhere. What is
 * recorded has to be asked for: while the guest records a timer does.
 *
 * There is one rate, the guest's card's. Clients with Opus get that, others plain samples.
 */
#include "display/spice_sound.h"

#include <assert.h>
#include <glib.h>
#include <string.h>

#include "base/proto_sound.h"
#include "display/sink.h"

#define RECORD_INTERVAL_MS 10
#define RECORD_FRAMES	   (SOURCE_SOUND_RATE / 1000 * RECORD_INTERVAL_MS)
#define RECORD_TURNS \
	4 /* a late timer catches up, a client that floods does not hold up the main loop */

/* libspice-server calls a frame a sample, and has both of its samples in one number. */
static_assert(sizeof(uint32_t) == SOURCE_FRAME_BYTES, "a frame is one of the library's samples");

struct spice_sound {
	const struct sink_events *events;
	void *context;
	SpicePlaybackInstance playback;
	SpiceRecordInstance record;
	bool has_playback;
	bool has_record;
	bool plays;
	uint32_t *packet; /* lent, not put yet; NULL: none */
	uint32_t packet_frames;
	uint32_t n_frames;  /* filled of these */
	guint record_timer; /* 0: the guest does not record */
};

static const SpicePlaybackInterface playback_interface = {
	.base.type = SPICE_INTERFACE_PLAYBACK,
	.base.description = "carrel loudspeaker",
	.base.major_version = SPICE_INTERFACE_PLAYBACK_MAJOR,
	.base.minor_version = SPICE_INTERFACE_PLAYBACK_MINOR,
};

static const SpiceRecordInterface record_interface = {
	.base.type = SPICE_INTERFACE_RECORD,
	.base.description = "carrel microphone",
	.base.major_version = SPICE_INTERFACE_RECORD_MAJOR,
	.base.minor_version = SPICE_INTERFACE_RECORD_MINOR,
};

static void
spice_sound_put_packet(struct spice_sound *self)
{
	spice_server_playback_put_samples(&self->playback, g_steal_pointer(&self->packet));
	self->n_frames = 0;
}

void
spice_sound_play(struct spice_sound *self, const void *frames, uint32_t n_frames)
{
	const uint8_t *from = frames;

	for (uint32_t step; self->plays && n_frames > 0; n_frames -= step) {
		if (!self->packet)
			spice_server_playback_get_buffer(&self->playback, &self->packet,
							 &self->packet_frames);
		if (!self->packet)
			return;
		step = MIN(n_frames, self->packet_frames - self->n_frames);
		memcpy(self->packet + self->n_frames, from, (size_t)step * SOURCE_FRAME_BYTES);
		from += (size_t)step * SOURCE_FRAME_BYTES;
		self->n_frames += step;
		if (self->n_frames == self->packet_frames)
			spice_sound_put_packet(self);
	}
}

/* What is left of the last packet is silence. */
static void
spice_sound_flush(struct spice_sound *self)
{
	if (!self->packet)
		return;
	memset(self->packet + self->n_frames, 0,
	       (size_t)(self->packet_frames - self->n_frames) * SOURCE_FRAME_BYTES);
	spice_sound_put_packet(self);
}

static void
spice_sound_set_plays(struct spice_sound *self, bool plays)
{
	if (plays == self->plays)
		return;
	self->plays = plays;
	if (plays) {
		spice_server_playback_start(&self->playback);
	} else {
		spice_sound_flush(self);
		spice_server_playback_stop(&self->playback);
	}
}

static gboolean
spice_sound_handle_record(gpointer user_data)
{
	struct spice_sound *self = user_data;
	uint32_t frames[RECORD_FRAMES];
	uint32_t n_frames = RECORD_FRAMES;

	for (int i = 0; i < RECORD_TURNS && n_frames == RECORD_FRAMES; i++) {
		n_frames = spice_server_record_get_samples(&self->record, frames, RECORD_FRAMES);
		if (n_frames > 0)
			self->events->spoken(self->context, frames, n_frames);
	}
	return G_SOURCE_CONTINUE;
}

static void
spice_sound_set_records(struct spice_sound *self, bool records)
{
	if (records == (self->record_timer != 0))
		return;
	if (records) {
		spice_server_record_start(&self->record);
		self->record_timer =
			g_timeout_add(RECORD_INTERVAL_MS, spice_sound_handle_record, self);
	} else {
		g_clear_handle_id(&self->record_timer, g_source_remove);
		spice_server_record_stop(&self->record);
	}
}

void
spice_sound_set(struct spice_sound *self, bool plays, bool records)
{
	spice_sound_set_plays(self, plays);
	spice_sound_set_records(self, records);
}

struct spice_sound *
spice_sound_new(SpiceServer *server, const struct sink_events *events, void *context)
{
	struct spice_sound *self = g_new0(struct spice_sound, 1);

	self->events = events;
	self->context = context;
	self->playback.base.sif = &playback_interface.base;
	self->record.base.sif = &record_interface.base;
	self->has_playback = spice_server_add_interface(server, &self->playback.base) == 0;
	self->has_record = spice_server_add_interface(server, &self->record.base) == 0;
	if (!self->has_playback || !self->has_record) {
		spice_sound_free(self);
		return NULL;
	}
	spice_server_set_playback_rate(&self->playback, SOURCE_SOUND_RATE);
	spice_server_set_record_rate(&self->record, SOURCE_SOUND_RATE);
	return self;
}

void
spice_sound_free(struct spice_sound *self)
{
	if (!self)
		return;
	spice_sound_set(self, false, false);
	if (self->has_record)
		spice_server_remove_interface(&self->record.base);
	if (self->has_playback)
		spice_server_remove_interface(&self->playback.base);
	g_free(self);
}
