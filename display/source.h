/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source.h - where a desktop's picture and sound come from and its input goes to; one table an engine
 *
 * A source writes into the surfaces it was given, one a head, from whatever thread it likes; everything else, its events
 * included, happens on the main thread. All of the table's functions return at once.
 */
#ifndef DISPLAY_SOURCE_H
#define DISPLAY_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_ADDRESS_SIZE 64

enum source_button {
	SOURCE_BUTTON_LEFT,
	SOURCE_BUTTON_MIDDLE,
	SOURCE_BUTTON_RIGHT,
	SOURCE_BUTTON_WHEEL_UP,
	SOURCE_BUTTON_WHEEL_DOWN,
	SOURCE_BUTTON_SIDE,
	SOURCE_BUTTON_EXTRA,
	SOURCE_BUTTON_COUNT,
};

struct source;

struct source_events {
	/*
	 * The picture flows; "device_address" as in the guest agent's "pci/0000/02.0", may be empty. n_heads: how many
	 * monitors the guest may have, 1 to HEADS_MAX.
	 */
	void (*ready)(void *context, const char *device_address, uint32_t n_heads);
	/* What the guest does with its sound card; nothing, until this says so. */
	void (*sound)(void *context, bool plays, bool records);
	/* While it plays: frames as in base/proto_sound.h. */
	void (*played)(void *context, const void *frames, uint32_t n_frames);
	/* It will never send anything again; the owner frees it, later and not in this call. */
	void (*lost)(void *context, const char *why);
};

struct source_ops {
	void (*send_key)(struct source *source, uint32_t qnum, bool down);
	void (*send_position)(struct source *source, uint32_t head, uint32_t x, uint32_t y);
	void (*send_button)(struct source *source, enum source_button button, bool down);
	/* What the client would like to see, for the virtual monitor's EDID; 0 x 0: no such monitor, but for the first. */
	void (*set_size)(struct source *source, uint32_t head, uint32_t width, uint32_t height);
	/* Whether a client hears what is played and speaks to what records; NULL, as the next one: a source without sound. */
	void (*listen)(struct source *source, bool hears, bool speaks);
	/* Frames as above, while the guest records and a client speaks. */
	void (*speak)(struct source *source, const void *frames, uint32_t n_frames);
	void (*free)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

#endif
