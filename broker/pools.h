/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pools.h - from the size a pool shall have to the desktops that are wanted
 */
#ifndef BROKER_POOLS_H
#define BROKER_POOLS_H

#include <glib.h>

struct store;

/*
 * Each desktop is charged with this part of its template's RAM: it shares the template's pages until it writes to
 * them. A desktop that is idle takes far less, a busy one more.
 */
#define POOLS_CHARGE_PERCENT 25

/* What a pool would need and what its host has, in MiB. */
struct pools_room {
	gint64 versions;   /* published versions that fit; 0: the template is not there */
	gint64 ram_mib;	   /* of one desktop */
	gint64 charge_mib; /* for each desktop */
	gint64 free_mib;   /* not promised to other pools */
	gint64 fits;	   /* desktops of this pool */
};

/* Reckons for a pool (its own promise left out; name may be new). */
gboolean pools_find_room(struct store *store, const char *pool, const char *templ, gint64 version,
			 struct pools_room *ret_room, GError **error);

/*
 * Makes and gives up desktop rows until every pool has what it shall have; TRUE in ret_changed when it changed any. Runs
 * its own transaction.
 */
gboolean pools_reconcile(struct store *store, gboolean *ret_changed, GError **error);

#endif
