/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_agent.h - the agent port: verbs between carrel-hostd and carrel-agent in the guest
 *
 * Frames of frame.h with JSON {"v": 1, "id": n, "verb": "...", "generation": g, "body": {...}}; an answer has the
 * same id and verb, "ok": true|false, and a body or "error": "text". Bodies are in docs/PROTOCOL.md. Whatever comes
 * from the guest is hostile until checked.
 */
#ifndef BASE_PROTO_AGENT_H
#define BASE_PROTO_AGENT_H

#define AGENT_PORT_NAME	       "org.carrel.agent.0"
#define AGENT_PROTOCOL_VERSION 1
#define AGENT_MAX_TEXT	       256

#define AGENT_VERB_HELLO    "hello"
#define AGENT_VERB_RESYNC   "resync"
#define AGENT_VERB_QUIESCE  "quiesce"
#define AGENT_VERB_IDENTIFY "identify"
#define AGENT_VERB_LOGIN    "login"
#define AGENT_VERB_LOGOFF   "logoff"
#define AGENT_VERB_READY    "ready"
#define AGENT_VERB_SCREEN   "screen"
#define AGENT_VERB_SHUTDOWN "shutdown"

#endif
