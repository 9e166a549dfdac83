/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_session.c - carrel session (carrel)
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

static const char *const session_columns[] = { "id",	"ID",	 "user",       "USER",
					       "pool",	"POOL",	 "desktop",    "DESKTOP",
					       "state", "STATE", "created_ms", "SINCE ms",
					       NULL };

int
cmd_session_list(struct cli *cli, int argc, char **argv)
{
	return cmd_list(cli, "sessions", session_columns);
}

int
cmd_session_assign(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "pools", argv[0], "assign", json_object());
}

int
cmd_session_timing(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "GET", "sessions", argv[0], "timing", NULL);
}

int
cmd_session_revoke(struct cli *cli, int argc, char **argv)
{
	const struct cli_options *options = cli_get_options(cli);
	int n_ways = argc + (options->users != NULL) + (options->all != FALSE);

	if (n_ways != 1)
		return cli_fail(CLI_EXIT_USAGE,
				"'session revoke' needs a session's id, --user NAME or --all");
	if (argc == 1)
		return cmd_call(cli, "DELETE", "sessions", argv[0], NULL, NULL);
	if (options->all)
		return cmd_call(cli, "POST", "sessions", "revoke", NULL,
				json_pack("{s:b}", "all", 1));
	return cmd_call(cli, "POST", "sessions", "revoke", NULL,
			json_pack("{s:s}", "user", options->users[0]));
}

static char *
cmd_session_make_vv(json_t *vv)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	const char *key;
	json_t *value;

	g_key_file_set_string(file, "virt-viewer", "type", "spice");
	json_object_foreach(vv, key, value) {
		if (json_is_string(value))
			g_key_file_set_string(file, "virt-viewer", key, json_string_value(value));
		else if (json_is_integer(value))
			g_key_file_set_int64(file, "virt-viewer", key, json_integer_value(value));
	}
	g_key_file_set_integer(file, "virt-viewer", "delete-this-file", 1);
	return g_key_file_to_data(file, NULL, NULL);
}

int
cmd_session_vv(struct cli *cli, int argc, char **argv)
{
	const char *output = cli_get_options(cli)->output;
	g_autofree char *path = g_strdup_printf("/api/v1/sessions/%s/ticket", argv[0]);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	json_t *answer = NULL;
	int code = cli_request(cli, "POST", path, json_pack("{s:s}", "protocol", "spice"), &answer);

	if (code != CLI_EXIT_OK)
		return code;
	text = cmd_session_make_vv(json_object_get(answer, "vv"));
	if (!output && cli_get_options(cli)->json)
		cli_print_object(cli, answer);
	else if (!output)
		fputs(text, stdout);
	else if (!g_file_set_contents_full(output, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
					   &error))
		code = cli_fail(CLI_EXIT_FAILED, "%s", error->message);
	explicit_bzero(text, strlen(text));
	json_decref(answer);
	return code;
}
