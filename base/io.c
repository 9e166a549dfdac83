/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * io.c - sockets, descriptors and files, with all their short reads and interruptions (all processes)
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"

#define LISTEN_BACKLOG 64
#define STAT_MAX_BYTES 4096

/* From "offset" on if it is "placed", else from where the descriptor stands. */
static int
io_read_all(int fd, uint8_t *at, size_t size, bool placed, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = placed ? pread(fd, at, size, (off_t)offset) : read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int
io_write_all(int fd, const uint8_t *at, size_t size, bool placed, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = placed ? pwrite(fd, at, size, (off_t)offset) : write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int
io_read_full(int fd, void *data, size_t size)
{
	return io_read_all(fd, data, size, false, 0);
}

int
io_write_full(int fd, const void *data, size_t size)
{
	return io_write_all(fd, data, size, false, 0);
}

int
io_read_full_at(int fd, void *data, size_t size, uint64_t offset)
{
	return io_read_all(fd, data, size, true, offset);
}

int
io_write_full_at(int fd, const void *data, size_t size, uint64_t offset)
{
	return io_write_all(fd, data, size, true, offset);
}

static int
io_read_growing(int fd, size_t max, char **ret_data, size_t *ret_size)
{
	CLEANUP_FREE char *data = NULL;
	size_t capacity = 0;
	size_t size = 0;

	for (;;) {
		ssize_t n;

		if (size + 1 >= capacity) {
			char *grown;

			capacity = capacity ? capacity * 2 : 4096;
			grown = realloc(data, capacity);
			if (!grown)
				return -ENOMEM;
			data = grown;
		}
		n = read(fd, data + size, capacity - size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > max)
			return -EFBIG;
	}
	data[size] = '\0';
	*ret_data = data;
	*ret_size = size;
	data = NULL;
	return 0;
}

int
io_read_file(const char *path, size_t max, char **ret_data, size_t *ret_size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return io_read_growing(fd, max, ret_data, ret_size);
}

int
io_sync_folder(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int
io_write_new_file(const char *path, const void *data, size_t size, mode_t mode)
{
	CLEANUP_CLOSE int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int error;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	error = io_write_full(fd, data, size);
	if (error < 0)
		return error;
	return fsync(fd) < 0 ? -errno : 0;
}

int
io_write_file_durably(const char *path, const void *data, size_t size, mode_t mode)
{
	char temporary[PATH_MAX];
	char folder[PATH_MAX];
	int error;

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	error = io_write_new_file(temporary, data, size, mode);
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error < 0) {
		unlink(temporary);
		return error;
	}
	memcpy(folder, path, strlen(path) + 1);
	return io_sync_folder(dirname(folder));
}

int
io_raise_files(unsigned int wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

int
io_set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

static int
io_unix_address(const char *path, struct sockaddr_un *ret_address)
{
	size_t length = strlen(path);

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	if (length == 0 || length >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret_address->sun_path, path, length);
	return 0;
}

int
io_unix_listen(const char *path, int type, mode_t mode, int *ret_fd)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	struct stat status;
	int error = io_unix_address(path, &address);

	if (error < 0)
		return error;
	if (fd < 0)
		return -errno;
	if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(path);
	/* Before bind the mode of the inode decides who may connect in the instant before chmod. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (chmod(path, mode) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int
io_unix_connect(const char *path, int type, int *ret_fd)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int error = io_unix_address(path, &address);

	if (error < 0)
		return error;
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int
io_socketpair(int type, int ret_fds[2])
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

int
io_peer_get(int fd, struct io_peer *ret_peer)
{
	struct {
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	*ret_peer = (struct io_peer){ credentials.pid, credentials.uid, credentials.gid };
	return 0;
}

int
io_pidfd_open(pid_t pid, int *ret_fd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int
io_pidfd_kill(int pidfd, int signal_number)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

int
io_process_start(pid_t pid, uint64_t *ret_ticks)
{
	CLEANUP_FREE char *text = NULL;
	char path[64];
	const char *at;
	size_t size;
	int error;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	error = io_read_file(path, STAT_MAX_BYTES, &text, &size);
	if (error < 0)
		return error;
	/* The second field is the program's name in parentheses and may contain anything: begin behind its end. */
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at || sscanf(at, "%" SCNu64, ret_ticks) != 1)
		return -EPROTO;
	return 0;
}

uint64_t
io_boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
