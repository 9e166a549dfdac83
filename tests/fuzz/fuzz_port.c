/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_port.c - bytes of a hostile host through the agent's port and verbs
 *
 * Only such verbs are run that change nothing on the machine: the others are checked up to their handler by their state
 * (a fresh agent refuses login and logoff) or left out by dropping their name from the input.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/verbs.h"
#include "base/proto_agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_on_frame(void *context, const char *text, size_t size)
{
	static const char *const real[] = { AGENT_VERB_IDENTIFY, AGENT_VERB_SHUTDOWN,
					    AGENT_VERB_SCREEN, AGENT_VERB_QUIESCE };

	for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++)
		if (memmem(text, size, real[i], strlen(real[i])))
			return;
	/* An escaped letter could spell one of them, too. */
	if (!memmem(text, size, "\\u", 2))
		verbs_handle_frame(context, text, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size > 0 ? data[0] % 7 + 1 : 1;
	struct agent agent;

	agent_init(&agent);
	agent.port.complaints.burst = 0;
	for (size_t at = 1; at < size; at += step)
		port_take_bytes(&agent.port, data + at, size - at < step ? size - at : step,
				fuzz_on_frame, &agent);
	agent_done(&agent);
	return 0;
}
