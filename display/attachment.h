/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * attachment.h - which of a display's links belong to whom, and which may be handed on
 *
 * An attachment is one use of one ticket (docs/ARCHITECTURE.md, "A ticket"): a main channel and what comes with
 * it. At most two are known: the newest, and the one it takes over from, which lives until the newest one's main
 * channel is linked.
 */
#ifndef DISPLAY_ATTACHMENT_H
#define DISPLAY_ATTACHMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * WAITING -> LINKING (its main channel was handed on) -> LIVE (linked) -> OVER
 * LINKING -> WAITING when that link failed; every state -> OVER.
 */
enum attachment_state {
	ATTACHMENT_STATE_OVER,
	ATTACHMENT_STATE_WAITING,
	ATTACHMENT_STATE_LINKING,
	ATTACHMENT_STATE_LIVE,
	ATTACHMENT_STATE_COUNT,
};

struct attachment {
	uint64_t number;
	enum attachment_state state;
	uint32_t connection_id; /* of a live one */
};

struct attachment_table {
	struct attachment newest;
	struct attachment older; /* LIVE or OVER */
};

/* A socket was offered. False when it belongs to no attachment that could use it. */
bool attachment_offer(struct attachment_table *table, uint64_t number, bool first);

/* A link asks for a channel. NULL: hand it on (a main channel's attachment is LINKING now); else why not. */
const char *attachment_link(struct attachment_table *table, uint64_t number, uint8_t channel_type,
			    uint32_t connection_id);

/* The main channel under way is linked. Returns the number of its attachment, 0 when there is none. */
uint64_t attachment_main_linked(struct attachment_table *table, uint32_t connection_id);

/* A main channel's link ended before it was linked: it may be tried again. */
void attachment_main_failed(struct attachment_table *table, uint64_t number);

/* The main channel with this id ended. Returns the number of its attachment, 0 when there is none. */
uint64_t attachment_main_ended(struct attachment_table *table, uint32_t connection_id);

/* Ends one, or all when number is 0. */
void attachment_drop(struct attachment_table *table, uint64_t number);

/* The one whose main channel lives; 0: none. */
uint64_t attachment_live(const struct attachment_table *table);

#endif
