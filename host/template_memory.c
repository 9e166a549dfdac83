/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_memory.c - a template's RAM (carrel-hostd, carrel-worker)
 *
 * Stock QEMU opens its memory file for writing even with share=off, so a clone of a plain file could damage the
 * template. A memfd sealed with F_SEAL_WRITE can be opened like that and mapped privately, and still nobody can
 * write to it. SEEK_DATA and SEEK_HOLE (lseek(2)) keep untouched RAM unallocated at both ends.
 */
#include "host/template_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define COPY_BYTES (1024 * 1024)
#define PAGE_BYTES 4096

static int
template_memory_fail(GError **error, const char *what)
{
	int code = errno;

	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code),
		    "the template's memory: %s: %s", what, g_strerror(code));
	return -1;
}

int
template_memory_new(guint64 size, GError **error)
{
	CLEANUP_CLOSE int fd = memfd_create("carrel-template", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return template_memory_fail(error, "cannot make a memfd");
	return take_fd(&fd);
}

static gboolean
template_memory_write(int fd, const guint8 *data, gsize size, off_t at)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return FALSE;
		data += n;
		size -= (gsize)n;
		at += n;
	}
	return TRUE;
}

static gboolean
template_memory_is_zero(const guint8 *page, gsize size)
{
	return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

/* Writes the pages of a buffer that are not zero, neighbours together. */
static gboolean
template_memory_write_sparse(int fd, const guint8 *data, gsize size, off_t at)
{
	gsize begin = 0;

	for (gsize i = 0; i < size; i += PAGE_BYTES) {
		gsize page = MIN(PAGE_BYTES, size - i);

		if (!template_memory_is_zero(data + i, page))
			continue;
		if (i > begin &&
		    !template_memory_write(fd, data + begin, i - begin, at + (off_t)begin))
			return FALSE;
		begin = i + page;
	}
	return size <= begin ||
	       template_memory_write(fd, data + begin, size - begin, at + (off_t)begin);
}

static gboolean
template_memory_copy_range(int from, int to, off_t at, off_t end, guint8 *buffer,
			   GCancellable *cancellable, GError **error)
{
	while (at < end) {
		ssize_t n = pread(from, buffer, (gsize)MIN(COPY_BYTES, end - at), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0 || !template_memory_write_sparse(to, buffer, (gsize)n, at)) {
			template_memory_fail(error, "cannot copy");
			return FALSE;
		}
		if (g_cancellable_set_error_if_cancelled(cancellable, error))
			return FALSE;
		at += n;
	}
	return TRUE;
}

static gboolean
template_memory_copy(int from, int to, off_t size, GCancellable *cancellable, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(COPY_BYTES);
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			return TRUE;
		hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
		if (hole < 0) {
			template_memory_fail(error, "cannot find its data");
			return FALSE;
		}
		if (!template_memory_copy_range(from, to, data, MIN(hole, size), buffer,
						cancellable, error))
			return FALSE;
		at = hole;
	}
	return TRUE;
}

int
template_memory_open(int folder, const char *path, guint64 size, GError **error)
{
	CLEANUP_CLOSE int file = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;

	if (file < 0 || fstat(file, &status) < 0)
		return template_memory_fail(error, path);
	if (!S_ISREG(status.st_mode) || (guint64)status.st_size != size) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			"'%s' has not the size of the machine's RAM: publish the template again",
			path);
		return -1;
	}
	return take_fd(&file);
}

int
template_memory_share(int memfd, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", memfd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? template_memory_fail(error, "cannot open it for reading") : fd;
}

int
template_memory_load(int folder, const char *path, guint64 size, GCancellable *cancellable,
		     GError **error)
{
	CLEANUP_CLOSE int file = template_memory_open(folder, path, size, error);
	CLEANUP_CLOSE int memfd = file < 0 ? -1 : template_memory_new(size, error);

	if (memfd < 0 || !template_memory_copy(file, memfd, (off_t)size, cancellable, error))
		return -1;
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return template_memory_fail(error, "cannot seal it");
	return take_fd(&memfd);
}

gboolean
template_memory_save(int memfd, const char *path, GCancellable *cancellable, GError **error)
{
	CLEANUP_CLOSE int file =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat status;

	if (file < 0 || fstat(memfd, &status) < 0 || ftruncate(file, status.st_size) < 0) {
		template_memory_fail(error, path);
		return FALSE;
	}
	if (!template_memory_copy(memfd, file, status.st_size, cancellable, error))
		return FALSE;
	if (fsync(file) == 0)
		return TRUE;
	template_memory_fail(error, path);
	return FALSE;
}
