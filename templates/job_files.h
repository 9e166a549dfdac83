/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_files.h - copying, syncing and removing what a job makes
 */
#ifndef TEMPLATES_JOB_FILES_H
#define TEMPLATES_JOB_FILES_H

#include <gio/gio.h>

/*
 * Copies a regular file; "target" must not exist. Shares its blocks where the file system can (FICLONE), else copies
 * the data and keeps the holes.
 */
gboolean job_files_copy(const char *source, const char *target, GCancellable *cancellable,
			GError **error);

/* fsync of all files and folders below and of the folder; ret_bytes: the blocks they take. Links are an error. */
gboolean job_files_sync(const char *folder, gint64 *ret_bytes, GError **error);

/* Removes a file or a folder with all below it, without following links. What is not there is no error. */
void job_files_remove(const char *folder, const char *name);

#endif
