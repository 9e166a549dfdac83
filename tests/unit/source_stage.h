/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source_stage.h - the display's side of carrel-vmm's link, and a test in carrel-vmm's place; with cmocka's assertions
 */
#ifndef TESTS_UNIT_SOURCE_STAGE_H
#define TESTS_UNIT_SOURCE_STAGE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "base/seq.h"
#include "display/heads.h"
#include "display/source.h"

/* of the pictures that are offered */
#define SOURCE_STAGE_WIDTH  40
#define SOURCE_STAGE_HEIGHT 30
#define SOURCE_STAGE_STRIDE (SOURCE_STAGE_WIDTH * 4)
#define SOURCE_STAGE_SEALS  (F_SEAL_SHRINK | F_SEAL_GROW)

struct surface;

struct source_stage {
	struct surface *surfaces[HEADS_MAX];
	struct surface *surface; /* the first of them */
	struct source *source;
	int vmm; /* the other end */
	char address[SOURCE_ADDRESS_SIZE];
	uint32_t n_ready;
	uint32_t n_heads;
	uint32_t n_lost;
	uint32_t n_changes;
	bool plays;
	bool records;
	uint32_t n_played; /* frames */
	uint8_t last_played[SOURCE_FRAME_BYTES];
	struct seq_message message;
};

/* cmocka's: *state is the stage; connected, and nothing said. */
int source_stage_open(void **state);
int source_stage_close(void **state);
/* Ends the connection and makes another one, with another source. */
void source_stage_reconnect(struct source_stage *stage);
void source_stage_settle(void);

/* carrel-vmm says this; the descriptor (-1: none) stays the caller's. */
void source_stage_say(struct source_stage *stage, uint32_t type, const void *payload, size_t size,
		      int fd);
void source_stage_greet(struct source_stage *stage);
void source_stage_offer(struct source_stage *stage, uint32_t scanout, uint64_t generation, int fd);
/* A file of shared memory, as for a picture. */
int source_stage_make_file(size_t bytes, int seals);
/* The next message that came, which must be of this type and size, and its payload; false when there is none. */
bool source_stage_hear(struct source_stage *stage, uint32_t type, void *payload, size_t size);

#endif
