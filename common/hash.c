/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hash.c - SHA-256 of texts and files (all GLib processes)
 *
 * Files are disk images of gigabytes, mostly holes. hash_feed_file() asks for them with SEEK_DATA and SEEK_HOLE
 * (lseek(2)) and feeds zeros in their place, and the sum is GnuTLS's, which uses the CPU's SHA instructions: GLib's
 * is six times slower.
 */
#include "common/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/cleanup.h"

#define BLOCK_BYTES  (256 * 1024)
#define SHA256_BYTES 32

struct hash_run {
	int fd;
	gnutls_hash_hd_t sum;
	guint8 *block;
	const guint8 *zeros; /* BLOCK_BYTES as well */
	GCancellable *cancellable;
};

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
hash_fail_errno(GError **error, int code)
{
	g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "reading failed: %s",
		    g_strerror(code));
	return FALSE;
}

static gboolean
hash_feed(const struct hash_run *run, const guint8 *bytes, gsize size, GError **error)
{
	int code = gnutls_hash(run->sum, bytes, size);

	if (code < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot hash: %s",
			    gnutls_strerror(code));
		return FALSE;
	}
	return !g_cancellable_set_error_if_cancelled(run->cancellable, error);
}

static gboolean
hash_feed_hole(const struct hash_run *run, off_t at, off_t end, GError **error)
{
	while (at < end) {
		gsize size = (gsize)MIN(end - at, BLOCK_BYTES);

		if (!hash_feed(run, run->zeros, size, error))
			return FALSE;
		at += (off_t)size;
	}
	return TRUE;
}

static gboolean
hash_feed_data(const struct hash_run *run, off_t at, off_t end, GError **error)
{
	while (at < end) {
		ssize_t n = pread(run->fd, run->block, (gsize)MIN(end - at, BLOCK_BYTES), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return hash_fail_errno(error, errno);
		if (n == 0) {
			g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT,
					    "it became shorter while it was read");
			return FALSE;
		}
		if (!hash_feed(run, run->block, (gsize)n, error))
			return FALSE;
		at += n;
	}
	return TRUE;
}

static gboolean
hash_feed_file(const struct hash_run *run, GError **error)
{
	off_t size = lseek(run->fd, 0, SEEK_END);
	off_t at = 0;

	if (size < 0)
		return hash_fail_errno(error, errno);
	while (at < size) {
		off_t data = lseek(run->fd, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno != ENXIO)
			return hash_fail_errno(error, errno);
		/* ENXIO: nothing but a hole up to the end */
		data = data < 0 ? size : MIN(data, size);
		if (!hash_feed_hole(run, at, data, error))
			return FALSE;
		hole = data < size ? lseek(run->fd, data, SEEK_HOLE) : size;
		if (hole < 0)
			return hash_fail_errno(error, errno);
		at = MIN(hole, size);
		if (!hash_feed_data(run, data, at, error))
			return FALSE;
	}
	return TRUE;
}

static char *
hash_print(const guint8 *digest)
{
	GString *text = g_string_sized_new(HASH_TEXT_LENGTH);

	for (gsize i = 0; i < SHA256_BYTES; i++)
		g_string_append_printf(text, "%02x", digest[i]);
	return g_string_free(text, FALSE);
}

char *
hash_file(const char *path, GCancellable *cancellable, GError **error)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
	g_autofree guint8 *zeros = g_malloc0(BLOCK_BYTES);
	struct hash_run run = { fd, NULL, block, zeros, cancellable };
	guint8 digest[SHA256_BYTES];
	gboolean ok;
	int code;

	if (fd < 0) {
		g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno),
			    "cannot open '%s': %s", path, g_strerror(errno));
		return NULL;
	}
	code = gnutls_hash_init(&run.sum, GNUTLS_DIG_SHA256);
	if (code < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot hash '%s': %s", path,
			    gnutls_strerror(code));
		return NULL;
	}
	ok = hash_feed_file(&run, error);
	gnutls_hash_deinit(run.sum, digest);
	if (ok)
		return hash_print(digest);
	g_prefix_error(error, "'%s': ", path);
	return NULL;
}
