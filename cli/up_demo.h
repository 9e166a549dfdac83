/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_demo.h - "carrel up --demo-user": a PAM service and a password file of its own, so that a trial needs no account
 */
#ifndef CLI_UP_DEMO_H
#define CLI_UP_DEMO_H

#include <glib.h>

/*
 * Writes <folder>/carrel (pam_pwdfile) and <folder>/passwd. A new user gets a random password, which is told in
 * ret_password (the caller wipes and frees it); a known one keeps its own and ret_password is NULL.
 */
gboolean up_demo_make(const char *folder, const char *service, const char *user,
		      char **ret_password, GError **error);

#endif
