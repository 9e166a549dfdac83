/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cleanup.h - release a resource when its variable leaves scope
 *
 * CLEANUP_FREE char *text = NULL;     free(3) at the end of the block
 * CLEANUP_CLOSE int fd = -1;          close(2) at the end of the block, unless negative
 *
 * take_fd() moves the descriptor out, so that the block's end leaves it open.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP_FREE  __attribute__((cleanup(cleanup_free_pointer)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close_fd)))

static inline void
cleanup_free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

static inline void
cleanup_close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline int
take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
