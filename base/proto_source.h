/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_source.h - picture, sound and input of a desktop on engine kvm: carrel-vmm to carrel-display
 *
 * SOCK_SEQPACKET on the desktop folder's "display" socket, seq.h messages. carrel-vmm has the listening socket;
 * hostd connects and passes the connection on to carrel-display (proto_display.h SOURCE). The newest connection
 * replaces an older one. Neither side waits for the other: all that vmm says is how things are now, so while display
 * does not read, news replace older news, and input that vmm does not read in time is dropped by display.
 *
 * type      from     payload             fds
 * HELLO     vmm      source_hello        -      first: then SCANOUT of each head, CURSOR, LEDS
 * SCANOUT   vmm      source_scanout      0, 1   a new surface generation; without fd: this head is off
 * ACK       display  source_ack          -      answers each SCANOUT, with and without fd: the surface before is not needed any
 *                                               more, DAMAGE and the next SCANOUT may come
 * DAMAGE    vmm      source_damage       -      these rectangles of the surface have changed
 * DRAWN     display  source_ack          -      damage was read: the next DAMAGE may come (one is out at a time)
 * CURSOR    vmm      source_cursor+ARGB  -      shape, in rows of 4 * width bytes, and where it is
 * MOVE      vmm      source_move         -      the cursor's place
 * LEDS      vmm      source_leds         -      the keyboard's lights, as the guest sets them
 * KEY       display  source_key          -
 * POINTER   display  source_pointer      -      absolute, and buttons
 * WHEEL     display  source_wheel        -
 * SIZE      display  source_size         -      what the client would like: goes into the EDID; 0 x 0 takes a head but the first away
 * LISTEN, SOUND, PLAYED, HEARD, SPOKEN: proto_sound.h
 *
 * A surface is a memfd that carrel-vmm has sealed against shrinking and growing, of height * stride bytes, mapped
 * read-only by display. Pixels are 32 bit, bytes B, G, R, x. Nothing is copied into it while nobody is connected.
 */
#ifndef BASE_PROTO_SOURCE_H
#define BASE_PROTO_SOURCE_H

#include <stdint.h>

#define SOURCE_PROTOCOL_VERSION 1
#define SOURCE_MAX_SCANOUTS	4
#define SOURCE_MAX_WIDTH	8192
#define SOURCE_MAX_HEIGHT	8192
#define SOURCE_MAX_RECTS	16
#define SOURCE_MIN_SIZE		200 /* of a SIZE that is not 0 x 0 */
#define SOURCE_MAX_CURSOR	64  /* pixels a side: virtio 1.2 section 5.7.2 */
#define SOURCE_MAX_QNUM		0xff
#define SOURCE_MAX_BUTTONS	0x1f
#define SOURCE_MAX_STEPS	64

enum source_type {
	SOURCE_HELLO = 1,
	SOURCE_SCANOUT,
	SOURCE_ACK,
	SOURCE_DAMAGE,
	SOURCE_DRAWN,
	SOURCE_CURSOR,
	SOURCE_MOVE,
	SOURCE_LEDS,
	SOURCE_KEY,
	SOURCE_POINTER,
	SOURCE_WHEEL,
	SOURCE_SIZE,
	SOURCE_LISTEN,
	SOURCE_SOUND,
	SOURCE_PLAYED,
	SOURCE_HEARD,
	SOURCE_SPOKEN,
};

struct source_hello {
	uint32_t version;
	uint32_t n_scanouts;
	char device_address[32]; /* "pci/0000/01.0", for the guest agent */
};

struct source_scanout {
	uint32_t scanout;
	uint32_t width;
	uint32_t height;
	uint32_t stride; /* bytes */
	uint64_t generation;
};

struct source_ack {
	uint32_t scanout;
	uint32_t reserved;
	uint64_t generation;
};

struct source_box {
	uint32_t x;
	uint32_t y;
	uint32_t width;
	uint32_t height;
};

struct source_damage {
	uint32_t scanout;
	uint32_t n_boxes;
	uint64_t generation;
	struct source_box boxes[SOURCE_MAX_RECTS];
};

struct source_cursor {
	uint32_t scanout;
	uint32_t width; /* 0: no shape, no pixels follow */
	uint32_t height;
	uint32_t hot_x;
	uint32_t hot_y;
	int32_t x; /* of the shape's top left corner: the pointer's tip minus hot_x */
	int32_t y;
	uint32_t visible;
};

struct source_move {
	uint32_t scanout;
	uint32_t visible;
	int32_t x;
	int32_t y;
};

struct source_leds {
	uint32_t leds; /* bit 0 scroll, 1 num, 2 caps */
};

struct source_key {
	uint32_t qnum; /* XT set 1, extended ones with bit 7 set */
	uint32_t down;
};

struct source_pointer {
	uint32_t scanout;
	uint32_t x; /* pixels of the surface */
	uint32_t y;
	uint32_t buttons; /* bit 0 left, 1 middle, 2 right, 3 side, 4 extra: what is down now */
};

struct source_wheel {
	int32_t steps; /* positive: away from the user; SOURCE_MAX_STEPS either way */
};

struct source_size {
	uint32_t scanout;
	uint32_t width;
	uint32_t height;
};

#endif
