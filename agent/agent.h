/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent.h - the context of carrel-agent: what it holds and what state the desktop is in
 *
 * There is one struct agent in the process, handed to every function; nothing is global.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/port.h"
#include "agent/guest_session.h"
#include "agent/keyboard.h"
#include "agent/task.h"
#include "agent/xwatch.h"
#include "base/proto_agent.h"

/*
 * The life of a desktop, as its agent sees it (enum agent_state of base/proto_agent.h). agent_set_state() is the only one
 * that changes it.
 *
 *   fresh -> quiesced                   quiesce has ended well; from here on it is sealed and forked
 *   fresh, quiesced -> identified       identify has ended well
 *   identified -> logging-in            login has begun
 *   logging-in -> in-session            the session is usable
 *   logging-in -> identified            login failed; nothing of the session runs
 *   in-session -> logging-off           logoff has begun
 *   in-session, logging-off -> identified   the session has ended
 *   logging-off -> in-session           the session could not be stopped
 *   fresh -> in-session                 a restarted agent found the session (agent_restore())
 *   any -> ending                       shutdown
 */
struct agent {
	enum agent_state state;
	int64_t generation; /* of the last request; events carry it */
	const char *record; /* the file of agent_record.h; NULL: none is kept */
	struct port port;
	struct task task; /* the one request that takes longer */
	struct guest_session session;
	struct keyboard keyboard;
	struct xwatch xwatch;
};

void agent_init(struct agent *agent);
void agent_done(struct agent *agent);

/*
 * For an agent that was killed and started again, once its port is open: goes to the state that the record names. A
 * session that has ended meanwhile is told to the host.
 */
void agent_restore(struct agent *agent);

/* Checks, logs and records the change. 0, or -EPERM (and no change) when the life cycle above does not have it. */
int agent_set_state(struct agent *agent, enum agent_state state);

#endif
