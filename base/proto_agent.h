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
#define AGENT_VERB_CLOCK    "clock"
#define AGENT_VERB_LOGIN    "login"
#define AGENT_VERB_LOGOFF   "logoff"
#define AGENT_VERB_READY    "ready"
#define AGENT_VERB_SCREEN   "screen"
#define AGENT_VERB_SHUTDOWN "shutdown"

/* So long an identify may take: ssh-keygen looks for primes, and sshd is started again, on a host that may have much to do. */
#define AGENT_IDENTIFY_MAX_MS 120000
/* And a login: a guest that was reset has a log-in while its own services still start. */
#define AGENT_LOGIN_MAX_MS 120000

/* How an error begins that says: not now, ask again. */
#define AGENT_ERROR_BUSY "busy with "

/*
 * What the guest has, as its agent tells it in the answer to resync. agent/agent.h has the life cycle. A guest that boots is
 * fresh, whatever it was before.
 */
enum agent_state {
	AGENT_STATE_UNKNOWN,  /* hostd's word for what it was not told: older agents do not */
	AGENT_STATE_FRESH,    /* booted: neither names nor a user */
	AGENT_STATE_QUIESCED, /* the same, come to rest to be sealed: how a fork begins */
	AGENT_STATE_IDENTIFIED,
	AGENT_STATE_LOGGING_IN,
	AGENT_STATE_IN_SESSION,
	AGENT_STATE_LOGGING_OFF,
	AGENT_STATE_ENDING,
	AGENT_STATE_COUNT,
};

/* "fresh", "in-session", ... for the port and for messages. */
const char *agent_state_name(enum agent_state state);

/* AGENT_STATE_UNKNOWN for any other word: a later agent may have more of them. */
enum agent_state agent_state_find(const char *name);

#endif
