/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-broker.c - lets users in and decides who gets which desktop (uid carrel)
 *
 * How it works: one process, one thread, one loop. broker_start() is the start order: settings, store, certificate, tables,
 * HTTP. The loop's sources are: the two HTTP listeners (http.c), one socket to carrel-authd for each log-in
 * (login.c), deadlines of log-ins, tickets and long polls, an hourly sweep, and SIGTERM/SIGINT.
 *
 * It handles passwords, so it cannot be dumped or traced, and all memory that Jansson gives back is wiped (broker_wipe_free).
 */
#include <errno.h>
#include <getopt.h>
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "broker/broker.h"
#include "broker/host_sync.h"
#include "broker/http.h"
#include "broker/login.h"
#include "broker/routes.h"
#include "broker/server_cert.h"
#include "broker/store_sqlite.h"
#include "broker/ticket_issue.h"
#include "broker/token.h"
#include "common/settings.h"
#include "config.h"

#define SWEEP_S		 3600
#define BROKER_MAX_FILES 2048
#define KEEP_TICKETS_MS	 G_GINT64_CONSTANT(3600000)
#define KEEP_HISTORY_MS	 (30 * G_GINT64_CONSTANT(86400000))

struct broker_options {
	const char *config;
	gboolean config_given;
	const char *run_folder;
	const char *lib_folder;
	gint64 hostd_uid;
};

static const char version_text[] = "carrel-broker " PACKAGE_VERSION "\n";
static const char usage_text[] =
	"Usage: carrel-broker --run DIR --lib DIR --hostd-uid UID [--config FILE]\n"
	"Lets users in and decides who gets which desktop. Needs carrel-authd and carrel-hostd.\n"
	"\n"
	"  --run DIR        folder of the sockets broker.sock and auth.sock\n"
	"  --lib DIR        state folder; the broker's own is DIR/broker\n"
	"  --hostd-uid UID  uid of this host's carrel-hostd\n"
	"  --config FILE    configuration (default: /etc/carrel/carrel.conf)\n"
	"  --version        show the version\n"
	"  --help           show this text\n";

static gboolean
broker_parse_options(struct broker_options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run", required_argument, NULL, 'r' },
		{ "lib", required_argument, NULL, 'l' },
		{ "hostd-uid", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == 'h' || option == 'v') {
			fputs(option == 'h' ? usage_text : version_text, stdout);
			exit(0);
		}
		if (option == 'c') {
			options->config = optarg;
			options->config_given = TRUE;
		} else if (option == 'r') {
			options->run_folder = optarg;
		} else if (option == 'l') {
			options->lib_folder = optarg;
		} else if (option != 'u' ||
			   !g_ascii_string_to_signed(optarg, 10, 0, G_MAXUINT32 - 1,
						     &options->hostd_uid, NULL)) {
			return FALSE;
		}
	}
	return optind == argc && options->run_folder && options->lib_folder &&
	       options->hostd_uid >= 0;
}

/* What passed through JSON may have been a password. */
static void
broker_wipe_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

static gboolean
broker_sweep(gpointer data)
{
	struct broker *broker = data;
	gint64 old_ms = broker_now_ms() - KEEP_HISTORY_MS;
	g_autoptr(GError) error = NULL;

	if (!token_drop_expired(broker->store, &error) ||
	    store_change(broker->store, &error, "DELETE FROM session WHERE closed_ms < $1", "i",
			 old_ms) < 0 ||
	    store_change(
		    broker->store, &error,
		    "DELETE FROM desktop WHERE state IN ('gone', 'failed') AND want = 'gone' AND changed_ms < $1 AND NOT EXISTS"
		    " (SELECT 1 FROM session s WHERE s.desktop = desktop.id)",
		    "i", old_ms) < 0 ||
	    store_change(
		    broker->store, &error,
		    "DELETE FROM ticket WHERE state NOT IN ('sent', 'ready') AND created_ms < $1",
		    "i", broker_now_ms() - KEEP_TICKETS_MS) < 0 ||
	    store_change(
		    broker->store, &error,
		    "DELETE FROM timing WHERE subject NOT IN (SELECT id FROM session UNION SELECT id FROM desktop)",
		    "") < 0)
		log_warning("old rows could not be removed: %s; tried again in an hour",
			    error->message);
	return G_SOURCE_CONTINUE;
}

static gboolean
broker_handle_signal(gpointer loop)
{
	g_main_loop_quit(loop);
	return G_SOURCE_CONTINUE;
}

static gboolean
broker_write_fingerprint(const struct broker *broker, const char *fingerprint, GError **error)
{
	g_autofree char *path = g_build_filename(broker->run_folder, "fingerprint", NULL);
	g_autofree char *line = g_strdup_printf("%s\n", fingerprint);
	int code = io_write_file_durably(path, line, strlen(line), 0644);

	if (code == 0)
		return TRUE;
	g_set_error(
		error, G_FILE_ERROR, g_file_error_from_errno(-code),
		"cannot write '%s': %s; the folder must exist and belong to carrel-broker's user",
		path, g_strerror(-code));
	return FALSE;
}

static gboolean
broker_open_store(struct broker *broker, const char *folder, GError **error)
{
	g_autofree char *path = g_build_filename(folder, "carrel.db", NULL);

	if (g_mkdir_with_parents(folder, 0700) < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "cannot make '%s': %s; the folder above must exist and belong to "
			    "carrel-broker's user",
			    folder, g_strerror(errno));
		return FALSE;
	}
	broker->store = store_sqlite_open(path, error);
	/* Their secrets were in the memory of an earlier process. */
	return broker->store &&
	       store_change(broker->store, error,
			    "UPDATE ticket SET state = 'void' WHERE state = 'sent'", "") >= 0;
}

static gboolean
broker_start_http(struct broker *broker, const char *folder, GError **error)
{
	g_autofree char *socket_path = g_build_filename(broker->run_folder, "broker.sock", NULL);
	struct http_settings settings = { .address = settings_get_text(broker->settings, "broker",
								       "listen"),
					  .host_uid = broker->hostd_uid,
					  .handle = routes_dispatch,
					  .context = broker };
	struct server_cert cert;

	settings.socket_path = socket_path;
	if (!server_cert_load(folder, &cert, error))
		return FALSE;
	settings.certificate_pem = cert.certificate_pem;
	settings.key_pem = cert.key_pem;
	if (broker_write_fingerprint(broker, cert.fingerprint, error))
		broker->http = http_start(&settings, error);
	if (broker->http)
		log_info("serving https://%s (certificate SHA-256 %s) and '%s'", settings.address,
			 cert.fingerprint, socket_path);
	server_cert_clear(&cert);
	return broker->http != NULL;
}

static gboolean
broker_start(struct broker *broker, const struct broker_options *options, GError **error)
{
	g_autofree char *folder = g_build_filename(options->lib_folder, "broker", NULL);

	broker->run_folder = options->run_folder;
	broker->hostd_uid = (uid_t)options->hostd_uid;
	broker->settings = settings_load(options->config, !options->config_given, error);
	if (!broker->settings || !broker_open_store(broker, folder, error))
		return FALSE;
	broker->logins = login_table_new(broker);
	broker->tickets = ticket_table_new(broker);
	broker->hosts = host_table_new(broker);
	return broker_start_http(broker, folder, error);
}

static void
broker_stop(struct broker *broker)
{
	/* Log-ins and tickets answer the requests they hold, so they go before HTTP, which lets no new ones in. */
	http_refuse(broker->http);
	login_table_free(broker->logins);
	ticket_table_free(broker->tickets);
	http_stop(broker->http);
	host_table_free(broker->hosts);
	store_close(broker->store);
	settings_free(broker->settings);
}

int
main(int argc, char **argv)
{
	struct broker_options options = { .config = CARREL_SYSCONFDIR "/carrel.conf",
					  .hostd_uid = -1 };
	struct broker broker = { 0 };
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autoptr(GError) error = NULL;
	gboolean started;

	if (!broker_parse_options(&options, argc, argv)) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (sandbox_hide_memory() < 0) {
		log_error(
			"cannot protect the memory against being dumped (prctl): passwords would not be safe");
		return 1;
	}
	if (io_raise_files(BROKER_MAX_FILES) < 0)
		log_warning("the limit of open files cannot be raised; fewer clients can come in");
	json_set_alloc_funcs(malloc, broker_wipe_free);
	started = broker_start(&broker, &options, &error);
	if (started) {
		g_unix_signal_add(SIGTERM, broker_handle_signal, loop);
		g_unix_signal_add(SIGINT, broker_handle_signal, loop);
		g_timeout_add_seconds(SWEEP_S, broker_sweep, &broker);
		g_main_loop_run(loop);
		log_info("stopping");
	} else {
		log_error("%s", error ? error->message : "cannot start");
	}
	broker_stop(&broker);
	return started ? 0 : 1;
}
