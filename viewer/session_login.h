/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_login.h - what the user does to log in and out; calls that the state does not allow are ignored
 */
#ifndef VIEWER_SESSION_LOGIN_H
#define VIEWER_SESSION_LOGIN_H

struct session;

/* IDLE: asks this broker to let this user in. pool: the one to open without asking, or NULL. */
void session_begin(struct session *session, const char *broker, const char *user, const char *pool);

/* TRUSTING: the fingerprint is the right one; it is remembered. */
void session_trust(struct session *session);

/* ASKING: one answer a question, ended by NULL; none for a batch that only informs. */
void session_answer(struct session *session, const char *const *answers);

/* Forgets the user: to IDLE. */
void session_log_out(struct session *session);

#endif
