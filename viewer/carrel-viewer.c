/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-viewer.c - the program a user starts: options, one application, one window
 */
#include <glib/gi18n.h>
#include <gtk/gtk.h>
#include <locale.h>

#include "config.h"
#include "viewer/card.h"
#include "viewer/options.h"
#include "viewer/window.h"

#define APPLICATION_ID "org.carrel.Viewer"

static void
viewer_start_gettext(void)
{
	const char *folder = g_getenv("CARREL_LOCALE_DIR");

	setlocale(LC_ALL, "");
	bindtextdomain(GETTEXT_PACKAGE, folder ? folder : CARREL_LOCALEDIR);
	bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
	textdomain(GETTEXT_PACKAGE);
}

static gboolean
viewer_parse_options(struct options *options, int *argc, char ***argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "broker", 'b', 0, G_OPTION_ARG_STRING, &options->broker,
		  N_("The broker's address"), N_("URL") },
		{ "user", 'u', 0, G_OPTION_ARG_STRING, &options->user, N_("The user's name"),
		  N_("NAME") },
		{ "pool", 'p', 0, G_OPTION_ARG_STRING, &options->pool,
		  N_("The desktop to open without asking"), N_("POOL") },
		{ "full-screen", 'f', 0, G_OPTION_ARG_NONE, &options->full_screen,
		  N_("Begin in full screen"), NULL },
		{ "kiosk", 'k', 0, G_OPTION_ARG_NONE, &options->kiosk,
		  N_("Stay in full screen; the window cannot be closed nor the broker changed"),
		  NULL },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &options->version,
		  N_("Show the version and end"), NULL },
		G_OPTION_ENTRY_NULL,
	};
	g_autoptr(GOptionContext) context = g_option_context_new(_("[FILE.vv] - use your desktop"));

	g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (*argc > 2) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    _("“%s” is one file too many: one window shows one desktop"),
			    (*argv)[2]);
		return FALSE;
	}
	options->file = g_strdup((*argv)[1]);
	return TRUE;
}

static void
viewer_handle_activate(GtkApplication *application, const struct options *options)
{
	static const char *const full_screen[] = { "F11", "<Shift>F11", NULL };
	static const char *const release[] = { "<Shift>F12", NULL };
	const char *data = g_getenv("CARREL_DATA_DIR");

	if (data) {
		g_autofree char *icons = g_build_filename(data, "icons", NULL);

		gtk_icon_theme_prepend_search_path(gtk_icon_theme_get_default(), icons);
	}
	card_load_style();
	gtk_application_set_accels_for_action(application, "win.full-screen", full_screen);
	gtk_application_set_accels_for_action(application, "win.release", release);
	window_present(window_new(application, options));
}

int
main(int argc, char **argv)
{
	struct options options = { 0 };
	g_autoptr(GtkApplication) application = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	viewer_start_gettext();
	if (!viewer_parse_options(&options, &argc, &argv, &error)) {
		g_printerr(_("carrel-viewer: %s. Try “carrel-viewer --help”.\n"), error->message);
		return 2;
	}
	if (options.version) {
		g_print("carrel-viewer %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (!gtk_init_check(NULL, NULL)) {
		g_printerr(_(
			"carrel-viewer: there is no display to open a window on; set DISPLAY or WAYLAND_DISPLAY.\n"));
		return 1;
	}
	options_recall(&options);
	/* Every start is a window of its own, so that .vv files of several desktops can be open. */
	application = gtk_application_new(APPLICATION_ID, G_APPLICATION_NON_UNIQUE);
	g_signal_connect(application, "activate", G_CALLBACK(viewer_handle_activate), &options);
	status = g_application_run(G_APPLICATION(application), 1, argv);
	options_done(&options);
	return status;
}
