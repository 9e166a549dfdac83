/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fd_watch.h - a descriptor in the main loop whose conditions change often
 */
#ifndef DISPLAY_FD_WATCH_H
#define DISPLAY_FD_WATCH_H

#include <glib.h>

struct fd_watch;

typedef void (*fd_watch_callback)(int fd, gboolean readable, gboolean writable, void *context);

/*
 * "wanted" is G_IO_IN, G_IO_OUT, both, or 0: then nothing is reported, a hang-up neither. The descriptor stays the
 * caller's. The callback may free the watch.
 */
struct fd_watch *fd_watch_new(int fd, GIOCondition wanted, fd_watch_callback callback,
			      void *context);
void fd_watch_set(struct fd_watch *watch, GIOCondition wanted);
void fd_watch_free(struct fd_watch *watch);

#endif
