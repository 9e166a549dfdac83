/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_touched.h - which pages of a template's memory its forks touch first: noted once, read ahead later
 *
 * The note is a file beside the memory, advice only: no manifest names it, nothing fails without it. Its text:
 *
 *   touched 1
 *   FIRST COUNT         a line for each range, in pages of 4096 bytes, ascending; a page at least is between two
 */
#ifndef HOST_TEMPLATE_TOUCHED_H
#define HOST_TEMPLATE_TOUCHED_H

#include <gio/gio.h>

#define TEMPLATE_TOUCHED_FILE	    "touched"
#define TEMPLATE_TOUCHED_MAX_BYTES  (1024 * 1024)
#define TEMPLATE_TOUCHED_PAGE_BYTES 4096

struct template_touched_range {
	guint64 first; /* pages */
	guint64 count;
};

/* The note beside this memory, for g_free(). */
char *template_touched_make_path(const char *memory_path);

/*
 * Makes the memory's file durable and has its pages leave the page cache. TRUE: as good as all have left, and what is there
 * later was touched. FALSE without an error: they stay, as in a tmpfs or where somebody else has mapped them. Waits for the disk.
 */
gboolean template_touched_drop(int memory, GError **error);

/*
 * Writes durably to "path" what is in the page cache of the memory now, and the few pages between; replaces an older note. Waits for the disk. Linux tells
 * this to who owns the file or may write to it.
 */
gboolean template_touched_write(int memory, const char *path, GError **error);

/* Begins to read all data of the memory's file, holes left out; waits where the disk's queue is full, so long at most. */
void template_touched_read_all(int memory, guint limit_ms, GCancellable *cancellable);

/* struct template_touched_range, for g_array_unref(); or NULL and an error that says what is wrong. */
GArray *template_touched_parse(const char *text, gsize size, guint64 memory_bytes, GError **error);

/*
 * Begins to read what the note at "path" below the folder names, in a thread, and logs how that went; what is no note is a
 * warning, and where there is none nothing happens. Both descriptors are duplicated. name: of the version, for the log.
 */
void template_touched_start_read(int folder, const char *path, int memory, const char *name);

#endif
