/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options.c - what the command line and the last use say (carrel-viewer)
 */
#include "viewer/options.h"

#define GROUP "viewer"

static char *
options_get_path(void)
{
	return g_build_filename(g_get_user_config_dir(), "carrel", "viewer.conf", NULL);
}

void
options_recall(struct options *options)
{
	g_autofree char *path = options_get_path();
	g_autoptr(GKeyFile) file = g_key_file_new();

	/* A missing or broken file only means that nothing is remembered. */
	g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL);
	if (!options->broker)
		options->broker = g_key_file_get_string(file, GROUP, "broker", NULL);
	if (!options->user && !options->kiosk)
		options->user = g_key_file_get_string(file, GROUP, "user", NULL);
	if (!options->broker)
		options->broker = g_strdup(OPTIONS_DEFAULT_BROKER);
	if (!options->user)
		options->user = g_strdup("");
}

void
options_remember(const char *broker, const char *user)
{
	g_autofree char *path = options_get_path();
	g_autofree char *folder = g_path_get_dirname(path);
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autoptr(GError) error = NULL;

	g_key_file_set_string(file, GROUP, "broker", broker);
	g_key_file_set_string(file, GROUP, "user", user);
	g_mkdir_with_parents(folder, 0700);
	if (!g_key_file_save_to_file(file, path, &error))
		g_message("broker and user name are not remembered: %s", error->message);
}

void
options_done(struct options *options)
{
	g_free(options->broker);
	g_free(options->user);
	g_free(options->pool);
	g_free(options->file);
}
