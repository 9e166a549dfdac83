/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fd_kind.c - is a descriptor that carrel-vmm was given what it is said to be? (carrel-vmm, loop
 * thread)
 */
#include "vmm/fd_kind.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* mode: of the file. access: O_RDONLY, O_RDWR. type, listens: of a unix socket. */
static const struct fd_rule {
	const char *text;
	mode_t mode;
	int access;
	int type;
	int listens;
} fd_rules[] = {
	[FD_KIND_DEVICE] = { "a device, open for reading and writing", S_IFCHR, O_RDWR, 0, 0 },
	[FD_KIND_READ_FILE] = { "a file, open for reading only", S_IFREG, O_RDONLY, 0, 0 },
	[FD_KIND_WRITE_FILE] = { "a file, open for reading and writing", S_IFREG, O_RDWR, 0, 0 },
	[FD_KIND_LISTEN_PACKETS] = { "a listening unix socket for packets", S_IFSOCK, O_RDWR,
				     SOCK_SEQPACKET, 1 },
	[FD_KIND_LISTEN_STREAM] = { "a listening unix stream socket", S_IFSOCK, O_RDWR, SOCK_STREAM,
				    1 },
	[FD_KIND_STREAM] = { "a unix stream socket", S_IFSOCK, O_RDWR, SOCK_STREAM, 0 },
};
static_assert(sizeof(fd_rules) / sizeof(fd_rules[0]) == FD_KIND_COUNT, "a rule a kind");

static int
fd_get_option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

int
fd_kind_check(int fd, enum fd_kind kind)
{
	const struct fd_rule *rule = &fd_rules[kind];
	struct stat status;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &status) < 0)
		return -EBADF;
	if ((status.st_mode & S_IFMT) != rule->mode || (flags & O_ACCMODE) != rule->access ||
	    (flags & O_PATH))
		return -EINVAL;
	if (rule->mode == S_IFSOCK &&
	    (fd_get_option(fd, SO_DOMAIN) != AF_UNIX || fd_get_option(fd, SO_TYPE) != rule->type ||
	     fd_get_option(fd, SO_ACCEPTCONN) != rule->listens))
		return -EINVAL;
	return 0;
}

bool
fd_is_same_file(int fd, int other_fd)
{
	struct stat one, other;

	return fstat(fd, &one) == 0 && fstat(other_fd, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

const char *
fd_kind_text(enum fd_kind kind)
{
	return fd_rules[kind].text;
}
