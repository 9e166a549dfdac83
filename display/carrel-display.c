/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-display.c - shows one desktop to its user (carrel-display: one process a watched desktop, uid of its own)
 *
 * How it works: main() gives up every right, before any thread and any outside byte, and then runs watch.c: hostd
 * connects to descriptor 3 and hands in the certificate, the source of the picture and clients' sockets. Threads
 * beside the main loop: libspice-server's worker (draw and cursor commands, through qxl_queue.c),
 * "vnc" (sink_vnc.c: libvncserver and a VNC client's socket; it reads the surface and tells the main loop through vnc_mail.c),
 * "source-qemu" and GDBus' reader (they write into the surface, under its lock), GIO's pool (TLS handshakes).
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/contain.h"
#include "base/forbidden_acts.h"
#include "base/id.h"
#include "base/log.h"
#include "base/proto_display.h"
#include "base/sandbox.h"
#include "base/sandbox_service.h"
#include "display/display_core.h"
#include "display/sink_spice.h"
#include "display/sink_vnc.h"
#include "display/source_qemu.h"
#include "display/source_vmm.h"
#include "display/watch.h"
#include "config.h"

/* It opens no connections (clients' sockets are handed in). */
static const char *const denied_calls[] = { "connect", "bind", "listen", "socket" };

static const struct display_core_makers display_makers = {
	.new_sink = sink_spice_new,
	.new_vnc = sink_vnc_new,
	.new_source = { [DISPLAY_SOURCE_QEMU] = source_qemu_new,
			[DISPLAY_SOURCE_VMM] = source_vmm_new },
};

struct display_options {
	char *desktop; /* owned */
	gboolean version;
};

static int
display_check_options(const struct display_options *options, int n_left)
{
	int accepting = 0;
	socklen_t size = sizeof(accepting);

	if (!options->desktop || !id_valid(ID_KIND_DESKTOP, options->desktop) || n_left > 1) {
		log_error("--desktop ID is missing or no desktop's id; carrel-hostd starts this "
			  "program");
		return -EINVAL;
	}
	if (getsockopt(DISPLAY_WATCH_FD, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size) < 0 ||
	    !accepting) {
		log_error("descriptor %d is no listening socket; carrel-hostd starts this program",
			  DISPLAY_WATCH_FD);
		return -EINVAL;
	}
	return 0;
}

static int
display_read_options(int argc, char **argv, struct display_options *ret_options)
{
	const GOptionEntry entries[] = {
		{ "desktop", 0, 0, G_OPTION_ARG_STRING, &ret_options->desktop,
		  "The desktop it shows", "ID" },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &ret_options->version,
		  "Print the version and end", NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new("- show one desktop to its user");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error)) {
		log_error("%s; see carrel-display(8)", error->message);
		return -EINVAL;
	}
	return ret_options->version ? 0 : display_check_options(ret_options, argc);
}

/* GIO looks for its TLS module and GLib for its user's folders at first use: nothing of them may reach out. */
static void
display_set_environment(void)
{
	g_setenv("GIO_USE_VFS", "local", TRUE);
	g_setenv("GIO_USE_PROXY_RESOLVER", "dummy", TRUE);
	g_setenv("GIO_USE_NETWORK_MONITOR", "base", TRUE);
	g_setenv("GSETTINGS_BACKEND", "memory", TRUE);
	/* libspice-server starts SASL, which nobody uses here; without a folder for its modules that wants to tell syslog. */
	g_setenv("SASL_PATH", "/", TRUE);
}

/* What the libraries would read from files later, when there are none. */
static void
display_load_early(void)
{
	g_type_ensure(g_tls_backend_get_certificate_type(g_tls_backend_get_default()));
}

/* In the order in which rights go. */
static int
display_contain(char ret_act[FORBIDDEN_ACTS_WORDS])
{
	int error = sandbox_close_from(DISPLAY_WATCH_FD + 1);

	if (error == 0)
		error = contain_enter();
	if (error == 0)
		error = forbidden_acts_try_outside(ret_act);
	if (error == 0)
		error = forbidden_acts_try_service(sandbox_service_refuse_calls, denied_calls,
						   G_N_ELEMENTS(denied_calls), ret_act);
	if (error == 0)
		error = sandbox_service_deny_calls(denied_calls, G_N_ELEMENTS(denied_calls));
	return error;
}

static int
display_enter_sandbox(const char *desktop)
{
	char act[FORBIDDEN_ACTS_WORDS] = "";
	int error;

	display_load_early();
	error = display_contain(act);
	if (error < 0 && act[0])
		log_error(
			"the sandbox of desktop=%s is not tight: the process could %s; not showing it unprotected",
			desktop, act);
	else if (error < 0)
		log_error("the sandbox of desktop=%s failed: %s; not showing it unprotected",
			  desktop, g_strerror(-error));
	return error;
}

static void
display_handle_quit(void *context)
{
	g_main_loop_quit(context);
}

static gboolean
display_handle_signal(gpointer user_data)
{
	g_main_loop_quit(user_data);
	return G_SOURCE_REMOVE;
}

static int
display_run(const char *desktop)
{
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	struct watch *watch =
		watch_new(DISPLAY_WATCH_FD, desktop, &display_makers, display_handle_quit, loop);

	if (!watch) {
		log_error("libspice-server cannot be set up for desktop=%s", desktop);
		return EXIT_FAILURE;
	}
	g_unix_signal_add(SIGTERM, display_handle_signal, loop);
	g_unix_signal_add(SIGINT, display_handle_signal, loop);
	g_main_loop_run(loop);
	watch_free(watch);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	struct display_options options = { 0 };
	int status = EXIT_FAILURE;

	if (display_read_options(argc, argv, &options) == 0) {
		signal(SIGPIPE, SIG_IGN);
		display_set_environment();
		if (options.version) {
			g_print("carrel-display %s\n", PACKAGE_VERSION);
			status = EXIT_SUCCESS;
		} else if (display_enter_sandbox(options.desktop) == 0) {
			status = display_run(options.desktop);
		}
	}
	g_free(options.desktop);
	return status;
}
