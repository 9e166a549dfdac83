/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * account.h - a user's account in the guest
 *
 * useradd(8) takes half a second in a guest without hardware virtualization. A template may therefore hold an account
 * ACCOUNT_SPARE with a group of the same name, a home of the same name in /home and the uid that hostd gives to users;
 * without one the agent calls useradd.
 */
#ifndef AGENT_ACCOUNT_H
#define AGENT_ACCOUNT_H

struct agent;
struct task;

#define ACCOUNT_SPARE "carrel-spare"

/*
 * Gives the spare account, its group and its home the name "user", in the account files below "etc" and in "homes".
 * The caller has found out that the spare account exists, that neither account nor group of the new name do, and holds
 * lckpwdf(3). 0 or a negative errno, after which passwd still names the spare one; -ENOTEMPTY when that home exists.
 */
int account_take_spare(const char *etc, const char *homes, const char *user);

/* A step of "login" (task.h): the account of the request's user with its uid and those of its groups that there are. */
int account_run_make(struct agent *agent, struct task *task);

#endif
