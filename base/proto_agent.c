/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_agent.c - the words of the agent port for an agent's states
 */
#include "base/proto_agent.h"

#include <assert.h>
#include <string.h>

static const char *const state_names[] = {
	[AGENT_STATE_UNKNOWN] = "unknown",	   [AGENT_STATE_FRESH] = "fresh",
	[AGENT_STATE_QUIESCED] = "quiesced",	   [AGENT_STATE_IDENTIFIED] = "identified",
	[AGENT_STATE_LOGGING_IN] = "logging-in",   [AGENT_STATE_IN_SESSION] = "in-session",
	[AGENT_STATE_LOGGING_OFF] = "logging-off", [AGENT_STATE_ENDING] = "ending",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == AGENT_STATE_COUNT, "a name a state");

const char *
agent_state_name(enum agent_state state)
{
	return state_names[state];
}

enum agent_state
agent_state_find(const char *name)
{
	for (int i = 0; i < AGENT_STATE_COUNT; i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum agent_state)i;
	return AGENT_STATE_UNKNOWN;
}
