/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_space.c - a job and the room on the disk that it works on (carrel-worker)
 */
#include "templates/job_space.h"

#include <string.h>
#include <sys/statvfs.h>

/* Whatever fails with so little room has most probably failed for it: sealing a machine alone writes more. */
#define LOW_BYTES (16ULL << 20)

guint64
job_space_find_free(const char *folder)
{
	struct statvfs about;

	if (statvfs(folder, &about) < 0)
		return G_MAXUINT64;
	return (guint64)about.f_bavail * about.f_frsize;
}

void
job_space_blame(guint64 free_bytes, GError *error)
{
	if (free_bytes < LOW_BYTES && error->domain == G_IO_ERROR &&
	    error->code != G_IO_ERROR_CANCELLED)
		error->code = G_IO_ERROR_NO_SPACE;
}

char *
job_space_explain(const char *cause, const char *folder, guint64 need_bytes, guint64 free_bytes,
		  const char *verb, gsize size)
{
	g_autofree char *numbers =
		need_bytes > free_bytes
			? g_strdup_printf(": disk full, %" G_GUINT64_FORMAT
					  " MiB left and a %s takes up to %" G_GUINT64_FORMAT,
					  free_bytes >> 20, verb, (need_bytes >> 20) + 1)
			: g_strdup("");
	g_autofree char *advice = g_strdup_printf(
		"%s: free space on the disk of '%s', then run the %s again", numbers, folder, verb);
	gsize taken = strlen(advice) + 1;

	return g_strdup_printf("%.*s%s", (int)(size > taken ? size - taken : 0), cause, advice);
}
