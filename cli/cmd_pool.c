/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_pool.c - carrel pool, carrel desktop (carrel)
 */
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

#define POOL_MAX_SIZE 10000

static const char *const pool_columns[] = { "name",    N_("NAME"),    "template", N_("TEMPLATE"),
					    "size",    N_("SIZE"),    "spare",	  N_("SPARE"),
					    "ready",   N_("READY"),   "used",	  N_("USED"),
					    "users",   N_("USERS"),   "groups",	  N_("GROUPS"),
					    "network", N_("NETWORK"), "error",	  N_("ERROR"),
					    NULL };
static const char *const desktop_columns[] = { "id",	   N_("ID"),	   "pool",    N_("POOL"),
					       "state",	   N_("STATE"),	   "user",    N_("USER"),
					       "template", N_("TEMPLATE"), "version", N_("VERSION"),
					       "host",	   N_("HOST"),	   "error",   N_("ERROR"),
					       NULL };

static json_t *
cmd_pool_list_names(char **names)
{
	json_t *list = json_array();

	for (gsize i = 0; names && names[i]; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

static gboolean
cmd_pool_add_number(json_t *body, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	gint64 value;

	if (!g_ascii_string_to_signed(text, 10, 0, POOL_MAX_SIZE, &value, &error)) {
		cli_fail(CLI_EXIT_USAGE, "--%s: %s", name, error->message);
		return FALSE;
	}
	json_object_set_new(body, name, json_integer(value));
	return TRUE;
}

static gboolean
cmd_pool_add_spare(json_t *body, const char *text)
{
	if (strcmp(text, "auto") != 0)
		return cmd_pool_add_number(body, "spare", text);
	json_object_set_new(body, "auto_spare", json_true());
	return TRUE;
}

/* The body of create and set: what options were given. NULL: a line was printed. */
static json_t *
cmd_pool_make_body(const struct cli_options *options)
{
	json_t *body = json_object();

	if ((options->size && !cmd_pool_add_number(body, "size", options->size)) ||
	    (options->spare && !cmd_pool_add_spare(body, options->spare))) {
		json_decref(body);
		return NULL;
	}
	if (options->template_name)
		json_object_set_new(body, "template", json_string(options->template_name));
	if (options->network)
		json_object_set_new(body, "network", json_string(options->network));
	if (options->users)
		json_object_set_new(body, "users", cmd_pool_list_names(options->users));
	if (options->groups)
		json_object_set_new(body, "groups", cmd_pool_list_names(options->groups));
	return body;
}

int
cmd_pool_create(struct cli *cli, int argc, char **argv)
{
	const struct cli_options *options = cli_get_options(cli);
	json_t *body;
	json_t *answer = NULL;
	int code;

	if (!options->template_name || !options->size)
		return cli_fail(CLI_EXIT_USAGE, _("'pool create' needs --template and --size"));
	body = cmd_pool_make_body(options);
	if (!body)
		return CLI_EXIT_USAGE;
	json_object_set_new(body, "name", json_string(argv[0]));
	code = cli_request(cli, "POST", "/api/v1/pools", body, &answer);
	if (code == CLI_EXIT_OK)
		cli_print_object(cli, answer);
	json_decref(answer);
	return code;
}

int
cmd_pool_set(struct cli *cli, int argc, char **argv)
{
	json_t *body = cmd_pool_make_body(cli_get_options(cli));

	if (!body)
		return CLI_EXIT_USAGE;
	if (json_object_size(body) == 0) {
		json_decref(body);
		return cli_fail(CLI_EXIT_USAGE,
				_("'pool set' needs at least one option that says what to change"));
	}
	return cmd_call(cli, "PATCH", "pools", argv[0], NULL, body);
}

int
cmd_pool_list(struct cli *cli, int argc, char **argv)
{
	return cmd_list(cli, "pools", pool_columns);
}

int
cmd_pool_show(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "GET", "pools", argv[0], NULL, NULL);
}

int
cmd_pool_delete(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "DELETE", "pools", argv[0], NULL, NULL);
}

int
cmd_desktop_list(struct cli *cli, int argc, char **argv)
{
	return cmd_list(cli, "desktops", desktop_columns);
}

int
cmd_desktop_show(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "GET", "desktops", argv[0], NULL, NULL);
}

int
cmd_desktop_stop(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "desktops", argv[0], "stop", NULL);
}

int
cmd_desktop_suspend(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "desktops", argv[0], "suspend", NULL);
}

int
cmd_desktop_resume(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "desktops", argv[0], "resume", NULL);
}

int
cmd_desktop_move(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "desktops", argv[0], "move",
			json_pack("{s:s}", "host", argv[1]));
}

int
cmd_desktop_powerdown(struct cli *cli, int argc, char **argv)
{
	return cmd_call(cli, "POST", "desktops", argv[0], "powerdown", NULL);
}

int
cmd_desktop_screenshot(struct cli *cli, G_GNUC_UNUSED int argc, char **argv)
{
	const struct cli_options *options = cli_get_options(cli);
	g_autofree char *id = g_uri_escape_string(argv[0], NULL, FALSE);
	g_autofree char *path = g_strdup_printf("/api/v1/desktops/%s/screenshot", id);
	g_autofree char *own = g_strconcat(id, ".png", NULL);
	const char *file = options->output ? options->output : own;
	g_autofree guchar *png = NULL;
	g_autoptr(GError) error = NULL;
	gsize size = 0;
	json_t *answer = NULL;
	int code = cli_request(cli, "POST", path, NULL, &answer);

	if (code != CLI_EXIT_OK)
		return code;
	png = g_base64_decode(json_get_text(answer, "png", ""), &size);
	g_clear_pointer(&answer, json_decref);
	if (size == 0)
		return cli_fail(CLI_EXIT_FAILED, _("the broker's answer holds no picture"));
	if (!g_file_set_contents_full(file, (char *)png, (gssize)size,
				      G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
		return cli_fail(CLI_EXIT_FAILED, _("the picture is not written: %s"),
				error->message);
	answer = json_pack("{s:s}", "file", file);
	cli_print_object(cli, answer);
	json_decref(answer);
	return CLI_EXIT_OK;
}
