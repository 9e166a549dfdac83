/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_news.h - what the peer of the control socket is still to be told: a set, which a guest
 * cannot make grow
 *
 * Events are states. What has changed twice before it could be told is told as it is now; but a
 * port that was closed and opened again is told as both, since another program has opened it.
 */
#ifndef VMM_CONTROL_NEWS_H
#define VMM_CONTROL_NEWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/proto_vmm.h"

enum control_due {
	CONTROL_DUE_STATE,
	CONTROL_DUE_REBOOTED,
	CONTROL_DUE_AGENT_CLOSED,
	CONTROL_DUE_AGENT_OPEN,
	CONTROL_DUE_VDAGENT_CLOSED,
	CONTROL_DUE_VDAGENT_OPEN,
	CONTROL_DUE_COUNT,
};

/* Those that a guest can bring about as often as it likes, at no cost */
#define CONTROL_DUE_PORTS                                                \
	(1U << CONTROL_DUE_AGENT_CLOSED | 1U << CONTROL_DUE_AGENT_OPEN | \
	 1U << CONTROL_DUE_VDAGENT_CLOSED | 1U << CONTROL_DUE_VDAGENT_OPEN)

/* Zeroed: nothing. */
struct control_news {
	uint32_t due; /* a set of enum control_due */
	struct vmm_event state;
};

void control_news_add(struct control_news *news, const struct vmm_event *event);
/*
 * The first of those in "among", a set, which stays until control_news_remove(); false: none is
 * due.
 */
bool control_news_find(const struct control_news *news, uint32_t among, enum control_due *ret_due,
		       struct vmm_event *ret_event);
void control_news_remove(struct control_news *news, enum control_due due);

#endif
