/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_agent_message.c - frames from a hostile guest
 */
#include "host/agent_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_message message;
	struct json_problem problem;
	json_t *body = NULL;

	agent_message_parse((const char *)data, size, &message, &problem);
	agent_message_done(&message);
	agent_message_find_resync(data, size, "nonce", &body);
	json_decref(body);
	return 0;
}
