/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_news.c - what the peer of the control socket is still to be told (carrel-vmm, under the
 * machine's lock)
 */
#include "vmm/control_news.h"

#define DUE(due) (1U << (due))

static void
control_news_add_port(struct control_news *news, bool open, enum control_due closed,
		      enum control_due opened)
{
	if (open)
		news->due |= DUE(opened);
	else if (news->due & DUE(opened)) /* of which the peer never heard */
		news->due &= ~DUE(opened);
	else
		news->due |= DUE(closed);
}

void
control_news_add(struct control_news *news, const struct vmm_event *event)
{
	switch (event->kind) {
	case VMM_EVENT_STATE:
		news->state = *event;
		news->due |= DUE(CONTROL_DUE_STATE);
		break;
	case VMM_EVENT_REBOOTED:
		news->due |= DUE(CONTROL_DUE_REBOOTED);
		break;
	case VMM_EVENT_AGENT_PORT:
		control_news_add_port(news, event->value, CONTROL_DUE_AGENT_CLOSED,
				      CONTROL_DUE_AGENT_OPEN);
		break;
	case VMM_EVENT_VDAGENT_PORT:
		control_news_add_port(news, event->value, CONTROL_DUE_VDAGENT_CLOSED,
				      CONTROL_DUE_VDAGENT_OPEN);
		break;
	default:
		break;
	}
}

bool
control_news_find(const struct control_news *news, uint32_t among, enum control_due *ret_due,
		  struct vmm_event *ret_event)
{
	static const struct vmm_event events[CONTROL_DUE_COUNT] = {
		[CONTROL_DUE_REBOOTED] = { .kind = VMM_EVENT_REBOOTED },
		[CONTROL_DUE_AGENT_CLOSED] = { .kind = VMM_EVENT_AGENT_PORT, .value = 0 },
		[CONTROL_DUE_AGENT_OPEN] = { .kind = VMM_EVENT_AGENT_PORT, .value = 1 },
		[CONTROL_DUE_VDAGENT_CLOSED] = { .kind = VMM_EVENT_VDAGENT_PORT, .value = 0 },
		[CONTROL_DUE_VDAGENT_OPEN] = { .kind = VMM_EVENT_VDAGENT_PORT, .value = 1 },
	};
	uint32_t due = news->due & among;

	if (due == 0)
		return false;
	*ret_due = (enum control_due)__builtin_ctz(due);
	*ret_event = *ret_due == CONTROL_DUE_STATE ? news->state : events[*ret_due];
	return true;
}

void
control_news_remove(struct control_news *news, enum control_due due)
{
	news->due &= ~DUE(due);
}
