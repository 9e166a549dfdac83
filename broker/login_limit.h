/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login_limit.h - slows down who guesses passwords, without locking their victims out
 *
 * Failures are counted for an address, and for an address and a user together; never for a user alone, because then
 * anybody could lock anybody out.
 */
#ifndef BROKER_LOGIN_LIMIT_H
#define BROKER_LOGIN_LIMIT_H

#include <glib.h>

struct login_limit;

struct login_limit *login_limit_new(void);
void login_limit_free(struct login_limit *limit);

/* Seconds to wait before this log-in may be tried, 0 when it may now. */
guint login_limit_check(struct login_limit *limit, const char *remote, const char *user,
			gint64 now_us);
void login_limit_count_failure(struct login_limit *limit, const char *remote, const char *user,
			       gint64 now_us);

#endif
