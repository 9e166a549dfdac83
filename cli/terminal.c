/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * terminal.c - what a person types at a question (carrel)
 *
 * How it works: while a secret is typed, terminal_hide() has switched the echo off, and each signal that would end the
 * program goes through terminal_handle_signal(), which puts the terminal back and lets the signal do its work. A handler,
 * because GIO's threads may be the ones that get the signal.
 */
#include "cli/terminal.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int ending_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

/* A handler has no context. Written only while none of ours is installed. */
static struct termios terminal_before;

/* SA_RESETHAND has made the signal's action the default one, which follows when this returns. */
static void
terminal_handle_signal(int number)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
	raise(number);
}

/* "old" has room for one action a signal. What was ignored, as by nohup(1), stays ignored. */
static void
terminal_catch_signals(struct sigaction *old)
{
	struct sigaction action = { .sa_handler = terminal_handle_signal,
				    .sa_flags = (int)SA_RESETHAND };

	/* Blocked, it does not stop a process in the background that puts the terminal back. */
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGTTOU);
	for (gsize i = 0; i < G_N_ELEMENTS(ending_signals); i++) {
		sigaction(ending_signals[i], NULL, &old[i]);
		if (old[i].sa_handler != SIG_IGN)
			sigaction(ending_signals[i], &action, NULL);
	}
}

static void
terminal_hide(struct sigaction *old)
{
	struct termios silent = terminal_before;

	terminal_catch_signals(old);
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
}

static void
terminal_show(const struct sigaction *old)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
	for (gsize i = 0; i < G_N_ELEMENTS(ending_signals); i++)
		sigaction(ending_signals[i], &old[i], NULL);
	fputc('\n', stderr);
}

static gboolean
terminal_refuse(GError **error, GIOErrorEnum code, const char *why)
{
	g_set_error_literal(error, G_IO_ERROR, (gint)code, why);
	return FALSE;
}

static gboolean
terminal_read_line(char *line, gsize size, GError **error)
{
	gsize length = 0;
	int letter;

	while ((letter = getchar()) != EOF && letter != '\n') {
		if (length == size - 1) {
			/* What is left of it is not for the shell. */
			tcflush(STDIN_FILENO, TCIFLUSH);
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
				    _("an answer may have %d bytes at most: give a shorter one"),
				    (int)size - 1);
			return FALSE;
		}
		line[length++] = (char)letter;
	}
	line[length] = '\0';
	if (letter == EOF && length == 0)
		return terminal_refuse(error, G_IO_ERROR_CLOSED, _("the input ended"));
	/* A NUL is none of it, either. */
	if (!g_utf8_validate(line, (gssize)length, NULL))
		return terminal_refuse(
			error, G_IO_ERROR_INVALID_DATA,
			_("the answer is not UTF-8 text: type it in a terminal that uses UTF-8"));
	return TRUE;
}

gboolean
terminal_ask(gboolean echo, char *answer, gsize size, GError **error)
{
	gboolean hidden = !echo && tcgetattr(STDIN_FILENO, &terminal_before) == 0;
	struct sigaction old[G_N_ELEMENTS(ending_signals)];
	gboolean answered;

	if (hidden)
		terminal_hide(old);
	answered = terminal_read_line(answer, size, error);
	if (hidden)
		terminal_show(old);
	if (!answered)
		explicit_bzero(answer, size);
	return answered;
}
