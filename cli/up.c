/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up.c - "carrel up": all services of one host in the foreground (carrel, root)
 *
 * How it works: service_table lists the services in the order of their start; up_handle_running() starts the next one
 * when the one before is ready, so that a restarted one disturbs nobody. SIGTERM and SIGINT lead to
 * up_handle_signal(): the broker is asked to stop every desktop (up_drain.c), and when none is left or it took too long the
 * services end in the reverse order, one after the other (up_stop_next()).
 */
#include "cli/up.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"
#include "cli/cli.h"
#include "cli/up_child.h"
#include "cli/up_demo.h"
#include "cli/up_drain.h"
#include "cli/up_folders.h"
#include "common/settings.h"

#define DEFAULT_STATE	"/var/lib/carrel/up"
#define DEFAULT_CONFIG	"/etc/carrel/carrel.conf"
#define UP_MAX_SERVICES 5

/* It has no socket in <run>. */
#define GATEWAY_PID_FILE "gateway.pid"

enum up_state {
	UP_STATE_STARTING,
	UP_STATE_RUNNING,
	UP_STATE_DRAINING, /* desktops are being stopped */
	UP_STATE_STOPPING, /* services are being stopped */
	UP_STATE_COUNT,
};

struct up {
	enum up_state state;
	char *state_folder;
	char *config;
	char *demo_user;
	struct settings *settings;
	struct up_ids ids;
	struct up_folders folders;
	struct up_child *children[UP_MAX_SERVICES];
	guint n_started;
	struct up_drain *drain;
	GMainLoop *loop;
	int exit_code;
};

enum up_user {
	USER_ROOT,
	USER_BROKER,
	USER_HOSTD,
	USER_GATEWAY
};

static char *
up_format_uid(uid_t uid)
{
	return g_strdup_printf("%u", (unsigned int)uid);
}

static char **
up_take_argv(char *first, ...)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	va_list rest;

	va_start(rest, first);
	for (char *argument = first; argument; argument = va_arg(rest, char *)) {
		g_strv_builder_add(builder, argument);
		g_free(argument);
	}
	va_end(rest);
	return g_strv_builder_end(builder);
}

#define ARG(text) g_strdup(text)

static char **
up_make_launch(const struct up *up)
{
	const char *libexec = g_getenv("CARREL_LIBEXEC_DIR");

	return up_take_argv(ARG("carrel-launch"), ARG("--run"), ARG(up->folders.run), ARG("--lib"),
			    ARG(up->folders.lib), ARG("--libexec"),
			    ARG(libexec ? libexec : CARREL_LIBEXECDIR), ARG("--uid-range"),
			    ARG(up->ids.range), ARG("--hostd-uid"), up_format_uid(up->ids.hostd),
			    ARG("--hostd-gid"), up_format_uid(up->ids.group), NULL);
}

static char **
up_make_authd(const struct up *up)
{
	const char *confdir = up->demo_user ? up->folders.pam
					    : settings_get_text(up->settings, "auth", "confdir");

	/* Without a folder of its own the list ends early. */
	return up_take_argv(ARG("carrel-authd"), ARG("--run"), ARG(up->folders.run),
			    ARG("--broker-uid"), up_format_uid(up->ids.broker), ARG("--service"),
			    ARG(settings_get_text(up->settings, "auth", "service")),
			    confdir[0] ? ARG("--confdir") : NULL, confdir[0] ? ARG(confdir) : NULL,
			    NULL);
}

static char **
up_make_broker(const struct up *up)
{
	return up_take_argv(ARG("carrel-broker"), ARG("--run"), ARG(up->folders.run), ARG("--lib"),
			    ARG(up->folders.lib), ARG("--hostd-uid"), up_format_uid(up->ids.hostd),
			    up->config ? ARG("--config") : NULL, ARG(up->config), NULL);
}

static char **
up_make_hostd(const struct up *up)
{
	return up_take_argv(ARG("carrel-hostd"), ARG("--run"), ARG(up->folders.run), ARG("--lib"),
			    ARG(up->folders.lib), ARG("--broker-socket"),
			    g_build_filename(up->folders.run, "broker.sock", NULL),
			    ARG("--gateway-uid"), up_format_uid(up->ids.gateway),
			    up->config ? ARG("--config") : NULL, ARG(up->config), NULL);
}

static char **
up_make_gateway(const struct up *up)
{
	return up_take_argv(
		ARG("carrel-gateway"), ARG("--listen"),
		ARG(settings_get_text(up->settings, "gateway", "listen")), ARG("--hostd-socket"),
		g_build_filename(up->folders.run, "gateway.sock", NULL), ARG("--pid-file"),
		g_build_filename(up->folders.run, GATEWAY_PID_FILE, NULL), NULL);
}

static const struct {
	const char *name;
	const char *socket; /* in <run>; or another file that it makes when it is ready */
	enum up_user user;
	char **(*make_argv)(const struct up *up);
} service_table[UP_MAX_SERVICES] = {
	{ "carrel-launch", "launch.sock", USER_ROOT, up_make_launch },
	{ "carrel-authd", "auth.sock", USER_ROOT, up_make_authd },
	{ "carrel-broker", "broker.sock", USER_BROKER, up_make_broker },
	{ "carrel-hostd", "gateway.sock", USER_HOSTD, up_make_hostd },
	{ "carrel-gateway", GATEWAY_PID_FILE, USER_GATEWAY, up_make_gateway },
};

static void
up_stop_next(struct up *up)
{
	if (up->n_started == 0) {
		g_main_loop_quit(up->loop);
		return;
	}
	up_child_stop(up->children[--up->n_started]);
}

static void
up_begin_stop(struct up *up)
{
	if (up->state == UP_STATE_STOPPING)
		return;
	up->state = UP_STATE_STOPPING;
	up_stop_next(up);
}

static void
up_handle_ended(void *context, struct up_child *child)
{
	struct up *up = context;

	log_info("'%s' has ended", up_child_get_name(child));
	up_stop_next(up);
}

static void
up_handle_hopeless(void *context, struct up_child *child, const char *words)
{
	struct up *up = context;

	log_error("'%s' failed %d times at its start, so nothing can work. It said: %s",
		  up_child_get_name(child), UP_CHILD_MAX_START_FAILURES, words);
	up->exit_code = CLI_EXIT_FAILED;
	up_begin_stop(up);
}

static void
up_start_next(struct up *up)
{
	if (up->n_started < UP_MAX_SERVICES) {
		up_child_start(up->children[up->n_started++]);
		return;
	}
	up->state = UP_STATE_RUNNING;
	up_drain_resume(up->drain);
	log_info("everything runs: broker https://%s, gateway %s, state in '%s'; "
		 "commands: carrel NOUN VERB --run %s",
		 settings_get_text(up->settings, "broker", "listen"),
		 settings_get_text(up->settings, "gateway", "listen"), up->folders.state,
		 up->folders.run);
}

static void
up_handle_running(void *context, struct up_child *child)
{
	struct up *up = context;

	if (up->state == UP_STATE_STARTING && child == up->children[up->n_started - 1])
		up_start_next(up);
}

static const struct up_child_events up_child_event_table = {
	.running = up_handle_running,
	.ended = up_handle_ended,
	.hopeless = up_handle_hopeless,
};

/* As a group that may open it, where there is one: hostd hands it on to its desktops' machines. */
static gid_t
up_find_kvm_group(void)
{
	const mode_t both = S_IRGRP | S_IWGRP;
	struct stat status;

	if (stat("/dev/kvm", &status) < 0 || (status.st_mode & both) != both || status.st_gid == 0)
		return SANDBOX_NO_GROUP;
	return status.st_gid;
}

static void
up_make_children(struct up *up)
{
	const uid_t uids[] = {
		[USER_ROOT] = 0,
		[USER_BROKER] = up->ids.broker,
		[USER_HOSTD] = up->ids.hostd,
		[USER_GATEWAY] = up->ids.gateway,
	};

	for (guint i = 0; i < UP_MAX_SERVICES; i++) {
		g_autofree char *socket =
			g_build_filename(up->folders.run, service_table[i].socket, NULL);

		up->children[i] = up_child_new(service_table[i].make_argv(up), socket,
					       uids[service_table[i].user], up->ids.group,
					       &up_child_event_table, up);
		if (service_table[i].user == USER_HOSTD)
			up_child_add_group(up->children[i], up_find_kvm_group());
	}
}

static void
up_handle_drained(void *context)
{
	struct up *up = context;

	if (up->state == UP_STATE_DRAINING)
		up_begin_stop(up);
}

/* The first signal ends in order, the second does not wait for desktops. */
static gboolean
up_handle_signal(gpointer data)
{
	struct up *up = data;

	if (up->state != UP_STATE_RUNNING) {
		log_info("ending");
		up_begin_stop(up);
		return G_SOURCE_CONTINUE;
	}
	log_info("ending: desktops first, then the services; once more does not wait for desktops");
	up->state = UP_STATE_DRAINING;
	up_drain_begin(up->drain, up_handle_drained, up);
	return G_SOURCE_CONTINUE;
}

static void
up_make_drain(struct up *up)
{
	g_autofree char *socket = g_build_filename(up->folders.run, "broker.sock", NULL);
	g_autofree char *note = g_build_filename(up->folders.state, "drained", NULL);

	up->drain = up_drain_new(socket, note);
}

static gboolean
up_prepare_demo(struct up *up, GError **error)
{
	const char *service = settings_get_text(up->settings, "auth", "service");
	char *password;

	if (!up->demo_user)
		return TRUE;
	if (!up_demo_make(up->folders.pam, service, up->demo_user, &password, error))
		return FALSE;
	if (password) {
		/* For the person at the terminal, not for a log. */
		printf(_("carrel up: user '%s' has the password '%s' (shown only now)\n"),
		       up->demo_user, password);
		fflush(stdout);
		explicit_bzero(password, strlen(password));
		g_free(password);
	}
	return TRUE;
}

static gboolean
up_prepare(struct up *up, GError **error)
{
	gboolean is_default = up->config == NULL;
	const char *range;

	if (geteuid() != 0) {
		g_set_error_literal(
			error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
			_("it has to be started by root, because every service and desktop gets a uid of its "
			  "own: try sudo"));
		return FALSE;
	}
	if (is_default)
		up->config = g_strdup(DEFAULT_CONFIG);
	up->settings = settings_load(up->config, is_default, error);
	if (!up->settings)
		return FALSE;
	/* A file that is named has to exist; the default one may be missing, then the services go by their defaults. */
	if (is_default && access(up->config, F_OK) < 0)
		g_clear_pointer(&up->config, g_free);
	range = settings_get_text(up->settings, "host", "uid_range");
	return up_ids_parse(&up->ids, range, error) &&
	       up_folders_make(&up->folders, up->state_folder, &up->ids, error) &&
	       up_prepare_demo(up, error);
}

static void
up_done(struct up *up)
{
	for (guint i = 0; i < UP_MAX_SERVICES; i++)
		if (up->children[i])
			up_child_free(up->children[i]);
	up_drain_free(up->drain);
	up_folders_done(&up->folders);
	if (up->settings)
		settings_free(up->settings);
	g_free(up->ids.range);
	g_free(up->state_folder);
	g_free(up->config);
	g_free(up->demo_user);
}

static gboolean
up_parse(struct up *up, int argc, char **argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "state", 0, 0, G_OPTION_ARG_FILENAME, &up->state_folder,
		  N_("Folder for everything that is kept (default /var/lib/carrel/up)"), "DIR" },
		{ "config", 0, 0, G_OPTION_ARG_FILENAME, &up->config,
		  N_("Configuration (default /etc/carrel/carrel.conf, where there is one)"),
		  "FILE" },
		{ "demo-user", 0, 0, G_OPTION_ARG_STRING, &up->demo_user,
		  N_("Let this user in with a password of its own, printed once; system accounts are not asked"),
		  "NAME" },
		G_OPTION_ENTRY_NULL,
	};
	g_autoptr(GOptionContext) context =
		g_option_context_new(_("- run all services of one host"));

	/* For the first line of its help. */
	g_set_prgname("carrel up");
	g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
	if (!g_option_context_parse(context, &argc, &argv, error))
		return FALSE;
	if (argc > 1) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("'%s' is no option"),
			    argv[1]);
		return FALSE;
	}
	if (!up->state_folder)
		up->state_folder = g_strdup(DEFAULT_STATE);
	return TRUE;
}

int
up_run(int argc, char **argv)
{
	struct up up = { .folders = { .lock_fd = -1 } };
	g_autoptr(GError) error = NULL;

	if (!up_parse(&up, argc, argv, &error)) {
		up.exit_code =
			cli_fail(CLI_EXIT_USAGE, _("%s; try 'carrel up --help'"), error->message);
	} else if (!up_prepare(&up, &error)) {
		up.exit_code = cli_fail(geteuid() != 0 ? CLI_EXIT_REFUSED : CLI_EXIT_FAILED, "%s",
					error->message);
	} else {
		up.loop = g_main_loop_new(NULL, FALSE);
		g_unix_signal_add(SIGTERM, up_handle_signal, &up);
		g_unix_signal_add(SIGINT, up_handle_signal, &up);
		up_make_children(&up);
		up_make_drain(&up);
		up_start_next(&up);
		g_main_loop_run(up.loop);
		g_main_loop_unref(up.loop);
	}
	up_done(&up);
	return up.exit_code;
}
