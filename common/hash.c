/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash.c - SHA-256 of texts and files (all GLib processes)
 */
#include "common/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (1024 * 1024)

char *
hash_bytes(const void *data, gsize size)
{
	return g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);
}

char *
hash_text(const char *text)
{
	return hash_bytes(text, strlen(text));
}

static gboolean
hash_feed_file(GChecksum *sum, int fd, GCancellable *cancellable, GError **error)
{
	g_autofree guchar *block = g_malloc(BLOCK_BYTES);

	for (;;) {
		ssize_t n = read(fd, block, BLOCK_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno),
				    "reading failed: %s", g_strerror(errno));
			return FALSE;
		}
		if (n == 0)
			return TRUE;
		g_checksum_update(sum, block, n);
		if (g_cancellable_set_error_if_cancelled(cancellable, error))
			return FALSE;
	}
}

char *
hash_file(const char *path, GCancellable *cancellable, GError **error)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	gboolean ok;

	if (fd < 0) {
		g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno),
			    "cannot open '%s': %s", path, g_strerror(errno));
		return NULL;
	}
	ok = hash_feed_file(sum, fd, cancellable, error);
	close(fd);
	if (!ok) {
		g_prefix_error(error, "'%s': ", path);
		return NULL;
	}
	return g_strdup(g_checksum_get_string(sum));
}
