/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event_ring.h - the numbered events that a host tells its broker (docs/PROTOCOL.md, Sync)
 *
 * Numbers count up from 1 in one instance of hostd. An event stays until the broker has acknowledged its number.
 */
#ifndef HOST_EVENT_RING_H
#define HOST_EVENT_RING_H

#include <glib.h>

#include "base/id.h"
#include "base/json.h"

#define EVENT_RING_MAX	    1024 /* more: the oldest is lost, with a line in the log */
#define EVENT_RING_MAX_TEXT 500	 /* bytes */

struct event_ring;

struct event {
	const char *kind;    /* a constant */
	const char *desktop; /* "": of none */
	guint64 generation;
	const char *session; /* "": of none */
	gint64 value;	     /* milliseconds of the step, where it is one */
	gint64 time_ms;	     /* since 1970; 0: now */
	const char *text;
};

struct event_ring *event_ring_new(void);
void event_ring_free(struct event_ring *ring);
void event_ring_add(struct event_ring *ring, const struct event *event);

/* The same, but an earlier unacknowledged one of this kind and desktop is forgotten: only the last one counts. */
void event_ring_replace(struct event_ring *ring, const struct event *event);

/* Forgets all up to the number; one that was never given out changes nothing. */
void event_ring_acknowledge(struct event_ring *ring, gint64 number);

/* For sync, oldest first, at most "max"; a new reference. */
json_t *event_ring_list(const struct event_ring *ring, guint max);

#endif
