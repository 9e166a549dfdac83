/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_template.c - carrel template, carrel job, carrel host list (carrel)
 */
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

#define TEMPLATE_MAX_VERSION 999999999

static const char *const template_columns[] = { "name",	       N_("NAME"),   "version",
						N_("VERSION"), "current",    N_("CURRENT"),
						"engine",      N_("ENGINE"), "ram_mib",
						N_("RAM MiB"), "author",     N_("AUTHOR"),
						"created_ms",  N_("MADE"),   NULL };
static const char *const image_columns[] = { "name",	   N_("IMAGE"), "host", N_("HOST"),
					     "created_ms", N_("BUILT"), NULL };
static const char *const job_columns[] = { "id",	 N_("ID"),	"kind",
					   N_("KIND"),	 "template",	N_("TEMPLATE"),
					   "version",	 N_("VERSION"), "state",
					   N_("STATE"),	 "step",	N_("STEP"),
					   "percent",	 "%",		"seconds_left",
					   N_("LEFT s"), "error",	N_("ERROR"),
					   "reason",	 N_("REASON"),	NULL };

static int
cmd_template_start(struct cli *cli, const char *name, const char *verb, json_t *body)
{
	g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/api/v1/templates/%s/%s", escaped, verb);
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
	const struct cli_options *options = cli_get_options(cli);

	return cmd_template_start(
		cli, argv[0], "publish",
		json_pack("{s:s*, s:s*}", "engine", options->engine, "note", options->note));
}

int
cmd_template_verify(struct cli *cli, int argc, char **argv)
{
	const char *text = cli_get_options(cli)->version;
	g_autoptr(GError) error = NULL;
	gint64 version;

	if (!text)
		return cmd_template_start(cli, argv[0], "verify", json_object());
	if (!g_ascii_string_to_signed(text, 10, 1, TEMPLATE_MAX_VERSION, &version, &error))
		return cli_fail(CLI_EXIT_USAGE, _("--version: %s"), error->message);
	return cmd_template_start(cli, argv[0], "verify",
				  json_pack("{s:I}", "version", (json_int_t)version));
}

int
cmd_template_list(struct cli *cli, int argc, char **argv)
{
	json_t *list = NULL;
	json_t *first = NULL;
	int code = cmd_fetch(cli, "templates", &list, &first);
	json_t *images = json_object_get(first, "images");

	if (code == CLI_EXIT_OK)
		cli_print_list(cli, list, template_columns);
	/* Images are what a publish takes; they are no templates yet. */
	if (code == CLI_EXIT_OK && !cli_get_options(cli)->json && json_array_size(images) > 0) {
		putchar('\n');
		cli_print_list(cli, images, image_columns);
	}
	json_decref(first);
	json_decref(list);
	return code;
}

int
cmd_template_show(struct cli *cli, int argc, char **argv)
{
	json_t *mine = json_array();
	json_t *list = NULL;
	json_t *row;
	gsize index;
	int code = cmd_fetch(cli, "templates", &list, NULL);

	json_array_foreach(list, index, row)
		if (strcmp(json_get_text(row, "name", ""), argv[0]) == 0)
			json_array_append(mine, row);
	if (code == CLI_EXIT_OK && json_array_size(mine) == 0)
		code = cli_fail(CLI_EXIT_NOT_FOUND,
				_("there is no template '%s'; 'carrel template list' shows them"),
				argv[0]);
	else if (code == CLI_EXIT_OK)
		cli_print_list(cli, mine, template_columns);
	json_decref(mine);
	json_decref(list);
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
