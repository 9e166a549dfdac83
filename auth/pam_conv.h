/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pam_conv.h - one log-in through PAM, from authenticate to setcred
 *
 * The door to libpam. Runs in a carrel-authd child that lives for this log-in only; it may block, and modules may do
 * to the process whatever they like.
 */
#ifndef AUTH_PAM_CONV_H
#define AUTH_PAM_CONV_H

#include <stddef.h>

#include "base/proto_auth.h"

struct pam_conv_request {
	const char *service; /* lower case: libpam lower-cases it before it looks for the file */
	const char *confdir; /* NULL: the system's /etc/pam.d */
	const char *user;    /* "": PAM asks for it */
	const char *remote_host;
	/*
	 * Passes one prompt on and waits for its answer (styles INFO and ERROR have none). 0 or a negative errno, which ends
	 * the log-in. pam_conv wipes the answer.
	 */
	int (*ask)(void *context, const struct auth_prompt *prompt, struct auth_reply *ret_answer);
	void *context;
};

struct pam_conv_outcome {
	enum auth_class class;
	int pam_code;
	const char *step; /* the last step done: "start", "authenticate", "acct_mgmt", ... */
	char reason[160]; /* for the log: pam_strerror() and the like */
	char user[NAME_USER_SIZE]; /* PAM_USER at the end; only with AUTH_CLASS_OK */
};

/* Runs all steps. Only AUTH_CLASS_OK lets anybody in; it comes with no other code than PAM_SUCCESS. */
void pam_conv_run(const struct pam_conv_request *request, struct pam_conv_outcome *ret_outcome);

#endif
