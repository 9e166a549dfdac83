/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * process_watch.c - the end of one process, told by its pidfd (carrel-hostd, carrel-worker)
 */
#include "host/process_watch.h"

#include <glib-unix.h>
#include <unistd.h>

#include "base/io.h"
#include "host/process_memory.h"

void
process_watch_init(struct process_watch *watch, void (*ended)(void *context), void *context)
{
	*watch = (struct process_watch){ .pidfd = -1, .ended = ended, .context = context };
}

static gboolean
process_watch_handle_end(G_GNUC_UNUSED gint fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	struct process_watch *watch = data;

	watch->source = 0;
	watch->ran_out = process_memory_ran_out(watch->memory_events);
	process_watch_stop(watch);
	watch->ended(watch->context);
	return G_SOURCE_REMOVE;
}

void
process_watch_begin(struct process_watch *watch, int pidfd)
{
	process_watch_stop(watch);
	watch->pidfd = pidfd;
	watch->ran_out = FALSE;
	watch->memory_events = process_memory_find_events("", pidfd);
	watch->source = g_unix_fd_add(pidfd, G_IO_IN, process_watch_handle_end, watch);
}

void
process_watch_stop(struct process_watch *watch)
{
	g_clear_handle_id(&watch->source, g_source_remove);
	if (watch->pidfd >= 0)
		close(watch->pidfd);
	watch->pidfd = -1;
	g_clear_pointer(&watch->memory_events, g_free);
}

gboolean
process_watch_is_on(const struct process_watch *watch)
{
	return watch->pidfd >= 0;
}

int
process_watch_open(const struct launch_process *process)
{
	guint64 start_ticks = 0;
	int fd = -1;

	if (process->pid <= 0 || io_pidfd_open(process->pid, &fd) < 0)
		return -1;
	if (io_process_start(process->pid, &start_ticks) == 0 &&
	    start_ticks == process->start_ticks)
		return fd;
	close(fd);
	return -1;
}
