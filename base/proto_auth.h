/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_auth.h - one log-in between carrel-broker and carrel-authd (root)
 *
 * SOCK_SEQPACKET on <run>/auth.sock, seq.h messages; only the broker's uid may connect. One connection is one log-in:
 * authd forks a child for it, and when either side closes, the log-in is over.
 *
 * type     from    payload       state
 * START    broker  auth_start    fresh
 * PROMPT   child   auth_prompt   working -> asked (styles ECHO_ON, ECHO_OFF); INFO and ERROR need no answer
 * REPLY    broker  auth_reply    asked -> working
 * RESULT   child   auth_result   -> over. Only PAM_SUCCESS (0) lets anybody in
 */
#ifndef BASE_PROTO_AUTH_H
#define BASE_PROTO_AUTH_H

#include <stdint.h>

#include "base/name.h"

#define AUTH_MAX_PROMPTS 50
#define AUTH_MAX_GROUPS	 64
#define AUTH_TEXT_SIZE	 512 /* PAM_MAX_RESP_SIZE */

enum auth_type {
	AUTH_START = 1,
	AUTH_PROMPT,
	AUTH_REPLY,
	AUTH_RESULT,
};

enum auth_style {
	AUTH_STYLE_ECHO_OFF = 1,
	AUTH_STYLE_ECHO_ON,
	AUTH_STYLE_ERROR,
	AUTH_STYLE_INFO
};

struct auth_start {
	char user[NAME_USER_SIZE + 7]; /* may be empty: PAM asks */
	char remote_host[64];
};

struct auth_prompt {
	uint32_t style;
	char text[AUTH_TEXT_SIZE];
};

struct auth_reply {
	char text[AUTH_TEXT_SIZE]; /* wiped by both sides as soon as it is passed on */
};

/* What went wrong, in classes a user may see. Wrong password and unknown user are one class. */
enum auth_class {
	AUTH_CLASS_OK,
	AUTH_CLASS_DENIED,
	AUTH_CLASS_EXPIRED,
	AUTH_CLASS_LOCKED,
	AUTH_CLASS_UNAVAILABLE, /* service or module missing, timeout: an admin's problem */
	AUTH_CLASS_COUNT,
};

struct auth_result {
	uint32_t class;
	int32_t pam_code;	       /* for the log */
	char user[NAME_USER_SIZE + 7]; /* PAM_USER as it is at the end */
	uint32_t n_groups;
	char groups[AUTH_MAX_GROUPS]
		   [NAME_USER_SIZE + 7]; /* from NSS; empty without such an account */
};

#endif
