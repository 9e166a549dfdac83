/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fd_watch.c - a descriptor in the main loop whose conditions change often (carrel-display)
 */
#include "display/fd_watch.h"

struct fd_watch {
	GSource source;
	fd_watch_callback callback;
	void *context;
	int fd;
	gpointer tag; /* NULL while nothing is waited for */
};

static gboolean
fd_watch_check(GSource *source)
{
	struct fd_watch *watch = (struct fd_watch *)source;

	return watch->tag && g_source_query_unix_fd(source, watch->tag) != 0;
}

static gboolean
fd_watch_dispatch(GSource *source, GSourceFunc function G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
	struct fd_watch *watch = (struct fd_watch *)source;
	GIOCondition seen = g_source_query_unix_fd(source, watch->tag);

	watch->callback(watch->fd, (seen & (G_IO_IN | G_IO_HUP | G_IO_ERR)) != 0,
			(seen & (G_IO_OUT | G_IO_ERR)) != 0, watch->context);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs fd_watch_functions = {
	.check = fd_watch_check,
	.dispatch = fd_watch_dispatch,
};

void
fd_watch_set(struct fd_watch *watch, GIOCondition wanted)
{
	if (watch->tag)
		g_source_remove_unix_fd(&watch->source, watch->tag);
	/* Without this a hang-up would be reported although nothing is waited for. */
	watch->tag = wanted ? g_source_add_unix_fd(&watch->source, watch->fd, wanted) : NULL;
}

struct fd_watch *
fd_watch_new(int fd, GIOCondition wanted, fd_watch_callback callback, void *context)
{
	struct fd_watch *watch =
		(struct fd_watch *)g_source_new(&fd_watch_functions, sizeof(struct fd_watch));

	watch->fd = fd;
	watch->callback = callback;
	watch->context = context;
	g_source_set_static_name(&watch->source, "fd_watch");
	fd_watch_set(watch, wanted);
	g_source_attach(&watch->source, NULL);
	return watch;
}

void
fd_watch_free(struct fd_watch *watch)
{
	g_source_destroy(&watch->source);
	g_source_unref(&watch->source);
}
