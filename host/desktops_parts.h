/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_parts.h - what desktops.c, desktops_wanted.c and desktops_move.c share
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
	json_t *left;	   /* as desktops_note_left() says; NULL: nothing */
	guint idle;
	guint again;
	gboolean full; /* said already */
};

/* In the table, forking. */
struct desktop *desktops_add(struct desktops *desktops, const char *id, guint64 generation);

/* What the broker wanted of this desktop; NULL: nothing any more. */
const json_t *desktops_find_want(const struct desktops *desktops, const char *id);

/* Those whose folder can be read now are found anew. */
void desktops_look_at_unread(struct desktops *desktops);

/* Soon, from the main loop. */
void desktops_look_again(struct desktops *desktops);

/* This host cannot restore the version that is wanted: hostd.c hears of it, and of the suspended desktops that need it as it is. */
void desktops_tell_foreign(struct desktops *desktops, const json_t *want, const char *reason);

/* desktops_wanted.c: again after a while. */
void desktops_try_later(struct desktops *desktops);

/* desktops_wanted.c: NULL, or why this host cannot run what the template was published for; for g_free(). */
char *desktops_find_refusal(const struct desktops *desktops, const json_t *want);

/* desktops_move.c: what is wanted of it is a move. */
gboolean desktops_is_move(const json_t *want);

/*
 * desktops_move.c, TRUE: it moves, and nothing else is done with it. "exported": it shall go; "arrives": it comes to this host,
 * unless that has refused it: then it is told again, and it is the broker's turn; "returns": it comes back to the host that it has
 * left, for no other has it. While neither is said one that has left is not taken in: the broker, when it hears of it, may give it to
 * another host.
 */
gboolean desktops_apply_move(struct desktops *desktops, struct desktop *desktop,
			     const json_t *want);

/* desktops_move.c: nothing is known of it here: it is to come, or has gone before this hostd was started. */
void desktops_begin_move(struct desktops *desktops, const json_t *want);

/* desktops_move.c: the same, but it may lie between the hosts, and goes from there. */
void desktops_give_up_unknown(struct desktops *desktops, const json_t *want);

#endif
