/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_settle.h - wait until a guest that boots has its desktop up
 */
#ifndef HOST_AGENT_SETTLE_H
#define HOST_AGENT_SETTLE_H

#include "host/agent_link.h"
#include "host/steps.h"

/*
 * Asks the agent again and again whether the guest is ready, and ends the step when it is; the step's deadline ends the
 * asking. The agent was heard before; the steps' context must own it.
 */
void agent_settle_start(struct agent_link *agent, guint request_ms, struct steps *steps);

#endif
