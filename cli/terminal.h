/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * terminal.h - what a person types at a question
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <glib.h>

/*
 * Reads a line from the terminal (or standard input, for scripts) into "answer", without its end. Without "echo" it is
 * not shown; the terminal shows again what is typed when this returns and when a signal ends the program meanwhile. FALSE
 * and error (for the user) when the input ended, or the line has "size" bytes or more or is not UTF-8; the answer is
 * wiped then.
 */
gboolean terminal_ask(gboolean echo, char *answer, gsize size, GError **error);

#endif
