/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sync.h - the one conversation with the broker: what exists here, what shall exist (docs/PROTOCOL.md, Sync)
 *
 * Wiring: carrel-hostd starts it when it has adopted what runs, and calls sync_tell() whenever describe() would say something new.
 */
#ifndef HOST_SYNC_H
#define HOST_SYNC_H

#include <glib.h>

#include "base/json.h"

/*
 * idle -> asking (started); asking -> asking (answered: the next request goes out at once); asking -> pausing (no good answer);
 * pausing -> asking; each -> idle (stopped).
 */
enum sync_state {
	SYNC_STATE_IDLE,
	SYNC_STATE_ASKING,
	SYNC_STATE_PAUSING,
	SYNC_STATE_COUNT,
};

struct sync_events {
	/* The report without "v", "instance" and "seen"; a new reference. */
	json_t *(*describe)(void *context);
	/* A checked answer. It counts as seen afterwards. */
	void (*apply)(void *context, const json_t *answer);
};

struct sync;

/* host: this host's name. Nothing is sent before sync_start(). */
struct sync *sync_new(const char *broker_socket, const char *host, const struct sync_events *events,
		      void *context);
void sync_free(struct sync *sync);
void sync_start(struct sync *sync);
void sync_stop(struct sync *sync);

/* There is news: a request that only waits is given up and a new one is sent. */
void sync_tell(struct sync *sync);

enum sync_state sync_get_state(const struct sync *sync);

#endif
