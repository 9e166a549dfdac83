/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_sound.c - the sound of the display's link (carrel-vmm)
 *
 * How it works: the card's clock alone sets the pace, here samples only wait in two rings. What is
 * played goes out one message at a time, so a display that does not read costs no room in its
 * socket, and hears the newest when it reads again. What nobody hears goes into no ring.
 */
#include "vmm/link_sound.h"

#include <assert.h>
#include <errno.h>

#include "base/proto_source.h"
#include "base/seq.h"
#include "vmm/link_scanout.h"

static_assert(SOUND_FRAME_BYTES == SOURCE_FRAME_BYTES && SOUND_RATE == SOURCE_SOUND_RATE,
	      "the card's sound is that of the protocol");
static_assert(SOURCE_MAX_FRAMES * SOURCE_FRAME_BYTES <= SEQ_MAX_PAYLOAD, "it is one message");

void
link_sound_begin(struct link_sound *sound)
{
	sound->hears = false;
	sound->speaks = false;
	sound->news = true;
	sound->played_out = false;
	sound_ring_drop(&sound->played, SOURCE_KEPT_FRAMES);
	sound_ring_drop(&sound->spoken, SOURCE_KEPT_FRAMES);
}

static int
link_sound_send_news(struct link_sound *sound, int fd)
{
	struct source_sound payload = { sound->moves[SOUND_PLAY], sound->moves[SOUND_RECORD] };
	int error;

	if (!sound->news)
		return 0;
	error = link_scanout_send(fd, SOURCE_SOUND, &payload, sizeof(payload), -1);
	if (error == 0)
		sound->news = false;
	return error;
}

static int
link_sound_send_played(struct link_sound *sound, int fd)
{
	uint8_t frames[SOURCE_MAX_FRAMES][SOURCE_FRAME_BYTES];
	uint32_t n_frames = sound_ring_peek(&sound->played, frames, SOURCE_MAX_FRAMES);
	int error;

	if (n_frames == 0 || sound->played_out)
		return 0;
	error = link_scanout_send(fd, SOURCE_PLAYED, frames, (size_t)n_frames * SOURCE_FRAME_BYTES,
				  -1);
	if (error < 0)
		return error;
	sound_ring_drop(&sound->played, n_frames);
	sound->played_out = true;
	return 0;
}

/*
 * That the guest plays is told before what it plays, and that it does not, after all that it has
 * played.
 */
int
link_sound_tell(struct link_sound *sound, int fd)
{
	int error = sound->moves[SOUND_PLAY] ? link_sound_send_news(sound, fd) : 0;

	if (error == 0)
		error = link_sound_send_played(sound, fd);
	if (error == 0 && sound->played.n_frames == 0)
		error = link_sound_send_news(sound, fd);
	return error;
}

int
link_sound_take_listen(struct link_sound *sound, const struct source_listen *listen)
{
	if (listen->hears > 1 || listen->speaks > 1)
		return -EPROTO;
	sound->hears = listen->hears;
	sound->speaks = listen->speaks;
	if (!sound->hears)
		sound_ring_drop(&sound->played, SOURCE_KEPT_FRAMES);
	if (!sound->speaks)
		sound_ring_drop(&sound->spoken, SOURCE_KEPT_FRAMES);
	return 0;
}

int
link_sound_take_heard(struct link_sound *sound)
{
	if (!sound->played_out)
		return -EPROTO;
	sound->played_out = false;
	return 0;
}

int
link_sound_take_spoken(struct link_sound *sound, const void *frames, uint32_t bytes)
{
	if (bytes % SOURCE_FRAME_BYTES != 0 || !sound->speaks)
		return -EPROTO;
	/* The guest may have stopped while this was on its way. */
	if (sound->moves[SOUND_RECORD])
		sound_ring_put(&sound->spoken, frames, bytes / SOURCE_FRAME_BYTES);
	return 0;
}

void
link_sound_change(struct link_sound *sound, enum sound_direction direction, bool moves)
{
	sound->moves[direction] = moves;
	sound->news = true;
	if (direction == SOUND_RECORD)
		sound_ring_drop(&sound->spoken, SOURCE_KEPT_FRAMES);
}

void
link_sound_play(struct link_sound *sound, const int16_t *samples, uint32_t n_frames)
{
	if (sound->hears)
		sound_ring_put(&sound->played, samples, n_frames);
}

uint32_t
link_sound_record(struct link_sound *sound, int16_t *samples, uint32_t n_frames)
{
	uint32_t count = sound_ring_peek(&sound->spoken, samples, n_frames);

	sound_ring_drop(&sound->spoken, count);
	return count;
}
