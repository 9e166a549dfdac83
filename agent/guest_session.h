/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_session.h - a user's session in the guest: the verbs login and logoff
 *
 * docs/PROTOCOL.md, "Agent frames". What a session consists of is the recipe's carrel-session@.service.
 */
#ifndef AGENT_GUEST_SESSION_H
#define AGENT_GUEST_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/task.h"
#include "base/name.h"

/* The main process of the session, left by the recipe's unit; where there is none, systemctl is asked. */
#define GUEST_SESSION_PID_FILE "/run/carrel/session.pid"
struct agent_record;

#define GUEST_SESSION_UNIT_SIZE (NAME_USER_SIZE * 4 + 32)

struct guest_session {
	char user[NAME_USER_SIZE]; /* empty: nobody */
	char unit[GUEST_SESSION_UNIT_SIZE];
	int pidfd; /* of the unit's main process; readable at its end; -1 when none is watched */
	pid_t pid; /* the same process, for the record */
	uint64_t start_ticks;
	bool asked; /* logoff was asked for by the host */
};

extern const struct task_kind guest_session_login_kind;
extern const struct task_kind guest_session_logoff_kind;

void guest_session_init(struct guest_session *session);
void guest_session_done(struct guest_session *session);

/* The values of a login request beyond its table. 0 or -EINVAL and the problem. */
int guest_session_check_request(const json_t *body, struct json_problem *ret_problem);

/* Fills in the record of a session that runs. */
void guest_session_describe(const struct guest_session *session, struct agent_record *record);

/* Watches the record's session again, or, when it has ended, tells the host so. */
void guest_session_restore(struct agent *agent, const struct agent_record *record);

/* The main process has ended: tells the host. */
void guest_session_handle_end(struct agent *agent);

/* "carrel-session@ada.service"; '-' is escaped as systemd-escape(1) does. */
void guest_session_make_unit(const char *user, char ret_unit[GUEST_SESSION_UNIT_SIZE]);

#endif
