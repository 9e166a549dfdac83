/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-hostd.c - makes what runs on this host equal to what the broker wants (carrel-hostd, uid carrel-host)
 *
 * How it works: one process, one loop; hostd.c wires the parts. The loop's sources are: carrel-launch's socket
 * (launch_client.c), the request to the broker (sync.c), the gateway's socket (gateway_port.c), per desktop QMP, the agent's and
 * its display's socket, pidfds of all processes, workers' sockets (jobs.c), timers, and SIGTERM/SIGINT. GIO's pool of
 * threads loads templates' memory (template_store.c) and nothing else.
 */
#include <getopt.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "common/settings.h"
#include "host/host_doctor.h"
#include "host/hostd.h"
#include "config.h"

#define HOSTD_MAX_FILES 8192 /* some ten a desktop */
#define DEFAULT_CONFIG	CARREL_SYSCONFDIR "/carrel.conf"

static const char usage_text[] =
	"Usage: carrel-hostd --run DIR --lib DIR --broker-socket PATH --gateway-uid UID [--config FILE]\n"
	"Makes what runs on this host equal to what the broker wants. Needs carrel-launch.\n"
	"\n"
	"  --run DIR             folder of the sockets launch.sock and gateway.sock\n"
	"  --lib DIR             state folder: templates, images, desktops\n"
	"  --broker-socket PATH  where carrel-broker is asked what shall run\n"
	"  --gateway-uid UID     uid of this host's carrel-gateway\n"
	"  --config FILE         configuration (default: /etc/carrel/carrel.conf)\n"
	"  --doctor              print what this machine can do, as JSON, and end\n"
	"  --help                show this text\n"
	"  --version             print the version\n";

struct command_line {
	struct hostd_options options;
	const char *config;
	gint64 gateway_uid;
	gboolean doctor;
};

enum {
	OPTION_RUN = 'r',
	OPTION_LIB = 'l',
	OPTION_BROKER = 'b',
	OPTION_GATEWAY = 'g',
	OPTION_CONFIG = 'c',
	OPTION_DOCTOR = 'd',
	OPTION_HELP = 'h',
	OPTION_VERSION = 'v',
};

static const struct option option_table[] = {
	{ "run", required_argument, NULL, OPTION_RUN },
	{ "lib", required_argument, NULL, OPTION_LIB },
	{ "broker-socket", required_argument, NULL, OPTION_BROKER },
	{ "gateway-uid", required_argument, NULL, OPTION_GATEWAY },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "doctor", no_argument, NULL, OPTION_DOCTOR },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static gboolean
command_line_take(struct command_line *line, int option, const char *value)
{
	switch (option) {
	case OPTION_RUN:
		line->options.run = value;
		return TRUE;
	case OPTION_LIB:
		line->options.lib = value;
		return TRUE;
	case OPTION_BROKER:
		line->options.broker_socket = value;
		return TRUE;
	case OPTION_DOCTOR:
		line->doctor = TRUE;
		return TRUE;
	case OPTION_CONFIG:
		line->config = value;
		return TRUE;
	case OPTION_GATEWAY:
		return g_ascii_string_to_signed(value, 10, 0, G_MAXUINT32 - 1, &line->gateway_uid,
						NULL);
	default:
		return FALSE;
	}
}

/* -1: go on; else the exit status. */
static int
command_line_parse(struct command_line *line, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", option_table, NULL)) != -1) {
		if (option == OPTION_HELP) {
			fputs(usage_text, stdout);
			return 0;
		}
		if (option == OPTION_VERSION) {
			puts("carrel-hostd " PACKAGE_VERSION);
			return 0;
		}
		if (!command_line_take(line, option, optarg)) {
			fputs(usage_text, stderr);
			return 2;
		}
	}
	if (optind == argc && line->doctor)
		return -1;
	if (optind == argc && line->options.run && line->options.lib &&
	    line->options.broker_socket && line->gateway_uid >= 0)
		return -1;
	fputs(usage_text, stderr);
	return 2;
}

static int
print_doctor(const struct hostd_options *options)
{
	const char *lib = options->lib				 ? options->lib
			  : g_access(CARREL_STATEDIR, F_OK) == 0 ? CARREL_STATEDIR
								 : "/";
	json_t *found = host_doctor_examine(lib, options->settings);
	int error = json_dumpf(found, stdout, JSON_COMPACT);

	puts("");
	json_decref(found);
	return error < 0 || fflush(stdout) != 0 ? 1 : 0;
}

static gboolean
handle_signal(gpointer loop)
{
	g_main_loop_quit(loop);
	return G_SOURCE_CONTINUE;
}

static int
run_hostd(const struct hostd_options *options)
{
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autoptr(GError) error = NULL;
	struct hostd *hostd = hostd_new(options, &error);

	if (!hostd) {
		log_error("%s", error->message);
		return 1;
	}
	g_unix_signal_add(SIGTERM, handle_signal, loop);
	g_unix_signal_add(SIGINT, handle_signal, loop);
	g_main_loop_run(loop);
	log_info("ending: desktops run on, the next carrel-hostd takes them over");
	hostd_free(hostd);
	return 0;
}

int
main(int argc, char **argv)
{
	struct command_line line = { .gateway_uid = -1 };
	g_autoptr(GError) error = NULL;
	struct settings *settings;
	int status = command_line_parse(&line, argc, argv);

	if (status >= 0)
		return status;
	if (sandbox_hide_memory() < 0) {
		log_error("cannot protect the memory against being dumped (prctl): tickets' "
			  "passwords would not be safe");
		return 1;
	}
	if (io_raise_files(HOSTD_MAX_FILES) < 0)
		log_warning("the limit of open files cannot be raised; fewer desktops fit");
	settings = settings_load(line.config ? line.config : DEFAULT_CONFIG, !line.config, &error);
	if (!settings) {
		log_error("%s", error->message);
		return 1;
	}
	line.options.settings = settings;
	line.options.gateway_uid = (uid_t)line.gateway_uid;
	status = line.doctor ? print_doctor(&line.options) : run_hostd(&line.options);
	settings_free(settings);
	return status;
}
