/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd.c - list and show, the same for every noun (carrel)
 */
#include "cli/cmd.h"

#define MAX_PAGES 1000 /* a broker that never ends its list */

static void
cmd_take_page(json_t **list, json_t *answer, const char *noun)
{
	json_t *page = cli_get_list(answer, noun);

	if (!*list)
		*list = json_array();
	if (json_is_array(page))
		json_array_extend(*list, page);
}

int
cmd_fetch(struct cli *cli, const char *noun, json_t **ret_list, json_t **ret_first)
{
	g_autofree char *path = g_strconcat("/api/v1/", noun, NULL);
	json_t *list = NULL;
	int code = CLI_EXIT_OK;

	for (int pages = 0; path && code == CLI_EXIT_OK && pages < MAX_PAGES; pages++) {
		g_autofree char *after = NULL;
		json_t *answer = NULL;

		code = cli_request(cli, "GET", path, NULL, &answer);
		if (code == CLI_EXIT_OK)
			cmd_take_page(&list, answer, noun);
		after = g_uri_escape_string(json_get_text(answer, "next", ""), NULL, FALSE);
		g_free(path);
		path = after[0] ? g_strconcat("/api/v1/", noun, "?after=", after, NULL) : NULL;
		if (pages == 0 && ret_first)
			*ret_first = json_incref(answer);
		json_decref(answer);
	}
	*ret_list = list;
	return code;
}

int
cmd_list(struct cli *cli, const char *noun, const char *const *columns)
{
	json_t *list = NULL;
	int code = cmd_fetch(cli, noun, &list, NULL);

	if (code == CLI_EXIT_OK)
		cli_print_list(cli, list, columns);
	json_decref(list);
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

	if (code == CLI_EXIT_OK)
		cli_print_object(cli, answer);
	json_decref(answer);
	return code;
}
