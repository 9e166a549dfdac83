/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel.c - the command line: "carrel NOUN VERB ..." (users and admins)
 *
 * How it works: command_table is all there is to know of a command; usage, help and completion come from it. main() finds
 * the entry, parses the options (one set for all commands), and calls its function, which makes requests through
 * client.c. "up" is the one command that is a program of its own and parses its own options.
 */
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/up.h"

static const struct cli_command command_table[] = {
	{ "template", "build", "NAME [--recipe RECIPE] [--wait]",
	  N_("build an image from a recipe"), 1, 1, cmd_template_build },
	{ "template", "publish", "NAME [--engine kvm|qemu] [--note TEXT] [--wait]",
	  N_("make the image a new version that pools can use"), 1, 1, cmd_template_publish },
	{ "template", "verify", "NAME [--version N] [--wait]",
	  N_("look whether a version is still as it was published and can be forked"), 1, 1,
	  cmd_template_verify },
	{ "template", "list", "", N_("list templates and their versions"), 0, 0,
	  cmd_template_list },
	{ "template", "show", "NAME", N_("show the versions of one template"), 1, 1,
	  cmd_template_show },
	{ "pool", "create",
	  "NAME --template T[@N] --size N [--spare N|auto] [--user U]... [--group G]... [--network none|passt]",
	  N_("offer desktops"), 1, 1, cmd_pool_create },
	{ "pool", "list", "", N_("list pools"), 0, 0, cmd_pool_list },
	{ "pool", "show", "NAME", N_("show one pool"), 1, 1, cmd_pool_show },
	{ "pool", "set",
	  "NAME [--template T[@N]] [--size N] [--spare N|auto] [--user U]... [--group G]... [--network N]",
	  N_("change a pool"), 1, 1, cmd_pool_set },
	{ "pool", "delete", "NAME", N_("take a pool and its desktops away"), 1, 1,
	  cmd_pool_delete },
	{ "desktop", "list", "", N_("list desktops"), 0, 0, cmd_desktop_list },
	{ "desktop", "show", "ID", N_("show one desktop"), 1, 1, cmd_desktop_show },
	{ "desktop", "stop", "ID", N_("end a desktop at once"), 1, 1, cmd_desktop_stop },
	{ "desktop", "suspend", "ID", N_("write a desktop to the disk and end its machine"), 1, 1,
	  cmd_desktop_suspend },
	{ "desktop", "resume", "ID", N_("let a suspended desktop go on"), 1, 1,
	  cmd_desktop_resume },
	{ "desktop", "move", "ID HOST", N_("take a suspended desktop to another host"), 2, 2,
	  cmd_desktop_move },
	{ "desktop", "powerdown", "ID", N_("press a desktop's power button"), 1, 1,
	  cmd_desktop_powerdown },
	{ "desktop", "screenshot", "ID [--output FILE]",
	  N_("write a picture of a desktop's screen (ID.png)"), 1, 1, cmd_desktop_screenshot },
	{ "session", "list", "", N_("list sessions"), 0, 0, cmd_session_list },
	{ "session", "show", "ID", N_("show one session"), 1, 1, cmd_session_show },
	{ "session", "assign", "POOL", N_("get a desktop of a pool"), 1, 1, cmd_session_assign },
	{ "session", "vv", "ID [--output FILE]", N_("write a connection file for a SPICE client"),
	  1, 1, cmd_session_vv },
	{ "session", "vnc", "ID [--listen PATH|PORT]", N_("let one VNC client of this machine in"),
	  1, 1, cmd_session_vnc },
	{ "session", "revoke", "ID | --user U... | --all", N_("end sessions and their streams"), 0,
	  1, cmd_session_revoke },
	{ "session", "timing", "ID", N_("show how long each step to the desktop took"), 1, 1,
	  cmd_session_timing },
	{ "host", "list", "", N_("list hosts"), 0, 0, cmd_host_list },
	{ "host", "drain", "NAME", N_("make no new desktops on a host and give up its free ones"),
	  1, 1, cmd_host_drain },
	{ "host", "resume", "NAME", N_("let a drained host have desktops again"), 1, 1,
	  cmd_host_resume },
	{ "host", "maintenance", "NAME on|off",
	  N_("suspend the desktops of a host and make no new ones there"), 2, 2,
	  cmd_host_maintenance },
	{ "host", "doctor", "", N_("say what this machine can do, and why not"), 0, 0,
	  cmd_host_doctor },
	{ "job", "list", "", N_("list jobs"), 0, 0, cmd_job_list },
	{ "job", "show", "ID [--wait]", N_("show one job"), 1, 1, cmd_job_show },
	{ "job", "cancel", "ID", N_("cancel a job"), 1, 1, cmd_job_cancel },
	{ "login", NULL, "[USER] [--broker URL]", N_("log in to a broker; the token is kept"), 0, 1,
	  cmd_login },
	{ "logout", NULL, "", N_("give the token back"), 0, 0, cmd_logout },
	{ "up", NULL, "[--state DIR] [--config FILE] [--demo-user NAME]",
	  N_("run all services of one host"), 0, 0, NULL },
	{ "version", NULL, "", N_("show the version"), 0, 0, cmd_version },
};

static void
carrel_print_usage(FILE *stream, const char *noun)
{
	fputs(_("usage: carrel NOUN VERB [ARGUMENTS] [OPTIONS]\n\n"), stream);
	for (gsize i = 0; i < G_N_ELEMENTS(command_table); i++) {
		const struct cli_command *command = &command_table[i];

		if (noun && strcmp(noun, command->noun) != 0)
			continue;
		fprintf(stream, "  carrel %s%s%s %s\n      %s\n", command->noun,
			command->verb ? " " : "", command->verb ? command->verb : "",
			command->usage, _(command->help));
	}
	fputs(_("\nOptions of all commands: --json, --broker URL, --run DIR. See carrel(1).\n"),
	      stream);
}

static const struct cli_command *
carrel_find(const char *noun, const char *verb)
{
	for (gsize i = 0; i < G_N_ELEMENTS(command_table); i++) {
		const struct cli_command *command = &command_table[i];

		if (strcmp(command->noun, noun) == 0 &&
		    (!command->verb || (verb && strcmp(command->verb, verb) == 0)))
			return command;
	}
	return NULL;
}

static gboolean
carrel_parse(struct cli_options *options, int *argc, char ***argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "json", 0, 0, G_OPTION_ARG_NONE, &options->json, N_("Print the broker's JSON"),
		  NULL },
		{ "wait", 0, 0, G_OPTION_ARG_NONE, &options->wait,
		  N_("Show progress until the job is over"), NULL },
		{ "all", 0, 0, G_OPTION_ARG_NONE, &options->all, N_("All of them"), NULL },
		{ "broker", 0, 0, G_OPTION_ARG_STRING, &options->broker, N_("The broker's address"),
		  "URL" },
		{ "run", 0, 0, G_OPTION_ARG_FILENAME, &options->run_folder,
		  N_("Folder of the broker's socket"), "DIR" },
		{ "template", 0, 0, G_OPTION_ARG_STRING, &options->template_name,
		  N_("Template, as NAME or NAME@N"), "T" },
		{ "size", 0, 0, G_OPTION_ARG_STRING, &options->size, N_("How many desktops"), "N" },
		{ "spare", 0, 0, G_OPTION_ARG_STRING, &options->spare,
		  N_("How many free ones are kept ready, or auto"), "N" },
		{ "network", 0, 0, G_OPTION_ARG_STRING, &options->network, N_("none or passt"),
		  "NETWORK" },
		{ "engine", 0, 0, G_OPTION_ARG_STRING, &options->engine,
		  N_("Engine, when not the host's choice"), "ENGINE" },
		{ "note", 0, 0, G_OPTION_ARG_STRING, &options->note,
		  N_("What is new in this version"), "TEXT" },
		{ "recipe", 0, 0, G_OPTION_ARG_STRING, &options->recipe,
		  N_("Recipe, when not the name's"), "RECIPE" },
		{ "version", 0, 0, G_OPTION_ARG_STRING, &options->version,
		  N_("Version, when not the current one"), "N" },
		{ "output", 0, 0, G_OPTION_ARG_FILENAME, &options->output, N_("File to write"),
		  "FILE" },
		{ "listen", 0, 0, G_OPTION_ARG_FILENAME, &options->listen,
		  N_("Socket to make, or port of 127.0.0.1"), "PATH|PORT" },
		{ "user", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->users,
		  N_("User; may be repeated"), "NAME" },
		{ "group", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->groups,
		  N_("Group; may be repeated"), "NAME" },
		G_OPTION_ENTRY_NULL,
	};
	g_autoptr(GOptionContext) context = g_option_context_new("NOUN VERB");

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
	return g_option_context_parse(context, argc, argv, error);
}

/* The first option that was given and that the command's usage does not name, or NULL. */
static const char *
carrel_find_stranger(const struct cli_options *options, const struct cli_command *command)
{
	const struct {
		const char *name;
		gboolean given;
	} table[] = {
		{ "--wait", options->wait },
		{ "--all", options->all },
		{ "--template", options->template_name != NULL },
		{ "--size", options->size != NULL },
		{ "--spare", options->spare != NULL },
		{ "--network", options->network != NULL },
		{ "--engine", options->engine != NULL },
		{ "--note", options->note != NULL },
		{ "--recipe", options->recipe != NULL },
		{ "--version", options->version != NULL },
		{ "--output", options->output != NULL },
		{ "--listen", options->listen != NULL },
		{ "--user", options->users != NULL },
		{ "--group", options->groups != NULL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
		if (table[i].given && !strstr(command->usage, table[i].name))
			return table[i].name;
	return NULL;
}

static int
carrel_check(const struct cli_options *options, const struct cli_command *command)
{
	const char *stranger = carrel_find_stranger(options, command);

	if (stranger)
		return cli_fail(
			CLI_EXIT_USAGE, _("'%s' does not go with '%s %s'; see 'carrel %s --help'"),
			stranger, command->noun, command->verb ? command->verb : "", command->noun);
	if (options->run_folder && options->broker)
		return cli_fail(CLI_EXIT_USAGE,
				_("--run and --broker both name a broker: give one of them"));
	return CLI_EXIT_OK;
}

static void
carrel_options_done(struct cli_options *options)
{
	g_free(options->broker);
	g_free(options->run_folder);
	g_free(options->template_name);
	g_free(options->size);
	g_free(options->spare);
	g_free(options->network);
	g_free(options->engine);
	g_free(options->note);
	g_free(options->recipe);
	g_free(options->version);
	g_free(options->output);
	g_free(options->listen);
	g_strfreev(options->users);
	g_strfreev(options->groups);
}

static int
carrel_run(const struct cli_command *command, int argc, char **argv)
{
	struct cli_options options = { 0 };
	g_autoptr(GError) error = NULL;
	int first = command->verb ? 3 : 2;
	int code = CLI_EXIT_USAGE;
	struct cli *cli;

	if (!carrel_parse(&options, &argc, &argv, &error)) {
		cli_fail(CLI_EXIT_USAGE, _("%s; see 'carrel %s --help'"), error->message,
			 command->noun);
	} else if (carrel_check(&options, command) != CLI_EXIT_OK) {
		code = CLI_EXIT_USAGE;
	} else if (argc - first < command->min_args || argc - first > command->max_args) {
		carrel_print_usage(stderr, command->noun);
	} else {
		cli = cli_new(&options);
		code = command->run(cli, argc - first, argv + first);
		cli_free(cli);
	}
	carrel_options_done(&options);
	return code;
}

/* No such command: what there is of this noun, or in all. */
static int
carrel_refuse(int argc, char **argv)
{
	gboolean known = FALSE;

	for (gsize i = 0; argc > 1 && i < G_N_ELEMENTS(command_table); i++)
		known = known || strcmp(command_table[i].noun, argv[1]) == 0;
	if (argc > 1 && !known)
		return cli_fail(CLI_EXIT_USAGE,
				_("there is no command '%s'; 'carrel --help' lists them"), argv[1]);
	carrel_print_usage(stderr, known ? argv[1] : NULL);
	return CLI_EXIT_USAGE;
}

static gboolean
carrel_wants_help(int argc, char **argv)
{
	if (argc < 2)
		return FALSE;
	return strcmp(argv[1], "help") == 0 || strcmp(argv[argc - 1], "--help") == 0 ||
	       strcmp(argv[argc - 1], "-h") == 0;
}

static void
carrel_start_gettext(void)
{
	const char *folder = g_getenv("CARREL_LOCALE_DIR");

	setlocale(LC_ALL, "");
	bindtextdomain(GETTEXT_PACKAGE, folder ? folder : CARREL_LOCALEDIR);
	bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
	textdomain(GETTEXT_PACKAGE);
}

static int
carrel_choose(int argc, char **argv)
{
	const struct cli_command *command;

	if (argc > 1 && strcmp(argv[1], "up") == 0)
		return up_run(argc - 1, argv + 1);
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return cmd_version(NULL, 0, NULL);
	if (carrel_wants_help(argc, argv)) {
		carrel_print_usage(stdout, argc > 2 ? argv[1] : NULL);
		return CLI_EXIT_OK;
	}
	command = argc > 1 ? carrel_find(argv[1], argc > 2 ? argv[2] : NULL) : NULL;
	if (!command)
		return carrel_refuse(argc, argv);
	return carrel_run(command, argc, argv);
}

/* What was asked for and did not arrive, on a full disk for instance, was not done. */
static int
carrel_end_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	cli_fail(CLI_EXIT_FAILED,
		 _("the output could not be written: free space where it goes, and ask again"));
	return code == CLI_EXIT_OK ? CLI_EXIT_FAILED : code;
}

int
main(int argc, char **argv)
{
	carrel_start_gettext();
	g_set_prgname("carrel");
	return carrel_end_output(carrel_choose(argc, argv));
}
