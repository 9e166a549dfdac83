/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_sound.h - the sound of a desktop on engine kvm: carrel-vmm to carrel-display, among the messages of proto_source.h
 *
 * type      from     payload         fds
 * SOUND     vmm      source_sound    -      whether the guest plays and records
 * LISTEN    display  source_listen   -      whether a client hears and speaks: none does until this says so
 * PLAYED    vmm      frames          -      what the guest plays, to a client that hears, after a SOUND that says so
 * HEARD     display  -               -      PLAYED was read: the next one may come (one is out at a time)
 * SPOKEN    display  frames          -      what a client says that speaks, while the guest records
 *
 * A payload of frames has 1 to SOURCE_MAX_FRAMES of them: two samples each, left and right, signed 16 bit,
 * SOURCE_SOUND_RATE frames a second. Who cannot pass them on keeps the newest SOURCE_KEPT_FRAMES.
 */
#ifndef BASE_PROTO_SOUND_H
#define BASE_PROTO_SOUND_H

#include <stdint.h>

#define SOURCE_SOUND_RATE  48000
#define SOURCE_FRAME_BYTES 4
#define SOURCE_MAX_FRAMES  4800 /* 100 ms */
#define SOURCE_KEPT_FRAMES 9600

struct source_sound {
	uint32_t plays; /* 0 or 1, as all of these */
	uint32_t records;
};

struct source_listen {
	uint32_t hears;
	uint32_t speaks;
};

#endif
