/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * screen.c - the size of the guest's screen (carrel-agent, in the guest)
 *
 * How it works: xrandr(1) is asked for the output, given a mode of that size (the paravirtual card takes any; its
 * timings mean nothing), told to use it, and asked again: the answer is what the screen really is.
 */
#include "agent/screen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"

#define XRANDR		  "/usr/bin/xrandr"
#define XRANDR_TIMEOUT_MS 10000
#define BLANKING	  160
#define MODE_NAME_SIZE	  32

bool
screen_parse_query(const char *text, int *ret_width, int *ret_height,
		   char ret_output[SCREEN_OUTPUT_SIZE])
{
	const char *current = strstr(text, "current ");
	const char *line = text;
	int width;
	int height;

	if (!current || sscanf(current, "current %d x %d", &width, &height) != 2)
		return false;
	for (; line; line = strchr(line, '\n')) {
		char word[16];

		line += *line == '\n';
		if (sscanf(line, "%31s %15s", ret_output, word) == 2 &&
		    strcmp(word, "connected") == 0) {
			*ret_width = width;
			*ret_height = height;
			return true;
		}
		if (*line == '\n')
			line--;
	}
	return false;
}

static int
screen_run_query(struct agent *agent, struct task *task)
{
	const char *const argv[] = { XRANDR, "--query", NULL };

	(void)agent;
	return task_command(task, argv, XRANDR_TIMEOUT_MS);
}

static int
screen_finish_query(struct agent *agent, struct task *task)
{
	char output[SCREEN_OUTPUT_SIZE];
	int width;
	int height;

	(void)agent;
	if (!screen_parse_query(task->command.output, &width, &height, output))
		return task_fail(task, -EPROTO, "xrandr names no connected output");
	json_object_set_new(task->answer, "width", json_integer(width));
	json_object_set_new(task->answer, "height", json_integer(height));
	json_object_set_new(task->request, "output", json_string(output));
	return 0;
}

static void
screen_name_mode(const struct task *task, char ret_name[MODE_NAME_SIZE])
{
	snprintf(ret_name, MODE_NAME_SIZE, "carrel-%dx%d",
		 (int)json_get_integer(task->request, "width", 0),
		 (int)json_get_integer(task->request, "height", 0));
}

static int
screen_run_newmode(struct agent *agent, struct task *task)
{
	int width = (int)json_get_integer(task->request, "width", 0);
	int height = (int)json_get_integer(task->request, "height", 0);
	char name[MODE_NAME_SIZE];
	char number[9][16];
	const char *argv[] = { XRANDR,	  "--newmode", name,	  number[0], number[1],
			       number[2], number[3],   number[4], number[5], number[6],
			       number[7], number[8],   NULL };
	int horizontal[] = { width, width + 48, width + 80, width + BLANKING };
	int vertical[] = { height, height + 3, height + 8, height + 30 };
	double clock_mhz = (width + BLANKING) * (height + 30) * 60.0 / 1e6;

	(void)agent;
	screen_name_mode(task, name);
	snprintf(number[0], sizeof(number[0]), "%d.%02d", (int)clock_mhz,
		 (int)(clock_mhz * 100) % 100);
	for (int i = 0; i < 4; i++) {
		snprintf(number[1 + i], sizeof(number[0]), "%d", horizontal[i]);
		snprintf(number[5 + i], sizeof(number[0]), "%d", vertical[i]);
	}
	return task_command(task, argv, XRANDR_TIMEOUT_MS);
}

static int
screen_run_addmode(struct agent *agent, struct task *task)
{
	const char *output = json_get_text(task->request, "output", "");
	char name[MODE_NAME_SIZE];
	const char *const argv[] = { XRANDR, "--addmode", output, name, NULL };

	(void)agent;
	screen_name_mode(task, name);
	return task_command(task, argv, XRANDR_TIMEOUT_MS);
}

static int
screen_run_set(struct agent *agent, struct task *task)
{
	const char *output = json_get_text(task->request, "output", "");
	char name[MODE_NAME_SIZE];
	const char *const argv[] = { XRANDR, "--output", output, "--mode", name, NULL };

	(void)agent;
	screen_name_mode(task, name);
	return task_command(task, argv, XRANDR_TIMEOUT_MS);
}

/* A mode that is there already makes newmode fail; then the next two decide. */
static const struct task_step screen_steps[] = {
	{ "query", screen_run_query, screen_finish_query, false },
	{ "newmode", screen_run_newmode, NULL, true },
	{ "addmode", screen_run_addmode, NULL, true },
	{ "set", screen_run_set, NULL, false },
	{ "query", screen_run_query, screen_finish_query, false },
};

const struct task_kind screen_task_kind = {
	.steps = screen_steps,
	.n_steps = sizeof(screen_steps) / sizeof(screen_steps[0]),
};
