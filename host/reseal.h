/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reseal.h - template versions that this host cannot restore exactly: sealed again, and never silently
 *
 * Wiring: whoever wants a desktop of such a version calls reseal_want(), as often as it likes; start() begins the job, whose
 * end goes to reseal_handle_end().
 */
#ifndef HOST_RESEAL_H
#define HOST_RESEAL_H

#include <glib.h>

/* A version is tried so often in an hour, then nothing is done until the first of these tries is an hour old. */
#define RESEAL_TRIES	3
#define RESEAL_HOUR_MS	(60 * 60 * 1000)
#define RESEAL_MAX_TEXT 400 /* bytes, of what is told */

struct reseal;

struct reseal_wish {
	const char *name;
	guint32 version;
	const char *engine;
	const char *reason;  /* why it cannot be restored */
	const char *holders; /* suspended desktops that need it as it is, for people; NULL: none */
};

struct reseal_events {
	/* FALSE: the job cannot begin now; it is asked for again. */
	gboolean (*start)(void *context, const struct reseal_wish *wish);
	/* For the host's events: kind "sealing", "sealed", "seal_failed" or "seal_waits". */
	void (*tell)(void *context, const char *kind, const char *text);
};

struct reseal *reseal_new(const struct reseal_events *events, void *context);
void reseal_free(struct reseal *reseal);

/* now_ms: io_boottime_ms(). */
void reseal_want(struct reseal *reseal, const struct reseal_wish *wish, guint64 now_ms);

/* error NULL: it is sealed. Of a version that was not wanted: ignored. */
void reseal_handle_end(struct reseal *reseal, const char *name, guint32 version, const char *error,
		       guint64 now_ms);

#endif
