/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_files.c - copying, syncing and removing what a job makes (carrel-worker)
 */
#include "templates/job_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "common/sparse_copy.h"

#define MAX_DEPTH 8

static gboolean
job_files_fail(GError **error, const char *what, const char *path, int code)
{
	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "cannot %s '%s': %s", what,
		    path, g_strerror(code));
	return FALSE;
}

gboolean
job_files_copy(const char *source, const char *target, GCancellable *cancellable, GError **error)
{
	CLEANUP_CLOSE int from = open(source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP_CLOSE int to = -1;
	struct stat status;
	int code;

	if (from < 0 || fstat(from, &status) < 0)
		return job_files_fail(error, "open", source, errno);
	if (!S_ISREG(status.st_mode))
		return job_files_fail(error, "copy", source, EINVAL);
	to = open(target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0)
		return job_files_fail(error, "make", target, errno);
	if (ioctl(to, FICLONE, from) == 0)
		return TRUE;
	code = -sparse_copy(from, to, status.st_size, cancellable);
	if (code != ECANCELED)
		return code == 0 || job_files_fail(error, "write", target, code);
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
	return FALSE;
}

static gboolean
job_files_sync_below(const char *path, int depth, gint64 *bytes, GError **error)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	g_autoptr(GDir) folder = NULL;
	struct stat status;
	const char *name;

	if (fd < 0 || fstat(fd, &status) < 0)
		return job_files_fail(error, "open", path, errno);
	*bytes += (gint64)status.st_blocks * 512;
	if (S_ISDIR(status.st_mode)) {
		folder = g_dir_open(path, 0, error);
		if (!folder)
			return FALSE;
		if (depth == 0)
			return job_files_fail(error, "sync", path, ELOOP);
	}
	while (folder && (name = g_dir_read_name(folder))) {
		g_autofree char *below = g_build_filename(path, name, NULL);

		if (!job_files_sync_below(below, depth - 1, bytes, error))
			return FALSE;
	}
	return fsync(fd) == 0 || job_files_fail(error, "sync", path, errno);
}

gboolean
job_files_sync(const char *folder, gint64 *ret_bytes, GError **error)
{
	gint64 bytes = 0;

	if (!job_files_sync_below(folder, MAX_DEPTH, &bytes, error))
		return FALSE;
	*ret_bytes = bytes;
	return TRUE;
}

void
job_files_remove(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	g_autoptr(GDir) dir = NULL;
	const char *below;

	if (unlink(path) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	dir = g_dir_open(path, 0, NULL);
	while (dir && (below = g_dir_read_name(dir)))
		job_files_remove(path, below);
	rmdir(path);
}
