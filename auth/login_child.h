/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login_child.h - the process that serves one log-in (a fork of carrel-authd, root)
 */
#ifndef AUTH_LOGIN_CHILD_H
#define AUTH_LOGIN_CHILD_H

struct login_child_settings {
	const char *service;
	const char *confdir; /* NULL: the system's */
};

/* Speaks proto_auth.h on the connected socket until the log-in is over. Returns the process's exit status. */
int login_child_run(int fd, const struct login_child_settings *settings);

#endif
