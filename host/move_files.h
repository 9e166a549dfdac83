/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_files.h - a suspended desktop's files go to the folder that hosts share, and come from there
 *
 * <exchange>/<id>/ holds a whole desktop; <exchange>/<id>.part and <lib>/desktops/<id>/arriving are what somebody was copying. All of
 * these calls but one read or write gigabytes: they are for threads, and for one at a time of a desktop.
 */
#ifndef HOST_MOVE_FILES_H
#define HOST_MOVE_FILES_H

#include <gio/gio.h>

struct desktop_folder;

struct move_files {
	char *lib;
	char *exchange; /* NULL: the host has none */
	char *id;
	guint64 reserve_bytes; /* what a copy leaves free where it goes to */
};

/* Its small files are there: is this one that the host can have? FALSE and an error that says why not. */
typedef gboolean (*move_files_check)(const struct desktop_folder *folder, const void *context,
				     GError **error);

/*
 * Until this has succeeded the desktop is whole in <lib>/desktops/, afterwards only in the exchange folder. Done before, it is done
 * again from the beginning, or what was left over is finished. After a failure there may be a copy in the exchange folder.
 * G_IO_ERROR_NOT_FOUND: it is in neither.
 */
gboolean move_files_export(const struct move_files *files, GError **error);

enum move_files_error {
	MOVE_FILES_ERROR_DOUBTFUL,
};

#define MOVE_FILES_ERROR move_files_error_quark()
GQuark move_files_error_quark(void);

/*
 * The same the other way, into a folder that is there; after a failure it is in the exchange folder, if it was there. What is here
 * already has to pass the same check before the copy goes. That may fail, which is no error: move_files_discard() later.
 * MOVE_FILES_ERROR_DOUBTFUL: it does not pass, and there is no copy.
 */
gboolean move_files_import(const struct move_files *files, move_files_check check,
			   const void *context, GError **error);

/* Has the folder in <lib>/desktops/ all that a desktop must have? FALSE and an error. At once, but for a disk that fails. */
gboolean move_files_is_whole(const char *lib, const char *id, GError **error);

/* It is not to be had from the exchange folder any more. found FALSE: nothing of it was there, perhaps nothing is mounted. */
gboolean move_files_discard(const struct move_files *files, gboolean *ret_found, GError **error);

#endif
