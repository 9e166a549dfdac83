/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pump.h - carries bytes from one stream to another, one buffer at a time
 *
 * It reads again only when what it read is written: a slow reader stops its writer, and never costs more than
 * PUMP_BUFFER_BYTES.
 */
#ifndef DISPLAY_PUMP_H
#define DISPLAY_PUMP_H

#include <gio/gio.h>
#include <stdint.h>

#define PUMP_BUFFER_BYTES (64 * 1024)

struct pump;

struct pump_events {
	/* Bytes are about to be written: how many of them in one go, at least one. NULL: all. */
	gsize (*measure)(void *context, const uint8_t *data, gsize size);
	/* The one end of the other: called once, never from inside pump_start(). */
	void (*ended)(void *context);
};

/* Both streams must outlive the pump's operations: it holds references. */
struct pump *pump_start(GInputStream *from, GOutputStream *to, const struct pump_events *events,
			void *context);

/* Stops it, silently; its memory goes when its last operation has answered. */
void pump_stop(struct pump *pump);

#endif
