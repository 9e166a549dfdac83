/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sound_ring.h - frames on their way between the sound card and the display: the newest
 * SOURCE_KEPT_FRAMES
 *
 * A ring that is all zero is empty. There is nothing to free.
 */
#ifndef VMM_SOUND_RING_H
#define VMM_SOUND_RING_H

#include <stdint.h>

#include "base/proto_sound.h"

struct sound_ring {
	uint32_t first; /* the oldest frame's place */
	uint32_t n_frames;
	uint8_t frames[SOURCE_KEPT_FRAMES][SOURCE_FRAME_BYTES];
};

/* For more than there is room for the oldest ones go. */
void sound_ring_put(struct sound_ring *ring, const void *frames, uint32_t n_frames);
/* Copies the oldest frames, at most n_frames, which stay; how many. */
uint32_t sound_ring_peek(const struct sound_ring *ring, void *target, uint32_t n_frames);
/* The oldest n_frames go. */
void sound_ring_drop(struct sound_ring *ring, uint32_t n_frames);

#endif
