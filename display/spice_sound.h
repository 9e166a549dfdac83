/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_sound.h - a SPICE client's loudspeaker and microphone
 */
#ifndef DISPLAY_SPICE_SOUND_H
#define DISPLAY_SPICE_SOUND_H

#include <spice.h>
#include <stdbool.h>
#include <stdint.h>

struct sink_events;
struct spice_sound;

/* Tells spoken. NULL when the library refuses. */
struct spice_sound *spice_sound_new(SpiceServer *server, const struct sink_events *events,
				    void *context);
void spice_sound_free(struct spice_sound *sound);

/* As in struct sink_ops. */
void spice_sound_set(struct spice_sound *sound, bool plays, bool records);
void spice_sound_play(struct spice_sound *sound, const void *frames, uint32_t n_frames);

#endif
