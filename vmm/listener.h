/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listener.h - a listening socket of carrel-vmm, which one user may connect to
 */
#ifndef VMM_LISTENER_H
#define VMM_LISTENER_H

#include <stdint.h>

struct listener;
struct loop;

struct listener_setup {
	const char *
		name; /* for logs; stays the caller's, as the descriptor: both outlive the listener */
	int listen_fd;
	uint32_t uid; /* the only one that may connect */
	/* Somebody has connected. The descriptor, which does not block, belongs to the callee. */
	void (*accepted)(void *context, int fd);
	void *context;
};

/* 0 or -errno. */
int listener_new(struct loop *loop, const struct listener_setup *setup,
		 struct listener **ret_listener);
void listener_free(struct listener *listener);

#endif
