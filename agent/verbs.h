/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verbs.h - what the host may ask of the agent: one table
 *
 * docs/PROTOCOL.md, "Agent frames"; base/proto_agent.h.
 */
#ifndef AGENT_VERBS_H
#define AGENT_VERBS_H

#include <stddef.h>

#include "base/json.h"

struct agent;
struct task;

/* One frame's text: checks it, and answers now or with verbs_answer_task(). What is no request is dropped and logged. */
void verbs_handle_frame(struct agent *agent, const char *text, size_t size);

/* Takes the reference of "body". */
void verbs_send_event(struct agent *agent, const char *verb, json_t *body);

/* The task's answer: its body, or its problem when status is negative. */
void verbs_answer_task(struct agent *agent, struct task *task, int status);

#endif
