/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-gateway.c - the one display listener of a host (carrel-gateway, uid carrel-gw)
 *
 * How it works: main() binds the address, gives up every right, and accepts; gateway_core.c does the rest. It never
 * connects to anything a client names: the only peer it knows is carrel-hostd's socket.
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/sandbox_service.h"
#include "broker/gateway_core.h"
#include "config.h"

#define DEFAULT_LISTEN	     "127.0.0.1:3128"
#define DEFAULT_HOSTD_SOCKET "/run/carrel/gateway.sock"

/* The one address is bound by then. */
#define GATEWAY_MAX_FILES 2048 /* twice what gateway_core.c lets in */
#define GATEWAY_BACKLOG	  128

static const char *const denied_calls[] = { "bind" };

struct gateway_options {
	char *listen; /* owned, as the next two */
	char *hostd_socket;
	char *pid_file; /* NULL: none */
	gboolean version;
};

static gboolean
gateway_handle_incoming(GSocketService *service G_GNUC_UNUSED, GSocketConnection *connection,
			GObject *source G_GNUC_UNUSED, gpointer user_data)
{
	gateway_core_add(user_data, connection);
	return TRUE;
}

static gboolean
gateway_handle_signal(gpointer user_data)
{
	g_main_loop_quit(user_data);
	return G_SOURCE_REMOVE;
}

static GSocketService *
gateway_listen(const char *text)
{
	g_autoptr(GSocketService) service = g_socket_service_new();
	g_autoptr(GSocketConnectable) parsed = g_network_address_parse(text, 0, NULL);
	g_autoptr(GSocketAddress) address = NULL;
	g_autoptr(GError) error = NULL;

	/* Without a port it would listen elsewhere than clients are told (host/hostd.c). */
	if (parsed && g_network_address_get_port(G_NETWORK_ADDRESS(parsed)) != 0)
		address = g_inet_socket_address_new_from_string(
			g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed)),
			g_network_address_get_port(G_NETWORK_ADDRESS(parsed)));
	if (!address) {
		log_error(
			"cannot listen on '%s': it is no numeric ADDRESS:PORT such as 127.0.0.1:3128; set "
			"'listen' in [gateway] of carrel.conf (--listen)",
			text);
		return NULL;
	}
	g_socket_listener_set_backlog(G_SOCKET_LISTENER(service), GATEWAY_BACKLOG);
	if (!g_socket_listener_add_address(G_SOCKET_LISTENER(service), address,
					   G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL,
					   &error)) {
		log_error(
			"cannot listen on '%s': %s; end what uses it ('ss -ltnp' names it), or set "
			"another 'listen' in [gateway] of carrel.conf (--listen)",
			text, error->message);
		return NULL;
	}
	return g_steal_pointer(&service);
}

static int
gateway_enter_sandbox(void)
{
	int error = sandbox_hide_memory();

	if (error == 0)
		error = sandbox_become(getuid(), getgid());
	if (error == 0)
		error = sandbox_service_deny_calls(denied_calls, G_N_ELEMENTS(denied_calls));
	if (error < 0)
		log_error("the sandbox failed: %s; not listening unprotected", g_strerror(-error));
	return error;
}

/* Whoever waits for it sees by the file that clients are heard. NULL: nobody does. */
static gboolean
gateway_write_pid(const char *path)
{
	g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
	int error = path ? io_write_file_durably(path, text, strlen(text), 0644) : 0;

	if (error < 0)
		log_error("cannot write '%s': %s; is there space, and may uid %u write there?",
			  path, g_strerror(-error), (unsigned int)getuid());
	return error == 0;
}

static int
gateway_run(const char *listen_text, const char *hostd_path, const char *pid_path)
{
	static const struct gateway_core_times times = GATEWAY_CORE_TIMES;
	g_autoptr(GMainLoop) loop = NULL;
	g_autoptr(GSocketService) service = gateway_listen(listen_text);
	struct gateway_core *core;

	if (io_raise_files(GATEWAY_MAX_FILES) < 0)
		log_warning("the limit of open files cannot be raised; fewer clients can come in");
	if (!service || !gateway_write_pid(pid_path) || gateway_enter_sandbox() < 0)
		return EXIT_FAILURE;
	loop = g_main_loop_new(NULL, FALSE);
	core = gateway_core_new(hostd_path, &times);
	g_signal_connect(service, "incoming", G_CALLBACK(gateway_handle_incoming), core);
	g_unix_signal_add(SIGTERM, gateway_handle_signal, loop);
	g_unix_signal_add(SIGINT, gateway_handle_signal, loop);
	log_info("listening on '%s' for displays, carrel-hostd is at '%s'", listen_text,
		 hostd_path);
	g_main_loop_run(loop);
	g_socket_service_stop(service);
	g_socket_listener_close(G_SOCKET_LISTENER(service));
	gateway_core_free(core);
	return EXIT_SUCCESS;
}

static gboolean
gateway_read_options(int argc, char **argv, struct gateway_options *ret_options)
{
	const GOptionEntry entries[] = {
		{ "listen", 0, 0, G_OPTION_ARG_STRING, &ret_options->listen,
		  "Address and port for clients (default " DEFAULT_LISTEN ")", "ADDRESS:PORT" },
		{ "hostd-socket", 0, 0, G_OPTION_ARG_FILENAME, &ret_options->hostd_socket,
		  "carrel-hostd's socket (default " DEFAULT_HOSTD_SOCKET ")", "PATH" },
		{ "pid-file", 0, 0, G_OPTION_ARG_FILENAME, &ret_options->pid_file,
		  "File to write its process id to once it listens", "PATH" },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &ret_options->version,
		  "Print the version and end", NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	g_autoptr(GOptionContext) context =
		g_option_context_new("- hand clients to their displays");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (g_option_context_parse(context, &argc, &argv, &error) && argc == 1)
		return TRUE;
	log_error("%s; see carrel-gateway(8)", error ? error->message : "too many arguments");
	return FALSE;
}

int
main(int argc, char **argv)
{
	struct gateway_options options = { 0 };
	int status = EXIT_FAILURE;

	if (gateway_read_options(argc, argv, &options)) {
		signal(SIGPIPE, SIG_IGN);
		if (options.version) {
			g_print("carrel-gateway %s\n", PACKAGE_VERSION);
			status = EXIT_SUCCESS;
		} else {
			status = gateway_run(options.listen ? options.listen : DEFAULT_LISTEN,
					     options.hostd_socket ? options.hostd_socket
								  : DEFAULT_HOSTD_SOCKET,
					     options.pid_file);
		}
	}
	g_free(options.listen);
	g_free(options.hostd_socket);
	g_free(options.pid_file);
	return status;
}
