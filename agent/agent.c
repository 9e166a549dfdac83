/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent.c - the context of carrel-agent and its life cycle (carrel-agent, in the guest)
 */
#include "agent/agent.h"

#include <assert.h>
#include <errno.h>

#include "base/log.h"

#define BIT(state) (1u << (state))

static const struct {
	const char *name;
	unsigned int next; /* bit set of the states that may follow */
} state_table[] = {
	[AGENT_STATE_FRESH] = { "fresh", BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_ENDING) },
	[AGENT_STATE_IDENTIFIED] = { "identified",
				     BIT(AGENT_STATE_LOGGING_IN) | BIT(AGENT_STATE_ENDING) },
	[AGENT_STATE_LOGGING_IN] = { "logging-in", BIT(AGENT_STATE_IN_SESSION) |
							   BIT(AGENT_STATE_IDENTIFIED) |
							   BIT(AGENT_STATE_ENDING) },
	[AGENT_STATE_IN_SESSION] = { "in-session", BIT(AGENT_STATE_LOGGING_OFF) |
							   BIT(AGENT_STATE_IDENTIFIED) |
							   BIT(AGENT_STATE_ENDING) },
	[AGENT_STATE_LOGGING_OFF] = { "logging-off", BIT(AGENT_STATE_IN_SESSION) |
							     BIT(AGENT_STATE_IDENTIFIED) |
							     BIT(AGENT_STATE_ENDING) },
	[AGENT_STATE_ENDING] = { "ending", 0 },
};
static_assert(sizeof(state_table) / sizeof(state_table[0]) == AGENT_STATE_COUNT, "a row a state");

void
agent_init(struct agent *agent)
{
	*agent = (struct agent){ .state = AGENT_STATE_FRESH };
	port_init(&agent->port);
	task_init(&agent->task);
	guest_session_init(&agent->session);
	xwatch_init(&agent->xwatch);
}

void
agent_done(struct agent *agent)
{
	task_done(&agent->task);
	guest_session_done(&agent->session);
	xwatch_done(&agent->xwatch);
	port_done(&agent->port);
}

const char *
agent_state_name(enum agent_state state)
{
	return state_table[state].name;
}

int
agent_set_state(struct agent *agent, enum agent_state state)
{
	if (agent->state == state)
		return 0;
	if (!(state_table[agent->state].next & BIT(state))) {
		log_error("state change '%s' -> '%s' is not in the life cycle: refused",
			  agent_state_name(agent->state), agent_state_name(state));
		return -EPERM;
	}
	log_info("state '%s' -> '%s'", agent_state_name(agent->state), agent_state_name(state));
	agent->state = state;
	return 0;
}
