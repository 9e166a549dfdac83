/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd_host.c - carrel host list, doctor, drain, resume and maintenance: what a host can do, and whether it takes desktops (carrel)
 *
 * The doctor needs no service: carrel-hostd, which knows, is run with --doctor and says it as JSON.
 */
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "cli/cmd.h"

#define DOCTOR_MAX_BYTES (64 * 1024)

static json_t *
cmd_host_ask_doctor(GError **error)
{
	const char *libexec = g_getenv("CARREL_LIBEXEC_DIR");
	g_autofree char *program =
		g_build_filename(libexec ? libexec : CARREL_LIBEXECDIR, "carrel-hostd", NULL);
	g_autoptr(GSubprocess) process =
		g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, error, program, "--doctor", NULL);
	g_autoptr(GBytes) output = NULL;
	struct json_problem problem;
	json_t *found;

	if (!process || !g_subprocess_communicate(process, NULL, NULL, &output, NULL, error) ||
	    !g_subprocess_wait_check(process, NULL, error))
		return NULL;
	found = json_parse_strict(g_bytes_get_data(output, NULL), g_bytes_get_size(output),
				  DOCTOR_MAX_BYTES, &problem);
	if (!found)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it answered %s",
			    problem.text);
	return found;
}

/* Engines and checks in one list: what it is, whether it is good, what was found or is to be done. */
static json_t *
cmd_host_list_findings(const json_t *found, gboolean *ret_usable)
{
	const json_t *engines = json_object_get(found, "engines");
	const json_t *checks = json_object_get(found, "checks");
	json_t *list = json_array();

	*ret_usable = FALSE;
	for (gsize i = 0; i < json_array_size(engines); i++) {
		const json_t *engine = json_array_get(engines, i);
		g_autofree char *name =
			g_strdup_printf("engine %s", json_get_text(engine, "name", ""));
		g_autofree char *value = g_strdup_printf("accelerator %s, isolation %s",
							 json_get_text(engine, "accelerator", ""),
							 json_get_text(engine, "isolation", ""));
		gboolean usable = json_get_flag(engine, "usable", FALSE);

		*ret_usable = *ret_usable || usable;
		json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:s}", "name", name, "ok",
						      usable, "value", value, "advice",
						      json_get_text(engine, "reason", "")));
	}
	for (gsize i = 0; i < json_array_size(checks); i++)
		json_array_append(list, json_array_get(checks, i));
	return list;
}

int
cmd_host_doctor(struct cli *cli, G_GNUC_UNUSED int argc, G_GNUC_UNUSED char **argv)
{
	static const char *const columns[] = { "name",	   N_("WHAT"),	 "ok",
					       N_("GOOD"), "value",	 N_("FOUND"),
					       "advice",   N_("ADVICE"), NULL };
	g_autoptr(GError) error = NULL;
	json_t *found = cmd_host_ask_doctor(&error);
	gboolean usable;
	json_t *list;

	if (!found)
		return cli_fail(CLI_EXIT_FAILED, _("cannot examine this machine: %s"),
				error->message);
	list = cmd_host_list_findings(found, &usable);
	if (cli_get_options(cli)->json)
		cli_print_object(cli, found);
	else
		cli_print_list(cli, list, columns);
	json_decref(list);
	json_decref(found);
	return usable ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

int
cmd_host_list(struct cli *cli, G_GNUC_UNUSED int argc, G_GNUC_UNUSED char **argv)
{
	static const char *const columns[] = { "name",	       N_("NAME"),	"drain",
					       N_("DRAINED"),  "maintenance",	N_("MAINTENANCE"),
					       "cpus",	       N_("CPUS"),	"ram_mib",
					       N_("RAM MiB"),  "ram_free_mib",	N_("FREE MiB"),
					       "engines",      N_("ENGINES"),	"desktops",
					       N_("DESKTOPS"), "proxy",		N_("GATEWAY"),
					       "seen_ms",      N_("LAST SEEN"), NULL };

	return cmd_list(cli, "hosts", columns);
}

int
cmd_host_drain(struct cli *cli, G_GNUC_UNUSED int argc, char **argv)
{
	return cmd_call(cli, "PATCH", "hosts", argv[0], NULL, json_pack("{s:b}", "drain", TRUE));
}

int
cmd_host_resume(struct cli *cli, G_GNUC_UNUSED int argc, char **argv)
{
	return cmd_call(cli, "PATCH", "hosts", argv[0], NULL, json_pack("{s:b}", "drain", FALSE));
}

int
cmd_host_maintenance(struct cli *cli, G_GNUC_UNUSED int argc, char **argv)
{
	gboolean on = strcmp(argv[1], "on") == 0;

	if (!on && strcmp(argv[1], "off") != 0)
		return cli_fail(CLI_EXIT_USAGE, _("'host maintenance' is on or off"));
	return cmd_call(cli, "PATCH", "hosts", argv[0], NULL,
			json_pack("{s:b}", "maintenance", on));
}
