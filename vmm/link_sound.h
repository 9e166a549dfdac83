/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_sound.h - the sound of the display's link: what the guest plays, and what the client says
 */
#ifndef VMM_LINK_SOUND_H
#define VMM_LINK_SOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proto_sound.h"
#include "vmm/sound_ring.h"
#include "vmm/sound_sink.h"

struct link_sound {
	bool moves[SOUND_DIRECTION_COUNT]; /* the guest's streams */
	/* of this connection */
	bool hears;
	bool speaks;
	bool news;	 /* of moves */
	bool played_out; /* a PLAYED was not answered */
	struct sound_ring played;
	struct sound_ring spoken;
};

/* Somebody connects: who neither hears nor speaks. */
void link_sound_begin(struct link_sound *sound);

/* Tells what is new and may be told now. 0; -EAGAIN when the socket is full; another -errno. */
int link_sound_tell(struct link_sound *sound, int fd);

/* What the peer says: 0, or -EPROTO. */
int link_sound_take_listen(struct link_sound *sound, const struct source_listen *listen);
int link_sound_take_heard(struct link_sound *sound);
int link_sound_take_spoken(struct link_sound *sound, const void *frames, uint32_t bytes);

/* As in struct sound_sink; told by the next link_sound_tell(). */
void link_sound_change(struct link_sound *sound, enum sound_direction direction, bool moves);
void link_sound_play(struct link_sound *sound, const int16_t *samples, uint32_t n_frames);
uint32_t link_sound_record(struct link_sound *sound, int16_t *samples, uint32_t n_frames);

#endif
