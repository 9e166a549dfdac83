/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_loop.c - libspice-server's timers and watches in the main loop (carrel-display)
 *
 * struct SpiceTimer and SpiceWatch are ours to define: each is one GLib source.
 */
#include "display/spice_loop.h"

#include <gio/gio.h>

#include "display/fd_watch.h"

struct SpiceTimer {
	SpiceTimerFunc function;
	void *opaque;
	guint id;
};

static gboolean
spice_loop_handle_timer(gpointer user_data)
{
	SpiceTimer *timer = user_data;

	timer->id = 0;
	timer->function(timer->opaque);
	return G_SOURCE_REMOVE;
}

static SpiceTimer *
spice_loop_timer_add(SpiceTimerFunc function, void *opaque)
{
	SpiceTimer *timer = g_new0(SpiceTimer, 1);

	timer->function = function;
	timer->opaque = opaque;
	return timer;
}

static void
spice_loop_timer_cancel(SpiceTimer *timer)
{
	g_clear_handle_id(&timer->id, g_source_remove);
}

static void
spice_loop_timer_start(SpiceTimer *timer, uint32_t ms)
{
	spice_loop_timer_cancel(timer);
	timer->id = g_timeout_add(ms, spice_loop_handle_timer, timer);
}

static void
spice_loop_timer_remove(SpiceTimer *timer)
{
	spice_loop_timer_cancel(timer);
	g_free(timer);
}

struct SpiceWatch {
	struct fd_watch *watch;
	SpiceWatchFunc function;
	void *opaque;
};

static void
spice_loop_handle_watch(int fd, gboolean readable, gboolean writable, void *context)
{
	SpiceWatch *watch = context;

	watch->function(fd,
			(readable ? SPICE_WATCH_EVENT_READ : 0) |
				(writable ? SPICE_WATCH_EVENT_WRITE : 0),
			watch->opaque);
}

static GIOCondition
spice_loop_watch_condition(int mask)
{
	return (mask & SPICE_WATCH_EVENT_READ ? G_IO_IN : 0) |
	       (mask & SPICE_WATCH_EVENT_WRITE ? G_IO_OUT : 0);
}

static SpiceWatch *
spice_loop_watch_add(int fd, int mask, SpiceWatchFunc function, void *opaque)
{
	SpiceWatch *watch = g_new0(SpiceWatch, 1);

	watch->function = function;
	watch->opaque = opaque;
	watch->watch =
		fd_watch_new(fd, spice_loop_watch_condition(mask), spice_loop_handle_watch, watch);
	return watch;
}

static void
spice_loop_watch_update(SpiceWatch *watch, int mask)
{
	fd_watch_set(watch->watch, spice_loop_watch_condition(mask));
}

static void
spice_loop_watch_remove(SpiceWatch *watch)
{
	fd_watch_free(watch->watch);
	g_free(watch);
}

void
spice_loop_describe(SpiceCoreInterface *ret_core)
{
	*ret_core = (SpiceCoreInterface){
		.base.type = SPICE_INTERFACE_CORE,
		.base.description = "carrel-display",
		.base.major_version = SPICE_INTERFACE_CORE_MAJOR,
		.base.minor_version = SPICE_INTERFACE_CORE_MINOR,
		.timer_add = spice_loop_timer_add,
		.timer_start = spice_loop_timer_start,
		.timer_cancel = spice_loop_timer_cancel,
		.timer_remove = spice_loop_timer_remove,
		.watch_add = spice_loop_watch_add,
		.watch_update_mask = spice_loop_watch_update,
		.watch_remove = spice_loop_watch_remove,
	};
}
