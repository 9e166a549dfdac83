/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fd_kind.h - is a descriptor that carrel-vmm was given what it is said to be?
 */
#ifndef VMM_FD_KIND_H
#define VMM_FD_KIND_H

#include <stdbool.h>

enum fd_kind {
	FD_KIND_DEVICE,
	FD_KIND_READ_FILE,
	FD_KIND_WRITE_FILE,
	FD_KIND_LISTEN_PACKETS,
	FD_KIND_LISTEN_STREAM,
	FD_KIND_STREAM,
	FD_KIND_COUNT,
};

/*
 * Open, of this kind, and opened for no more than is needed (what is only read never for writing).
 * 0; -EBADF: it is not open; -EINVAL: it is something else.
 */
int fd_kind_check(int fd, enum fd_kind kind);

/* Are both open, and of one file, whatever they are called? */
bool fd_is_same_file(int fd, int other_fd);

/* What it must be: "a file, open for reading only" and so on. */
const char *fd_kind_text(enum fd_kind kind);

#endif
