/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_memory.h - a template's RAM: a sparse file on disk, a sealed memfd for its forks
 */
#ifndef HOST_TEMPLATE_MEMORY_H
#define HOST_TEMPLATE_MEMORY_H

#include <gio/gio.h>

/* A new memfd of "size" bytes that a machine may be booted in: may not shrink or grow. -1 and an error. */
int template_memory_new(guint64 size, GError **error);

/*
 * Copies the file's data, holes kept, into a memfd and seals it against writing, shrinking, growing and further seals.
 * "size" is what the manifest promises: another one is an error. Reads everything: call it from a worker thread. path: below the folder,
 * a descriptor or AT_FDCWD.
 */
int template_memory_load(int folder, const char *path, guint64 size, GCancellable *cancellable,
			 GError **error);

/*
 * Opens the file for reading only, for machines that map it privately; or -1 and an error. All as above. template_memory_share():
 * the same of a loaded memfd.
 */
int template_memory_open(int folder, const char *path, guint64 size, GError **error);
int template_memory_share(int memfd, GError **error);

/* Writes a machine's RAM to "path" (which must not exist), zero pages as holes, with fsync. */
gboolean template_memory_save(int memfd, const char *path, GCancellable *cancellable,
			      GError **error);

#endif
