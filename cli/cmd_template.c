/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_template.c - carrel template, carrel job, carrel host list (carrel)
 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

static const char *const template_columns[] = { "name",	  "NAME",   "version", "VERSION",
						"engine", "ENGINE", "ram_mib", "RAM MiB",
						"author", "AUTHOR", "current", "CURRENT",
						NULL };
static const char *const job_columns[] = { "id",	   "ID",     "kind",  "KIND",	 "state",
					   "STATE",	   "step",   "STEP",  "percent", "%",
					   "seconds_left", "LEFT s", "error", "ERROR",	 NULL };
static int
cmd_template_start(struct cli *cli, const char *name, const char *verb, json_t *body)
{
	g_autofree char *path = g_strdup_printf("/api/v1/templates/%s/%s", name, verb);
	json_t *answer = NULL;
	const char *job;
	int code = cli_request(cli, "POST", path, body, &answer);

	if (code != CLI_EXIT_OK)
		return code;
	job = json_get_text(answer, "job", "");
	if (cli_get_options(cli)->wait)
		code = cli_follow_job(cli, job);
	else
		cli_print_object(cli, answer);
	json_decref(answer);
	return code;
}

int
cmd_template_build(struct cli *cli, int argc, char **argv)
{
	const char *recipe = cli_get_options(cli)->recipe;

	return cmd_template_start(cli, argv[0], "build",
				  recipe ? json_pack("{s:s}", "recipe", recipe) : json_object());
}

int
cmd_template_publish(struct cli *cli, int argc, char **argv)
{
	const char *note = cli_get_options(cli)->note;

	return cmd_template_start(cli, argv[0], "publish",
				  note ? json_pack("{s:s}", "note", note) : json_object());
}

int
cmd_template_list(struct cli *cli, int argc, char **argv)
{
	return cmd_list(cli, "templates", template_columns);
}

int
cmd_template_show(struct cli *cli, int argc, char **argv)
{
	json_t *mine = json_array();
	json_t *answer = NULL;
	json_t *row;
	gsize index;
	int code = cli_request(cli, "GET", "/api/v1/templates", NULL, &answer);

	json_array_foreach(cli_get_list(answer, "templates"), index, row)
		if (strcmp(json_get_text(row, "name", ""), argv[0]) == 0)
			json_array_append(mine, row);
	if (code == CLI_EXIT_OK && json_array_size(mine) == 0)
		code = cli_fail(CLI_EXIT_NOT_FOUND,
				"there is no template '%s'; 'carrel template list' shows them",
				argv[0]);
	else if (code == CLI_EXIT_OK)
		cli_print_list(cli, mine, template_columns);
	json_decref(mine);
	json_decref(answer);
	return code;
}

int
cmd_job_list(struct cli *cli, int argc, char **argv)
{
	return cmd_list(cli, "jobs", job_columns);
}

int
cmd_job_show(struct cli *cli, int argc, char **argv)
{
	if (cli_get_options(cli)->wait)
		return cli_follow_job(cli, argv[0]);
	return cmd_call(cli, "GET", "jobs", argv[0], NULL, NULL);
}

int
cmd_job_cancel(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "DELETE", "jobs", argv[0], NULL, NULL);
}
