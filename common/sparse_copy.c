/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sparse_copy.c - copy a file's data and keep its holes (carrel-hostd, carrel-worker)
 *
 * copy_file_range(2) shares blocks where it can; between two file systems it often cannot, and then the data is read and written.
 */
#include "common/sparse_copy.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"

#define STEP_BYTES   (64 << 20)
#define BUFFER_BYTES (1 << 20)

/* copy_file_range() that moves "at" for both, or the same by hand. The number of bytes, or a negative errno. */
static ssize_t
sparse_copy_some(int from, int to, off_t at, off_t end)
{
	g_autofree guint8 *buffer = NULL;
	off_t source = at;
	off_t target = at;
	ssize_t n =
		copy_file_range(from, &source, to, &target, (size_t)MIN(end - at, STEP_BYTES), 0);
	int error;

	if (n >= 0)
		return n;
	if (errno != EXDEV && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
		return -errno;
	buffer = g_malloc(BUFFER_BYTES);
	n = pread(from, buffer, (size_t)MIN(end - at, BUFFER_BYTES), at);
	if (n < 0)
		return -errno;
	error = io_write_full_at(to, buffer, (size_t)n, (uint64_t)at);
	return error < 0 ? error : n;
}

static int
sparse_copy_piece(int from, int to, off_t at, off_t end, GCancellable *cancellable)
{
	while (at < end) {
		ssize_t n = sparse_copy_some(from, to, at, end);

		if (g_cancellable_is_cancelled(cancellable))
			return -ECANCELED;
		if (n == 0)
			return -EIO;
		if (n < 0 && n != -EINTR)
			return (int)n;
		at += MAX(n, 0);
	}
	return 0;
}

int
sparse_copy(int from, int to, off_t size, GCancellable *cancellable)
{
	off_t at = 0;
	int error = 0;

	if (ftruncate(to, size) < 0)
		return -errno;
	while (error == 0 && at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole;

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		error = sparse_copy_piece(from, to, data, MIN(hole, size), cancellable);
		at = hole;
	}
	return error;
}
