/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session.h - a user's session in the guest: the verbs login and logoff
 *
 * docs/PROTOCOL.md, "Agent frames". What a session consists of is the recipe's carrel-session@.service.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/task.h"
#include "base/name.h"

#define SESSION_UNIT_SIZE (NAME_USER_SIZE * 4 + 32)

struct session {
	char user[NAME_USER_SIZE]; /* empty: nobody */
	char unit[SESSION_UNIT_SIZE];
	int pidfd; /* of the unit's main process; readable at its end; -1 when none is watched */
	bool asked; /* logoff was asked for by the host */
};

extern const struct task_kind session_login_kind;
extern const struct task_kind session_logoff_kind;

void session_init(struct session *session);
void session_done(struct session *session);

/* The values of a login request beyond its table. 0 or -EINVAL and the problem. */
int session_check_request(const json_t *body, struct json_problem *ret_problem);

/* The main process has ended: tells the host. */
void session_handle_end(struct agent *agent);

/* "carrel-session@ada.service"; '-' is escaped as systemd-escape(1) does. */
void session_make_unit(const char *user, char ret_unit[SESSION_UNIT_SIZE]);

/* Letters, digits and "_+-/", no "..", no leading '/'. */
bool session_timezone_ok(const char *text);

#endif
