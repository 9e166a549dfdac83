/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_parts.h - what desktops.c and desktops_wanted.c share
 */
#ifndef HOST_DESKTOPS_PARTS_H
#define HOST_DESKTOPS_PARTS_H

#include "host/desktops.h"

struct desktops {
	struct desktop_host host;
	struct engine_spawner spawner;
	struct launch_client *launch;
	const struct desktops_events *events;
	void *context;
	char *run;
	char *lib;
	char *exchange;
	guint ram_reserve_mib;
	gboolean accept_unisolated;
	struct template_store *templates;
	GHashTable *table; /* id -> struct desktop */
	json_t *wanted;	   /* NULL before the first answer */
	guint idle;
	guint again;
	gboolean full; /* said already */
};

/* In the table, forking. */
struct desktop *desktops_add(struct desktops *desktops, const char *id, guint64 generation);

/* What the broker wanted of this desktop; NULL: nothing any more. */
const json_t *desktops_find_want(const struct desktops *desktops, const char *id);

/* Soon, from the main loop. */
void desktops_look_again(struct desktops *desktops);

/* This host cannot restore the version that is wanted: hostd.c hears of it, and of the suspended desktops that need it as it is. */
void desktops_tell_foreign(struct desktops *desktops, const json_t *want, const char *reason);

#endif
