/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listener.c - a listening socket of carrel-vmm, which one user may connect to (carrel-vmm, loop
 * thread)
 *
 * How it works: who connects while the process or the host is out of descriptors or memory stays in
 * the socket's queue, and epoll would say so without end. So the socket is left alone for a while
 * then, and looked at again by a timer.
 */
#include "vmm/listener.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "vmm/loop.h"

#define RETRY_NS      UINT64_C(500000000)
#define LINES_AT_ONCE 5
#define LINE_EVERY_MS 10000

struct listener {
	struct listener_setup setup;
	struct loop_source *source;
	struct loop_timer *retry;
	struct log_limit log_limit;
};

static bool
listener_may_log(struct listener *listener)
{
	return log_limit_allow(&listener->log_limit, io_boottime_ms());
}

/* Who was there has gone, or was never. */
static bool
listener_is_idle(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

static void
listener_rest(struct listener *listener, int error)
{
	if (listener_may_log(listener))
		log_warning("socket '%s': nobody can connect now: %s; it is tried again",
			    listener->setup.name, strerror(error));
	loop_change(listener->source, 0);
	loop_timer_set(listener->retry, loop_now_ns() + RETRY_NS);
}

static void
listener_handle_retry(void *context)
{
	struct listener *listener = context;
	int error = loop_change(listener->source, EPOLLIN);

	if (error < 0)
		listener_rest(listener, -error);
}

/* Who it is comes from the kernel: unix(7), SO_PEERCRED. */
static bool
listener_may_connect(struct listener *listener, int fd)
{
	struct io_peer peer;

	if (io_peer_get(fd, &peer) == 0 && peer.uid == listener->setup.uid)
		return true;
	if (listener_may_log(listener))
		log_warning("socket '%s': a connection was refused: it is not of uid %u",
			    listener->setup.name, listener->setup.uid);
	return false;
}

static void
listener_handle_connection(void *context, uint32_t events)
{
	struct listener *listener = context;
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	CLEANUP_CLOSE int fd = accept4(listener->setup.listen_fd, NULL, NULL, flags);

	(void)events;
	if (fd < 0 && !listener_is_idle(errno))
		listener_rest(listener, errno);
	else if (fd >= 0 && listener_may_connect(listener, fd))
		listener->setup.accepted(listener->setup.context, take_fd(&fd));
}

int
listener_new(struct loop *loop, const struct listener_setup *setup, struct listener **ret_listener)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int error;

	if (!listener)
		return -ENOMEM;
	listener->setup = *setup;
	listener->log_limit =
		(struct log_limit){ .burst = LINES_AT_ONCE, .every_ms = LINE_EVERY_MS };
	error = io_set_nonblocking(setup->listen_fd, true);
	if (error == 0)
		error = loop_timer_new(loop, setup->name, listener_handle_retry, listener,
				       &listener->retry);
	if (error == 0)
		error = loop_add(loop, setup->name, setup->listen_fd, EPOLLIN,
				 listener_handle_connection, listener, &listener->source);
	if (error < 0) {
		listener_free(listener);
		return error;
	}
	*ret_listener = listener;
	return 0;
}

void
listener_free(struct listener *listener)
{
	if (!listener)
		return;
	loop_remove(listener->source);
	loop_timer_free(listener->retry);
	free(listener);
}
