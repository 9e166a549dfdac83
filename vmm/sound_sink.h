/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sound_sink.h - where the guest's sound goes and where what it records comes from
 *
 * Frames are of two samples, left and right, signed 16 bit, SOUND_RATE of them a second. The sound
 * device calls with the machine's lock held and sets the pace: a sink never waits, and has buffers
 * of a fixed size. Without a sink, what is played is dropped at the stream's pace, and what is
 * recorded is silence.
 */
#ifndef VMM_SOUND_SINK_H
#define VMM_SOUND_SINK_H

#include <stdbool.h>
#include <stdint.h>

#define SOUND_RATE	  48000
#define SOUND_CHANNELS	  2
#define SOUND_FRAME_BYTES (SOUND_CHANNELS * sizeof(int16_t))
#define SOUND_MAX_FRAMES  480 /* in one call */

enum sound_direction {
	SOUND_RECORD,
	SOUND_PLAY,
	SOUND_DIRECTION_COUNT,
};

struct sound_sink {
	/* A stream begins to move, or stands. */
	void (*change)(void *context, enum sound_direction direction, bool moves);
	/* What there is no room for is dropped. */
	void (*play)(void *context, const int16_t *samples, uint32_t n_frames);
	/* How many frames there were, at most n_frames; the rest will be silence. */
	uint32_t (*record)(void *context, int16_t *samples, uint32_t n_frames);
	void *context;
};

#endif
