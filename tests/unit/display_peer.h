/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_peer.h - carrel-display's side of the display socket, for tests and fuzzers of carrel-vmm
 *
 * It notes what it is told, maps surfaces, and answers as carrel-display would, or only when asked. No cmocka here.
 */
#ifndef TESTS_UNIT_DISPLAY_PEER_H
#define TESTS_UNIT_DISPLAY_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "base/seq.h"

struct display_peer_scanout {
	uint32_t n_offers;
	struct source_scanout offer; /* the last one */
	const uint8_t *pixels;	     /* NULL: the scanout is off */
	size_t bytes;
	int seals;
	uint32_t n_damages;
	struct source_damage damage; /* the last one */
	uint32_t n_cursors;
	uint32_t n_moves;
	struct source_cursor cursor; /* with the last move in it */
	uint8_t argb[SOURCE_MAX_CURSOR * SOURCE_MAX_CURSOR * 4];
};

struct display_peer {
	int fd; /* -1: closed by the other side */
	bool answers;
	bool greeted;
	bool wrong; /* it was told something that the protocol does not allow */
	struct source_hello hello;
	uint32_t leds;
	uint32_t n_leds;
	struct source_sound sound; /* the last one */
	uint32_t n_sounds;
	uint32_t n_played; /* messages */
	uint32_t n_played_frames;
	uint32_t last_played; /* the last frame */
	struct display_peer_scanout scanouts[SOURCE_MAX_SCANOUTS];
	struct seq_message message;
};

/* A listening socket of no name in the file system; -errno. */
int display_peer_listen(void);
/* 0 or -errno. */
int display_peer_open(int listen_fd, bool answers, struct display_peer **ret_peer);
void display_peer_close(struct display_peer *peer);

/* Reads all that is there; how many messages that were. */
uint32_t display_peer_read(struct display_peer *peer);
int display_peer_send(struct display_peer *peer, uint32_t type, const void *payload, size_t bytes);
/* ACK or DRAWN of the scanout's last generation. */
int display_peer_answer(struct display_peer *peer, enum source_type type, uint32_t scanout);

/* A pixel of the surface, bytes B, G, R from the lowest; 0xffffffff where there is none. */
uint32_t display_peer_pixel(const struct display_peer *peer, uint32_t scanout, uint32_t x,
			    uint32_t y);

#endif
