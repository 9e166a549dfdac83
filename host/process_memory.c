/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process_memory.c - what memory a process has of its own, and whether the kernel ended it for lack of some (carrel-hostd, carrel-worker)
 *
 * How it works: carrel-launch gives each process of a desktop a group of its own, whose memory.events counts what the
 * kernel ended in it, for the group's limit or for the whole host's lack (Linux, admin-guide/cgroup-v2.rst, "Memory").
 */
#include "host/process_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"

#define MAX_BYTES 4096

static const char *const mount_table[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

/* What stands behind this word at the beginning of a line, up to the line's end; NULL: there is no such line. */
static char *
process_memory_read_line(const char *path, const char *word)
{
	g_autofree char *search = g_strconcat("\n", word, NULL);
	g_autofree char *lines = NULL;
	char *text = NULL;
	const char *at;
	size_t size;

	if (io_read_file(path, MAX_BYTES, &text, &size) < 0)
		return NULL;
	lines = g_strconcat("\n", text, NULL);
	free(text);
	at = strstr(lines, search);
	return at ? g_strndup(at + strlen(search), strcspn(at + strlen(search), "\n")) : NULL;
}

char *
process_memory_find_events(const char *root, int pidfd)
{
	g_autofree char *info = g_strdup_printf("%s/proc/self/fdinfo/%d", root, pidfd);
	g_autofree char *pid = process_memory_read_line(info, "Pid:");
	g_autofree char *list = NULL;
	g_autofree char *group = NULL;

	if (!pid)
		return NULL;
	list = g_strdup_printf("%s/proc/%s/cgroup", root, g_strstrip(pid));
	group = process_memory_read_line(list, "0::");
	for (gsize i = 0; group && i < G_N_ELEMENTS(mount_table); i++) {
		g_autofree char *path =
			g_strconcat(root, mount_table[i], group, "/memory.events", NULL);

		if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
			return g_steal_pointer(&path);
	}
	return NULL;
}

/* Linux, Documentation/filesystems/proc.rst: in kB. */
static gboolean
process_memory_read_kib(const char *path, const char *word, guint64 *ret_kib)
{
	g_autofree char *line = process_memory_read_line(path, word);

	if (!line)
		return FALSE;
	*ret_kib = g_ascii_strtoull(g_strstrip(line), NULL, 10);
	return TRUE;
}

guint64
process_memory_get_private(const char *root, int pidfd)
{
	g_autofree char *info = g_strdup_printf("%s/proc/self/fdinfo/%d", root, pidfd);
	g_autofree char *pid = process_memory_read_line(info, "Pid:");
	g_autofree char *path = NULL;
	guint64 resident;
	guint64 swapped;

	if (!pid)
		return G_MAXUINT64;
	path = g_strdup_printf("%s/proc/%s/status", root, g_strstrip(pid));
	if (!process_memory_read_kib(path, "RssAnon:", &resident) ||
	    !process_memory_read_kib(path, "VmSwap:", &swapped))
		return G_MAXUINT64;
	return (resident + swapped) * 1024;
}

gboolean
process_memory_ran_out(const char *events)
{
	g_autofree char *count = events ? process_memory_read_line(events, "oom_kill ") : NULL;

	return count && g_ascii_strtoull(count, NULL, 10) > 0;
}
