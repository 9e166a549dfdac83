/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * io.h - sockets, descriptors and files, with all their short reads and interruptions
 *
 * All functions return 0 or a negative errno unless they say otherwise. Descriptors made here are close-on-exec.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the kernel says of the process at the other end of a unix socket (SO_PEERCRED, unix(7)). */
struct io_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* Reads exactly "size" bytes; -EPIPE when the peer ended before. The descriptor must be blocking. */
int io_read_full(int fd, void *data, size_t size);
int io_write_full(int fd, const void *data, size_t size);
/* The same of a file, from this offset on (pread(2), pwrite(2)); -EPIPE when it is shorter than that. */
int io_read_full_at(int fd, void *data, size_t size, uint64_t offset);
int io_write_full_at(int fd, const void *data, size_t size, uint64_t offset);

/*
 * Reads a whole file of at most "max" bytes; -EFBIG when it is larger. ret_data is the caller's to free() and has
 * a NUL behind its ret_size bytes.
 */
int io_read_file(const char *path, size_t max, char **ret_data, size_t *ret_size);

/* Writes "path" so that after a crash it is the old or the new content: temporary file, fsync, rename, fsync of the folder. */
int io_write_file_durably(const char *path, const void *data, size_t size, mode_t mode);
int io_sync_folder(const char *path);

/* Raises the limit of open descriptors (RLIMIT_NOFILE) to "wanted", or as far as it may go. */
int io_raise_files(unsigned int wanted);

int io_set_nonblocking(int fd, bool on);

/*
 * A listening or connected unix socket of "type" (SOCK_STREAM or SOCK_SEQPACKET). Listening replaces a socket file
 * left by an earlier process and sets the file's mode. The backlog is 64.
 */
int io_unix_listen(const char *path, int type, mode_t mode, int *ret_fd);
int io_unix_connect(const char *path, int type, int *ret_fd);
int io_socketpair(int type, int ret_fds[2]);
int io_peer_get(int fd, struct io_peer *ret_peer);

/* A descriptor for process "pid" that becomes readable at its end (pidfd_open(2)). */
int io_pidfd_open(pid_t pid, int *ret_fd);
int io_pidfd_kill(int pidfd, int signal_number);

/* Start time of a process in clock ticks since boot (proc(5), stat field 22): with the pid it names one process. */
int io_process_start(pid_t pid, uint64_t *ret_ticks);

/* Milliseconds on CLOCK_BOOTTIME: goes on while the machine sleeps, never goes back. */
uint64_t io_boottime_ms(void);

#endif
