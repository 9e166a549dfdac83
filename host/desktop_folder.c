/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_folder.c - what a desktop has on disk (carrel-hostd)
 *
 * Beside the overlay the file "network" tells a later hostd that the desktop has one, and the file "session" that a user is
 * logged in inside. Logs of its processes are launch's, what it comes from and what it is while it is suspended are
 * desktop_suspension.c's.
 */
#include "host/desktop_folder.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/id.h"
#include "base/io.h"
#include "base/log.h"

/* All but the overlay. */
static const char *const file_names[] = { DESKTOP_SESSION_FILE, DESKTOP_NETWORK_FILE,
					  DESKTOP_ORIGIN_FILE,	DESKTOP_MARK_FILE,
					  DESKTOP_STATE_FILE,	DESKTOP_PAGES_FILE };

void
desktop_folder_init(struct desktop_folder *folder, const char *lib, const char *id)
{
	folder->path = g_build_filename(lib, "desktops", id, NULL);
	folder->overlay = g_build_filename(folder->path, DESKTOP_OVERLAY_FILE, NULL);
}

void
desktop_folder_done(struct desktop_folder *folder)
{
	g_free(folder->path);
	g_free(folder->overlay);
}

/* 0 or a negative errno. */
static int
desktop_folder_write(const struct desktop_folder *folder, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(folder->path, name, NULL);

	return io_write_file_durably(path, text, strlen(text), 0600);
}

/* 0 or a negative errno. */
static int
desktop_folder_prepare(const struct desktop_folder *folder, gboolean network)
{
	if (g_mkdir_with_parents(folder->path, 0700) < 0 ||
	    (g_unlink(folder->overlay) < 0 && errno != ENOENT))
		return -errno;
	return network ? desktop_folder_write(folder, DESKTOP_NETWORK_FILE, "passt") : 0;
}

char *
desktop_folder_make(const struct desktop_folder *folder, gboolean network)
{
	int error = desktop_folder_prepare(folder, network);

	if (error == 0)
		return NULL;
	return g_strdup_printf("its folder '%s' cannot be made: %s: the host's disk must be "
			       "writable and have room",
			       folder->path, g_strerror(-error));
}

void
desktop_folder_remove(const struct desktop_folder *folder)
{
	g_unlink(folder->overlay);
	for (gsize i = 0; i < G_N_ELEMENTS(file_names); i++) {
		g_autofree char *path = g_build_filename(folder->path, file_names[i], NULL);

		g_unlink(path);
	}
	if (g_rmdir(folder->path) < 0 && errno != ENOENT)
		log_warning("'%s' cannot be removed: %s", folder->path, g_strerror(errno));
}

gboolean
desktop_folder_has_network(const struct desktop_folder *folder)
{
	g_autofree char *path = g_build_filename(folder->path, DESKTOP_NETWORK_FILE, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

gboolean
desktop_folder_write_session(const struct desktop_folder *folder, const char *session)
{
	int error = desktop_folder_write(folder, DESKTOP_SESSION_FILE, session);

	if (error < 0)
		log_warning("'%s/" DESKTOP_SESSION_FILE "' cannot be written: %s", folder->path,
			    g_strerror(-error));
	return error == 0;
}

char *
desktop_folder_read_session(const struct desktop_folder *folder)
{
	g_autofree char *path = g_build_filename(folder->path, DESKTOP_SESSION_FILE, NULL);
	g_autofree char *session = NULL;

	if (!g_file_get_contents(path, &session, NULL, NULL) || !id_valid(ID_KIND_SESSION, session))
		return NULL;
	return g_steal_pointer(&session);
}
