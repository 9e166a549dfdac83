/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * problem_words.c - the broker's problem codes in the user's language (carrel-viewer)
 */
#include "viewer/problem_words.h"

#include <glib.h>
#include <glib/gi18n.h>

static const struct {
	const char *code;
	const char *words;
} problem_words_table[] = {
	{ "login.denied", N_("The user name or the password is not right. Try again.") },
	{ "login.expired",
	  N_("Your account or password has expired. Ask your administrator to renew it.") },
	{ "login.locked",
	  N_("Your account is locked. Try again later, or ask your administrator to unlock it.") },
	{ "login.limited", N_("Too many tries to log in. Wait a minute, then try again.") },
	{ "login.name", N_("That is not a user name. Use the name you log in with elsewhere.") },
	{ "login.unavailable",
	  N_("The broker cannot check passwords just now. Try again, or tell your administrator.") },
	{ "login.unknown", N_("The log-in took too long. Begin again.") },
	{ "pool.empty",
	  N_("All desktops of this kind are taken just now. Try again in a moment.") },
	{ "pool.forbidden", N_("This desktop is not offered to you any more.") },
	{ "pool.unknown", N_("This desktop is not offered any more. Choose another.") },
	{ "session.suspended", N_("Your desktop was suspended. Open it again and it goes on.") },
	{ "desktop.stuck",
	  N_("Your desktop was suspended and cannot go on just now. It will be tried again; if it "
	     "stays so, tell your administrator.") },
	{ "desktop.moving",
	  N_("Your desktop is on its way to another host. It will be tried again.") },
	{ "host.maintenance",
	  N_("Your desktop's host is in maintenance. Your desktop waits until that is over.") },
	{ "session.elsewhere",
	  N_("Your desktop was opened in another viewer. Choose it to bring it back "
	     "to this one.") },
	{ "session.unknown", N_("Your session on the desktop has ended.") },
	{ "ticket.busy", N_("The broker is busy opening displays. It will be tried again.") },
	{ "ticket.timeout", N_("The desktop's host does not answer. It will be tried again.") },
	{ "ticket.refused",
	  N_("The desktop's host refused to open the display. It will be tried again.") },
	{ "token.invalid",
	  N_("You were logged out, because too much time has passed or an administrator did it. "
	     "Log in again.") },
	{ "server.error",
	  N_("Something went wrong in the broker. Try again; if it stays so, tell your "
	     "administrator.") },
	{ "server.stopping", N_("The broker is being restarted. Try again in a moment.") },
};

const char *
problem_words_find(const char *code)
{
	for (gsize i = 0; i < G_N_ELEMENTS(problem_words_table); i++)
		if (g_str_equal(problem_words_table[i].code, code))
			return _(problem_words_table[i].words);
	return NULL;
}
