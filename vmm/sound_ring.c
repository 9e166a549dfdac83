/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sound_ring.c - frames on their way between the sound card and the display (carrel-vmm, under the
 * machine's lock)
 */
#include "vmm/sound_ring.h"

#include <stddef.h>
#include <string.h>

static uint32_t
sound_ring_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void
sound_ring_drop(struct sound_ring *ring, uint32_t n_frames)
{
	n_frames = sound_ring_least(n_frames, ring->n_frames);
	ring->first = (ring->first + n_frames) % SOURCE_KEPT_FRAMES;
	ring->n_frames -= n_frames;
}

void
sound_ring_put(struct sound_ring *ring, const void *frames, uint32_t n_frames)
{
	const uint8_t *from = frames;

	if (n_frames > SOURCE_KEPT_FRAMES) {
		from += (size_t)(n_frames - SOURCE_KEPT_FRAMES) * SOURCE_FRAME_BYTES;
		n_frames = SOURCE_KEPT_FRAMES;
	}
	if (n_frames > SOURCE_KEPT_FRAMES - ring->n_frames)
		sound_ring_drop(ring, n_frames - (SOURCE_KEPT_FRAMES - ring->n_frames));
	for (uint32_t step; n_frames > 0; n_frames -= step) {
		uint32_t at = (ring->first + ring->n_frames) % SOURCE_KEPT_FRAMES;

		step = sound_ring_least(n_frames, SOURCE_KEPT_FRAMES - at);
		memcpy(ring->frames[at], from, (size_t)step * SOURCE_FRAME_BYTES);
		from += (size_t)step * SOURCE_FRAME_BYTES;
		ring->n_frames += step;
	}
}

uint32_t
sound_ring_peek(const struct sound_ring *ring, void *target, uint32_t n_frames)
{
	uint8_t *to = target;
	uint32_t count = sound_ring_least(n_frames, ring->n_frames);
	uint32_t before_end = sound_ring_least(count, SOURCE_KEPT_FRAMES - ring->first);

	memcpy(to, ring->frames[ring->first], (size_t)before_end * SOURCE_FRAME_BYTES);
	memcpy(to + (size_t)before_end * SOURCE_FRAME_BYTES, ring->frames[0],
	       (size_t)(count - before_end) * SOURCE_FRAME_BYTES);
	return count;
}
