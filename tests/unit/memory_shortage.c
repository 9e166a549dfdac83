/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memory_shortage.c - a kernel that has no memory for what disks ask of it
 */
#include "tests/unit/memory_shortage.h"

#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>

static int n_left;

void
memory_shortage_begin(int n_operations)
{
	n_left = n_operations;
}

/* liburing's own, and what it has done is changed. */
int
io_uring_submit_and_wait(struct io_uring *ring, unsigned int n_wait)
{
	int (*submit)(struct io_uring *, unsigned int);
	struct io_uring_cqe *cqe;
	int result;

	*(void **)&submit = dlsym(RTLD_NEXT, "io_uring_submit_and_wait");
	result = submit(ring, n_wait);
	if (n_left > 0 && io_uring_peek_cqe(ring, &cqe) == 0) {
		cqe->res = -ENOMEM;
		n_left--;
	}
	return result;
}
