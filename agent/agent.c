/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent.c - the context of carrel-agent and its life cycle (carrel-agent, in the guest)
 *
 * How it works: agent_set_state() writes each state that a restarted agent has to know into the record; agent_restore()
 * goes there. Who is killed in the middle of a log-in or log-off leaves the state before it: the host's request for it
 * has no answer, and fails the desktop or is made again.
 */
#include "agent/agent.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/agent_record.h"
#include "base/log.h"

#define BIT(state) (1u << (state))

/* Bit sets of the states that may follow. */
static const unsigned int next_states[] = {
	[AGENT_STATE_UNKNOWN] = 0,
	[AGENT_STATE_FRESH] = BIT(AGENT_STATE_QUIESCED) | BIT(AGENT_STATE_IDENTIFIED) |
			      BIT(AGENT_STATE_IN_SESSION) | BIT(AGENT_STATE_ENDING),
	[AGENT_STATE_QUIESCED] = BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_ENDING),
	[AGENT_STATE_IDENTIFIED] = BIT(AGENT_STATE_LOGGING_IN) | BIT(AGENT_STATE_ENDING),
	[AGENT_STATE_LOGGING_IN] =
		BIT(AGENT_STATE_IN_SESSION) | BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_ENDING),
	[AGENT_STATE_IN_SESSION] = BIT(AGENT_STATE_LOGGING_OFF) | BIT(AGENT_STATE_IDENTIFIED) |
				   BIT(AGENT_STATE_ENDING),
	[AGENT_STATE_LOGGING_OFF] =
		BIT(AGENT_STATE_IN_SESSION) | BIT(AGENT_STATE_IDENTIFIED) | BIT(AGENT_STATE_ENDING),
	[AGENT_STATE_ENDING] = 0,
};
static_assert(sizeof(next_states) / sizeof(next_states[0]) == AGENT_STATE_COUNT, "a row a state");

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

static void
agent_save(const struct agent *agent)
{
	struct agent_record record = { .generation = agent->generation };
	int error;

	if (!agent->record ||
	    (agent->state != AGENT_STATE_IDENTIFIED && agent->state != AGENT_STATE_IN_SESSION))
		return;
	if (agent->state == AGENT_STATE_IN_SESSION)
		guest_session_describe(&agent->session, &record);
	error = agent_record_write(agent->record, &record);
	if (error < 0)
		log_warning("'%s' cannot be written: %s; an agent that is started again will not "
			    "know the session",
			    agent->record, strerror(-error));
}

void
agent_restore(struct agent *agent)
{
	struct agent_record record;
	int error = agent->record ? agent_record_read(agent->record, &record) : -ENOENT;

	if (error < 0) {
		if (error != -ENOENT)
			log_warning("'%s' cannot be read: %s; I begin anew", agent->record,
				    strerror(-error));
		return;
	}
	agent->generation = record.generation;
	if (record.user[0] == '\0')
		agent_set_state(agent, AGENT_STATE_IDENTIFIED);
	else
		guest_session_restore(agent, &record);
}

int
agent_set_state(struct agent *agent, enum agent_state state)
{
	if (agent->state == state)
		return 0;
	if (!(next_states[agent->state] & BIT(state))) {
		log_error("state change '%s' -> '%s' is not in the life cycle: refused",
			  agent_state_name(agent->state), agent_state_name(state));
		return -EPERM;
	}
	log_info("state '%s' -> '%s'", agent_state_name(agent->state), agent_state_name(state));
	agent->state = state;
	agent_save(agent);
	return 0;
}
