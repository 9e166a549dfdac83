/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keyboard.c - the X server's keyboard layout (carrel-agent, in the guest)
 *
 * How it works: setting a layout makes the X server compile a keymap, a third of a second in a guest without hardware
 * virtualization. So keyboard_run_query() asks it before the seal which one it has, every fork remembers that, and
 * keyboard_run_set() does nothing for a user whose layout it is already.
 */
#include "agent/keyboard.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"

#define SETXKBMAP	    "/usr/bin/setxkbmap"
#define KEYBOARD_TIMEOUT_MS 10000

void
keyboard_forget(struct keyboard *keyboard)
{
	keyboard->current[0] = '\0';
}

/* The word behind "name:" at a line's beginning. False when there is none, or a longer one. */
static bool
keyboard_parse_field(const char *text, const char *name, char ret_word[KEYBOARD_WORD_MAX + 1])
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		size_t size;

		line += *line == '\n';
		if (strncmp(line, name, length) != 0 || line[length] != ':')
			continue;
		line += length + 1;
		line += strspn(line, " \t");
		size = strcspn(line, " \t\n");
		if (size == 0 || size > KEYBOARD_WORD_MAX)
			return false;
		snprintf(ret_word, KEYBOARD_WORD_MAX + 1, "%.*s", (int)size, line);
		return true;
	}
	return false;
}

bool
keyboard_parse_query(const char *text, char ret_current[KEYBOARD_SIZE])
{
	char layout[KEYBOARD_WORD_MAX + 1];
	char variant[KEYBOARD_WORD_MAX + 1] = "";

	if (!keyboard_parse_field(text, "layout", layout))
		return false;
	if (strstr(text, "\nvariant:") && !keyboard_parse_field(text, "variant", variant))
		return false;
	snprintf(ret_current, KEYBOARD_SIZE, "%s:%s", layout, variant);
	return true;
}

int
keyboard_run_query(struct agent *agent, struct task *task)
{
	const char *const argv[] = { SETXKBMAP, "-query", NULL };

	keyboard_forget(&agent->keyboard);
	/* A guest without it has no X to ask. */
	if (access(SETXKBMAP, X_OK) < 0)
		return TASK_SKIPPED;
	return task_command(task, argv, KEYBOARD_TIMEOUT_MS);
}

int
keyboard_finish_query(struct agent *agent, struct task *task)
{
	if (!keyboard_parse_query(task->command.output, agent->keyboard.current))
		keyboard_forget(&agent->keyboard);
	return 0;
}

static void
keyboard_get_wanted(const struct task *task, char ret_wanted[KEYBOARD_SIZE])
{
	const json_t *keyboard = json_object_get(task->request, "keyboard");

	snprintf(ret_wanted, KEYBOARD_SIZE, "%s:%s", json_get_text(keyboard, "layout", ""),
		 json_get_text(keyboard, "variant", ""));
}

int
keyboard_run_set(struct agent *agent, struct task *task)
{
	const json_t *keyboard = json_object_get(task->request, "keyboard");
	const char *const argv[] = { SETXKBMAP,
				     "-layout",
				     json_get_text(keyboard, "layout", ""),
				     "-variant",
				     json_get_text(keyboard, "variant", ""),
				     NULL };
	char wanted[KEYBOARD_SIZE];

	keyboard_get_wanted(task, wanted);
	if (!keyboard || strcmp(wanted, agent->keyboard.current) == 0)
		return TASK_SKIPPED;
	keyboard_forget(&agent->keyboard);
	return task_command(task, argv, KEYBOARD_TIMEOUT_MS);
}

int
keyboard_finish_set(struct agent *agent, struct task *task)
{
	keyboard_get_wanted(task, agent->keyboard.current);
	return 0;
}
