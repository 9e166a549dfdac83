/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keyboard.h - the X server's keyboard layout
 */
#ifndef AGENT_KEYBOARD_H
#define AGENT_KEYBOARD_H

#include <stdbool.h>

#include "agent/task.h"

#define KEYBOARD_WORD_MAX \
	32 /* of a layout and of a variant; a list of them may not be longer either */
#define KEYBOARD_SIZE (2 * KEYBOARD_WORD_MAX + 2)

struct keyboard {
	char current[KEYBOARD_SIZE]; /* "layout:variant" that X has; empty: not known */
};

/* Nothing is known any more: the X server was started afresh. */
void keyboard_forget(struct keyboard *keyboard);

/* What `setxkbmap -query` printed, as "layout:variant". False when no layout, or none that fits, is in it. */
bool keyboard_parse_query(const char *text, char ret_current[KEYBOARD_SIZE]);

/* Steps. The first two ask the X server; setting uses the request's "keyboard" {"layout", "variant"}. */
int keyboard_run_query(struct agent *agent, struct task *task);
int keyboard_finish_query(struct agent *agent, struct task *task);
int keyboard_run_set(struct agent *agent, struct task *task);
int keyboard_finish_set(struct agent *agent, struct task *task);

#endif
