/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * screen.h - the size of the guest's screen: the verb screen
 */
#ifndef AGENT_SCREEN_H
#define AGENT_SCREEN_H

#include <stdbool.h>

#include "agent/task.h"

#define SCREEN_MIN	   320
#define SCREEN_MAX	   8192
#define SCREEN_OUTPUT_SIZE 32

extern const struct task_kind screen_task_kind;

/* The size now and the first connected output, from the text of `xrandr --query`. */
bool screen_parse_query(const char *text, int *ret_width, int *ret_height,
			char ret_output[SCREEN_OUTPUT_SIZE]);

#endif
