/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process_memory.h - what memory a process has of its own, and whether the kernel ended it for lack of some (cgroup v2)
 */
#ifndef HOST_PROCESS_MEMORY_H
#define HOST_PROCESS_MEMORY_H

#include <glib.h>

/*
 * The file that counts it, of the group in which the process is now: it has to be looked for while the process lives.
 * NULL where it has none. The caller's to free. root is "" but in tests.
 */
char *process_memory_find_events(const char *root, int pidfd);

/* Has a process of that group been ended so? events: as above, NULL is allowed. */
gboolean process_memory_ran_out(const char *events);

/* Bytes that it shares with no file: in RAM or swapped out. G_MAXUINT64: it is not known. root as above. */
guint64 process_memory_get_private(const char *root, int pidfd);

#endif
