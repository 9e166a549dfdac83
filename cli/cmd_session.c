/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_session.c - carrel session (carrel)
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/vnc_bridge.h"

static const char *const session_columns[] = { "id",	 N_("ID"),	 "user",      N_("USER"),
					       "pool",	 N_("POOL"),	 "desktop",   N_("DESKTOP"),
					       "state",	 N_("STATE"),	 "opened_ms", N_("SINCE"),
					       "reason", N_("ENDED BY"), NULL };
static const char *const step_columns[] = { "step", N_("STEP"), "ms", N_("MS"),
					    "warm", N_("WARM"), NULL };

int
cmd_session_list(struct cli *cli, int argc, char **argv)
{
	return cmd_list(cli, "sessions", session_columns);
}

int
cmd_session_show(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "GET", "sessions", argv[0], NULL, NULL);
}

int
cmd_session_assign(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "pools", argv[0], "assign", json_object());
}

/* What the user waited: steps that were done before (warm) cost nobody time. */
static void
cmd_session_add_total(json_t *steps)
{
	gint64 total = 0;
	gsize index;
	json_t *step;

	json_array_foreach(steps, index, step)
		if (!json_get_flag(step, "warm", FALSE))
			total += json_get_integer(step, "ms", 0);
	json_array_append_new(steps, json_pack("{s:s, s:I, s:b}", "step", _("waited in all"), "ms",
					       (json_int_t)total, "warm", 0));
}

int
cmd_session_timing(struct cli *cli, int argc, char **argv)
{
	g_autofree char *id = g_uri_escape_string(argv[0], NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/api/v1/sessions/%s/timing", id);
	json_t *answer = NULL;
	int code = cli_request(cli, "GET", path, NULL, &answer);
	json_t *steps = json_object_get(answer, "steps");

	if (code == CLI_EXIT_OK && (cli_get_options(cli)->json || !json_is_array(steps))) {
		cli_print_object(cli, answer);
	} else if (code == CLI_EXIT_OK) {
		cmd_session_add_total(steps);
		cli_print_list(cli, steps, step_columns);
	}
	json_decref(answer);
	return code;
}

int
cmd_session_revoke(struct cli *cli, int argc, char **argv)
{
	const struct cli_options *options = cli_get_options(cli);
	int code = CLI_EXIT_OK;
	int n_ways = argc + (options->users != NULL) + (options->all != FALSE);

	if (n_ways != 1)
		return cli_fail(CLI_EXIT_USAGE,
				_("'session revoke' needs a session's id, --user NAME or --all"));
	if (argc == 1)
		return cmd_call(cli, "DELETE", "sessions", argv[0], NULL, NULL);
	if (options->all)
		return cmd_call(cli, "POST", "sessions", "revoke", NULL,
				json_pack("{s:b}", "all", 1));
	for (guint i = 0; options->users[i] && code == CLI_EXIT_OK; i++)
		code = cmd_call(cli, "POST", "sessions", "revoke", NULL,
				json_pack("{s:s}", "user", options->users[i]));
	return code;
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

/* The file holds a password: nobody else may read it, and an old file's mode does not count. */
static int
cmd_session_write_vv(const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
		return cli_fail(CLI_EXIT_FAILED, _("the connection file is not written: %s"),
				error->message);
	return CLI_EXIT_OK;
}

/* An answer with a "vv" in it. */
static int
cmd_session_get_ticket(struct cli *cli, const char *session, const char *protocol,
		       json_t **ret_answer)
{
	g_autofree char *id = g_uri_escape_string(session, NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/api/v1/sessions/%s/ticket", id);
	json_t *answer = NULL;
	int code =
		cli_request(cli, "POST", path, json_pack("{s:s}", "protocol", protocol), &answer);

	if (code == CLI_EXIT_OK && json_object_size(json_object_get(answer, "vv")) == 0)
		code = cli_fail(CLI_EXIT_FAILED, _("the broker's answer holds no connection data"));
	if (code == CLI_EXIT_OK)
		*ret_answer = answer;
	else
		json_decref(answer);
	return code;
}

int
cmd_session_vv(struct cli *cli, int argc, char **argv)
{
	const struct cli_options *options = cli_get_options(cli);
	g_autofree char *text = NULL;
	json_t *answer = NULL;
	int code = cmd_session_get_ticket(cli, argv[0], "spice", &answer);

	if (code != CLI_EXIT_OK)
		return code;
	text = cmd_session_make_vv(json_object_get(answer, "vv"));
	if (options->output)
		code = cmd_session_write_vv(options->output, text);
	else if (options->json)
		cli_print_object(cli, answer);
	else
		fputs(text, stdout);
	explicit_bzero(text, strlen(text));
	json_decref(answer);
	return code;
}

static int
cmd_session_fail_vnc(const GError *error)
{
	return cli_fail(CLI_EXIT_FAILED, _("the VNC client is not let in: %s"), error->message);
}

/* A ticket is good for seconds: it is asked for when the client has come. */
static int
cmd_session_bridge(struct cli *cli, const char *session, struct vnc_bridge *bridge)
{
	g_autoptr(GError) error = NULL;
	json_t *answer = NULL;
	int code;

	printf(_("open it with: vncviewer %s\n"), vnc_bridge_get_address(bridge));
	fflush(stdout);
	if (!vnc_bridge_accept(bridge, &error))
		return cmd_session_fail_vnc(error);
	code = cmd_session_get_ticket(cli, session, "vnc", &answer);
	if (code == CLI_EXIT_OK && !vnc_bridge_run(bridge, json_object_get(answer, "vv"), &error))
		code = cmd_session_fail_vnc(error);
	json_decref(answer);
	return code;
}

int
cmd_session_vnc(struct cli *cli, int argc, char **argv)
{
	const struct cli_options *options = cli_get_options(cli);
	g_autofree char *id = g_uri_escape_string(argv[0], NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/api/v1/sessions/%s", id);
	g_autofree char *own = g_strdup_printf("%s/carrel-%s.vnc", g_get_user_runtime_dir(), id);
	g_autoptr(GError) error = NULL;
	struct vnc_bridge *bridge;
	/* What is wrong with the session is said now, and not to somebody who has opened a viewer. */
	int code = cli_request(cli, "GET", path, NULL, NULL);

	if (code != CLI_EXIT_OK)
		return code;
	bridge = vnc_bridge_listen(options->listen ? options->listen : own, &error);
	if (!bridge)
		return cmd_session_fail_vnc(error);
	code = cmd_session_bridge(cli, argv[0], bridge);
	vnc_bridge_free(bridge);
	return code;
}
