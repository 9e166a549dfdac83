/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pools.h - from the size a pool shall have to the desktops that are wanted
 */
#ifndef BROKER_POOLS_H
#define BROKER_POOLS_H

#include <glib.h>

#include "base/json.h"

struct store;

/*
 * A template's RAM is charged once, because all its desktops share its pages until they write to them. Each desktop is
 * charged with this part of it, and never with less than its process takes. An idle desktop of 1 GiB was measured with
 * 52 to 59 MB; a host of 24 GiB takes 200 of them. A host that is fuller than was reckoned forks no more (desktops.c).
 */
#define POOLS_CHARGE_PERCENT 10
#define POOLS_CHARGE_MIN_MIB 64

/* What a pool would need and what its host has, in MiB. */
struct pools_room {
	gint64 versions;   /* published versions that fit; 0: the template is not there */
	gint64 ram_mib;	   /* of the template, which the desktops share */
	gint64 charge_mib; /* for each desktop beyond that */
	gint64 free_mib;   /* not promised to other pools and their templates */
	gint64 fits;	   /* desktops of this pool */
};

/* Reckons for a pool (its own promise left out; name may be new). */
gboolean pools_find_room(struct store *store, const char *pool, const char *templ, gint64 version,
			 struct pools_room *ret_room, GError **error);

/*
 * Without a number of its own a pool keeps as many spare desktops as are asked for while one is made, one a second: none
 * where that takes a moment that nobody notices beside the rest of a log-in, all of them while it has not been measured.
 */
#define POOLS_QUICK_MS 300
gint64 pools_choose_spare(struct store *store, const json_t *pool);

/* NULL, or why no host gives desktops this network (as the hosts report it). */
char *pools_find_network_refusal(struct store *store, const char *network);

/*
 * Makes and gives up desktop rows until every pool has what it shall have; TRUE in ret_changed when it changed any. Runs
 * its own transaction.
 */
gboolean pools_reconcile(struct store *store, gboolean *ret_changed, GError **error);

/*
 * One more desktop for somebody who waits for it, inside the caller's transaction. FALSE without an error: the pool has as
 * many as it may have, or can make none now; silent: on a host that does not report, if there is no other.
 */
gboolean pools_add_one(struct store *store, const char *pool, gboolean silent, GError **error);

/* Why the pool makes no desktops for a while; "": it does. */
const char *pools_explain_rest(struct store *store, const char *pool);

/* A desktop's failure is in the store: tells the log when its pool rests from now on. */
void pools_note_failure(struct store *store, const char *desktop);

#endif
