/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_state.c - the life of a desktop as this host reports it (carrel-hostd)
 */
#include "host/desktop_state.h"

#define TO(name) (1u << DESKTOP_STATE_##name)
#define END	 (TO(RETIRING) | TO(FAILED))

static const struct {
	const char *name;
	guint next; /* bit set of the states that may follow */
} states[] = {
	[DESKTOP_STATE_FORKING] = { "forking", TO(IDENTIFYING) | TO(SUSPENDING) | TO(SUSPENDED) |
						       TO(EXPORTING) | TO(EXPORTED) | TO(ARRIVING) |
						       TO(UNREAD) | END },
	[DESKTOP_STATE_IDENTIFYING] = { "identifying", TO(READY) | END },
	[DESKTOP_STATE_READY] = { "ready", TO(ASSIGNED) | TO(SUSPENDING) | END },
	[DESKTOP_STATE_ASSIGNED] = { "assigned", TO(ACTIVE) | TO(SUSPENDING) | END },
	[DESKTOP_STATE_ACTIVE] = { "active", TO(DISCONNECTED) | TO(SUSPENDING) | END },
	[DESKTOP_STATE_DISCONNECTED] = { "disconnected", TO(ACTIVE) | TO(SUSPENDING) | END },
	[DESKTOP_STATE_SUSPENDING] = { "suspending", TO(SUSPENDED) | TO(IDENTIFYING) | END },
	[DESKTOP_STATE_SUSPENDED] = { "suspended", TO(RESUMING) | TO(EXPORTING) | TO(RETIRING) },
	[DESKTOP_STATE_RESUMING] = { "resuming", TO(IDENTIFYING) | TO(SUSPENDED) | END },
	[DESKTOP_STATE_EXPORTING] = { "exporting", TO(EXPORTED) | TO(SUSPENDED) | TO(RETIRING) },
	[DESKTOP_STATE_EXPORTED] = { "exported", TO(ARRIVING) | TO(RETIRING) },
	[DESKTOP_STATE_ARRIVING] = { "arriving", TO(SUSPENDED) | TO(EXPORTED) | TO(RETIRING) },
	[DESKTOP_STATE_RETIRING] = { "retiring", TO(GONE) },
	[DESKTOP_STATE_GONE] = { "gone", 0 },
	[DESKTOP_STATE_FAILED] = { "failed", TO(RETIRING) },
	[DESKTOP_STATE_UNREAD] = { "suspended", 0 },
};
G_STATIC_ASSERT(G_N_ELEMENTS(states) == DESKTOP_STATE_COUNT);

const char *
desktop_state_name(enum desktop_state state)
{
	return states[state].name;
}

gboolean
desktop_state_may_change(enum desktop_state from, enum desktop_state to)
{
	return (states[from].next & (1u << to)) != 0;
}

gboolean
desktop_state_lives(enum desktop_state state)
{
	return state < DESKTOP_STATE_RETIRING;
}
