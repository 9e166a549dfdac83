/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd.c - list and show, the same for every noun (carrel)
 */
#include "cli/cmd.h"

int
cmd_list(struct cli *cli, const char *noun, const char *const *columns)
{
	g_autofree char *path = g_strconcat("/api/v1/", noun, NULL);
	json_t *answer = NULL;
	int code = cli_request(cli, "GET", path, NULL, &answer);

	if (code == CLI_EXIT_OK)
		cli_print_list(cli, cli_get_list(answer, noun), columns);
	json_decref(answer);
	return code;
}

int
cmd_call(struct cli *cli, const char *method, const char *noun, const char *id, const char *verb,
	 json_t *body)
{
	g_autofree char *safe = g_uri_escape_string(id, NULL, FALSE);
	g_autofree char *path =
		g_strconcat("/api/v1/", noun, "/", safe, verb ? "/" : "", verb ? verb : "", NULL);
	json_t *answer = NULL;
	int code = cli_request(cli, method, path, body, &answer);

	if (code == CLI_EXIT_OK && answer &&
	    (json_object_size(answer) > 0 || json_array_size(answer) > 0))
		cli_print_object(cli, answer);
	json_decref(answer);
	return code;
}
