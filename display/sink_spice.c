/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_spice.c - a sink over libspice-server (carrel-display)
 *
 * How it works: libspice-server runs in the main loop through core_interface (timers and watches are GLib sources),
 * and draws in one worker thread of its own, which takes commands from qxl_queue.c. refresh() moves what
 * changed in the surface into the draw queue: each dirty rectangle becomes a QXL "draw copy" with its own copy of
 * the pixels, freed when the worker releases it. The queue is refilled only when the worker has emptied it, when
 * what the worker holds is within a budget, and when the client has taken most of what was sent; until then the
 * surface coalesces. So a slow client sees fewer frames and costs no memory.
 *
 * The main loop never waits for the worker while clients are there: to destroy a surface the worker waits for what it is
 * sending, which leaves the process through our own main loop (tls_link.c). So a change of size goes through the states
 * of enum primary_state by asynchronous calls, in sink_spice_follow_size(), once the client has taken what was sent.
 *
 * No address, port or password file: clients come as socket pairs through add_client().
 */
#include "display/sink_spice.h"

#include <assert.h>
#include <errno.h>
#include <gio/gio.h>
#include <spice.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "display/fd_watch.h"
#include "display/qxl_command.h"
#include "display/qxl_queue.h"
#include "display/spice_buttons.h"
#include "display/spice_keys.h"
#include "display/surface.h"
#include "display/vdagent_port.h"

#define MAX_BACKLOG_BYTES (192 * 1024)
#define HELD_EXTRA_BYTES  (16 * 1024 * 1024)
#define QUIET_REFRESHES	  3 /* with nothing on its way, before a surface is destroyed */
#define MIN_WANTED_SIZE	  320

/*
 * The worker's primary surface: NONE -> CREATING -> SHOWN -> DESTROYING -> NONE. Only in SHOWN it is drawn on; CREATING
 * and DESTROYING end when the worker has done it, seen in sink_spice_finish_primary().
 */
enum primary_state {
	PRIMARY_STATE_NONE,
	PRIMARY_STATE_CREATING,
	PRIMARY_STATE_SHOWN,
	PRIMARY_STATE_DESTROYING,
	PRIMARY_STATE_COUNT,
};

struct sink_spice {
	struct sink sink;
	struct surface *surface;
	const struct sink_events *events;
	void *context;
	SpiceServer *server;
	QXLInstance qxl;
	SpiceKbdInstance keyboard;
	SpiceTabletInstance tablet;
	SpiceCharDeviceInstance agent;
	struct vdagent_port *port;
	guint port_lost;
	bool has_qxl;
	bool has_input;
	/* what the worker works on */
	enum primary_state primary_state;
	unsigned int quiet_refreshes;
	gint primary_done; /* atomic, set by the worker: what was CREATING or DESTROYING */
	uint8_t *primary;
	struct surface_info shown;
	struct qxl_queue *queue;
	/* refresh() */
	uint32_t image_number;
	uint64_t cursor_shape;
	uint64_t cursor_position;
	/* input */
	struct spice_keys keys;
	struct spice_buttons buttons;
};

/*
 * libspice-server gives its channel events no context, so the one sink of the process is found here. It is set and
 * cleared on the main thread by sink_spice_new() and sink_spice_free() and read nowhere but in channel_event.
 */
static struct sink_spice *sink_spice_only;

/* Timers and watches: struct SpiceTimer and SpiceWatch are ours to define. */

struct SpiceTimer {
	SpiceTimerFunc function;
	void *opaque;
	guint id;
};

static gboolean
sink_spice_handle_timer(gpointer user_data)
{
	SpiceTimer *timer = user_data;

	timer->id = 0;
	timer->function(timer->opaque);
	return G_SOURCE_REMOVE;
}

static SpiceTimer *
sink_spice_timer_add(SpiceTimerFunc function, void *opaque)
{
	SpiceTimer *timer = g_new0(SpiceTimer, 1);

	timer->function = function;
	timer->opaque = opaque;
	return timer;
}

static void
sink_spice_timer_cancel(SpiceTimer *timer)
{
	g_clear_handle_id(&timer->id, g_source_remove);
}

static void
sink_spice_timer_start(SpiceTimer *timer, uint32_t ms)
{
	sink_spice_timer_cancel(timer);
	timer->id = g_timeout_add(ms, sink_spice_handle_timer, timer);
}

static void
sink_spice_timer_remove(SpiceTimer *timer)
{
	sink_spice_timer_cancel(timer);
	g_free(timer);
}

struct SpiceWatch {
	struct fd_watch *watch;
	SpiceWatchFunc function;
	void *opaque;
};

static void
sink_spice_handle_watch(int fd, gboolean readable, gboolean writable, void *context)
{
	SpiceWatch *watch = context;

	watch->function(fd,
			(readable ? SPICE_WATCH_EVENT_READ : 0) |
				(writable ? SPICE_WATCH_EVENT_WRITE : 0),
			watch->opaque);
}

static GIOCondition
sink_spice_watch_condition(int mask)
{
	return (mask & SPICE_WATCH_EVENT_READ ? G_IO_IN : 0) |
	       (mask & SPICE_WATCH_EVENT_WRITE ? G_IO_OUT : 0);
}

static SpiceWatch *
sink_spice_watch_add(int fd, int mask, SpiceWatchFunc function, void *opaque)
{
	SpiceWatch *watch = g_new0(SpiceWatch, 1);

	watch->function = function;
	watch->opaque = opaque;
	watch->watch =
		fd_watch_new(fd, sink_spice_watch_condition(mask), sink_spice_handle_watch, watch);
	return watch;
}

static void
sink_spice_watch_update(SpiceWatch *watch, int mask)
{
	fd_watch_set(watch->watch, sink_spice_watch_condition(mask));
}

static void
sink_spice_watch_remove(SpiceWatch *watch)
{
	fd_watch_free(watch->watch);
	g_free(watch);
}

/* Channels come and go. The worker thread reports some of its own, so they are told in the main loop. */

static void sink_spice_set_buttons(struct sink_spice *self, uint32_t buttons);

struct channel_news {
	int event;
	uint32_t connection_id;
};

static gboolean
sink_spice_handle_news(gpointer user_data)
{
	struct channel_news *news = user_data;
	struct sink_spice *self = sink_spice_only;

	if (self && news->event == SPICE_CHANNEL_EVENT_INITIALIZED) {
		self->events->main_linked(self->context, news->connection_id);
	} else if (self) {
		sink_spice_set_buttons(self, 0);
		self->events->main_ended(self->context, news->connection_id);
	}
	return G_SOURCE_REMOVE;
}

static void
sink_spice_channel_event(int event, SpiceChannelEventInfo *info)
{
	struct channel_news *news;

	if (info->type != SPICE_CHANNEL_MAIN || event == SPICE_CHANNEL_EVENT_CONNECTED)
		return;
	news = g_new(struct channel_news, 1);
	news->event = event;
	news->connection_id = (uint32_t)info->connection_id;
	/* At once when this is the main thread: a client's next channels follow in the same breath. */
	g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, sink_spice_handle_news, news, g_free);
}

static SpiceCoreInterface core_interface = {
	.base.type = SPICE_INTERFACE_CORE,
	.base.description = "carrel-display",
	.base.major_version = SPICE_INTERFACE_CORE_MAJOR,
	.base.minor_version = SPICE_INTERFACE_CORE_MINOR,
	.timer_add = sink_spice_timer_add,
	.timer_start = sink_spice_timer_start,
	.timer_cancel = sink_spice_timer_cancel,
	.timer_remove = sink_spice_timer_remove,
	.watch_add = sink_spice_watch_add,
	.watch_update_mask = sink_spice_watch_update,
	.watch_remove = sink_spice_watch_remove,
	.channel_event = sink_spice_channel_event,
};

/* The worker's side. */

static struct sink_spice *
sink_spice_of_qxl(QXLInstance *qxl)
{
	return SPICE_CONTAINEROF(qxl, struct sink_spice, qxl);
}

static int
sink_spice_get_command(QXLInstance *qxl, QXLCommandExt *ret_ext)
{
	return qxl_queue_take(sink_spice_of_qxl(qxl)->queue, QXL_QUEUE_DRAW, ret_ext);
}

/* True: nothing is there, and spice_qxl_wakeup() will tell when something is. */
static int
sink_spice_req_cmd_notification(QXLInstance *qxl)
{
	return qxl_queue_is_empty(sink_spice_of_qxl(qxl)->queue, QXL_QUEUE_DRAW);
}

static int
sink_spice_get_cursor_command(QXLInstance *qxl, QXLCommandExt *ret_ext)
{
	return qxl_queue_take(sink_spice_of_qxl(qxl)->queue, QXL_QUEUE_CURSOR, ret_ext);
}

static int
sink_spice_req_cursor_notification(QXLInstance *qxl)
{
	return qxl_queue_is_empty(sink_spice_of_qxl(qxl)->queue, QXL_QUEUE_CURSOR);
}

static void
sink_spice_release_resource(QXLInstance *qxl, QXLReleaseInfoExt release)
{
	qxl_queue_release(sink_spice_of_qxl(qxl)->queue,
			  (struct qxl_command *)(uintptr_t)release.info->id);
}

static void
sink_spice_get_init_info(QXLInstance *qxl G_GNUC_UNUSED, QXLDevInitInfo *info)
{
	*info = (QXLDevInitInfo){
		.num_memslots_groups = 1,
		.num_memslots = 2,
		.memslot_gen_bits = 8,
		.memslot_id_bits = 1,
		.qxl_ram_size = 16 * 1024 * 1024,
		.n_surfaces = 1,
	};
}

static void
sink_spice_ignore_worker(QXLInstance *qxl G_GNUC_UNUSED)
{
}

static void
sink_spice_ignore_level(QXLInstance *qxl G_GNUC_UNUSED, int level G_GNUC_UNUSED)
{
}

static void
sink_spice_ignore_update(QXLInstance *qxl G_GNUC_UNUSED, uint32_t update G_GNUC_UNUSED)
{
}

static int
sink_spice_flush_resources(QXLInstance *qxl G_GNUC_UNUSED)
{
	return 0;
}

/* In the worker's thread. */
static void
sink_spice_async_complete(QXLInstance *qxl, uint64_t cookie G_GNUC_UNUSED)
{
	struct sink_spice *self = sink_spice_of_qxl(qxl);

	g_atomic_int_set(&self->primary_done, 1);
	qxl_queue_want_refresh(self->queue);
}

static void
sink_spice_ignore_area(QXLInstance *qxl G_GNUC_UNUSED, uint32_t surface_id G_GNUC_UNUSED,
		       QXLRect *rects G_GNUC_UNUSED, uint32_t n_rects G_GNUC_UNUSED)
{
}

static void
sink_spice_ignore_capabilities(QXLInstance *qxl G_GNUC_UNUSED, uint8_t present G_GNUC_UNUSED,
			       uint8_t capabilities[SPICE_CAPABILITIES_SIZE] G_GNUC_UNUSED)
{
}

/* Always "taken": the guest's agent refuses what spice-gtk would have passed through to it. */
static int
sink_spice_client_monitors(QXLInstance *qxl, VDAgentMonitorsConfig *config)
{
	struct sink_spice *self = sink_spice_of_qxl(qxl);

	if (!config || config->num_of_monitors == 0)
		return 1;
	if (config->monitors[0].width >= MIN_WANTED_SIZE &&
	    config->monitors[0].height >= MIN_WANTED_SIZE)
		self->events->size_wanted(self->context, config->monitors[0].width,
					  config->monitors[0].height);
	return 1;
}

static const QXLInterface qxl_interface = {
	.base.type = SPICE_INTERFACE_QXL,
	.base.description = "carrel screen",
	.base.major_version = SPICE_INTERFACE_QXL_MAJOR,
	.base.minor_version = SPICE_INTERFACE_QXL_MINOR,
	.attached_worker = sink_spice_ignore_worker,
	.set_compression_level = sink_spice_ignore_level,
	.get_init_info = sink_spice_get_init_info,
	.get_command = sink_spice_get_command,
	.req_cmd_notification = sink_spice_req_cmd_notification,
	.release_resource = sink_spice_release_resource,
	.get_cursor_command = sink_spice_get_cursor_command,
	.req_cursor_notification = sink_spice_req_cursor_notification,
	.notify_update = sink_spice_ignore_update,
	.flush_resources = sink_spice_flush_resources,
	.async_complete = sink_spice_async_complete,
	.update_area_complete = sink_spice_ignore_area,
	.set_client_capabilities = sink_spice_ignore_capabilities,
	.client_monitors_config = sink_spice_client_monitors,
};

/* Input. */

static void
sink_spice_push_key(SpiceKbdInstance *keyboard, uint8_t byte)
{
	struct sink_spice *self = SPICE_CONTAINEROF(keyboard, struct sink_spice, keyboard);
	uint32_t qnum;
	bool down;

	if (spice_keys_feed(&self->keys, byte, &qnum, &down))
		self->events->key(self->context, qnum, down);
}

static uint8_t
sink_spice_get_leds(SpiceKbdInstance *keyboard)
{
	struct sink_spice *self = SPICE_CONTAINEROF(keyboard, struct sink_spice, keyboard);

	return surface_get_info(self->surface).leds;
}

static const SpiceKbdInterface keyboard_interface = {
	.base.type = SPICE_INTERFACE_KEYBOARD,
	.base.description = "carrel keyboard",
	.base.major_version = SPICE_INTERFACE_KEYBOARD_MAJOR,
	.base.minor_version = SPICE_INTERFACE_KEYBOARD_MINOR,
	.push_scan_freg = sink_spice_push_key,
	.get_leds = sink_spice_get_leds,
};

static void
sink_spice_set_buttons(struct sink_spice *self, uint32_t buttons)
{
	spice_buttons_set(&self->buttons, buttons, self->events->button, self->context);
}

static struct sink_spice *
sink_spice_of_tablet(SpiceTabletInstance *tablet)
{
	return SPICE_CONTAINEROF(tablet, struct sink_spice, tablet);
}

static void
sink_spice_ignore_size(SpiceTabletInstance *tablet G_GNUC_UNUSED, int width G_GNUC_UNUSED,
		       int height G_GNUC_UNUSED)
{
}

static void
sink_spice_tablet_position(SpiceTabletInstance *tablet, int x, int y, uint32_t buttons)
{
	struct sink_spice *self = sink_spice_of_tablet(tablet);

	if (x < 0 || y < 0 || (uint32_t)x >= self->shown.width || (uint32_t)y >= self->shown.height)
		return;
	self->events->position(self->context, (uint32_t)x, (uint32_t)y);
	sink_spice_set_buttons(self, buttons);
}

static void
sink_spice_tablet_buttons(SpiceTabletInstance *tablet, uint32_t buttons)
{
	sink_spice_set_buttons(sink_spice_of_tablet(tablet), buttons);
}

static void
sink_spice_tablet_wheel(SpiceTabletInstance *tablet, int wheel, uint32_t buttons)
{
	struct sink_spice *self = sink_spice_of_tablet(tablet);

	spice_buttons_turn(&self->buttons, wheel, buttons, self->events->button, self->context);
}

static const SpiceTabletInterface tablet_interface = {
	.base.type = SPICE_INTERFACE_TABLET,
	.base.description = "carrel tablet",
	.base.major_version = SPICE_INTERFACE_TABLET_MAJOR,
	.base.minor_version = SPICE_INTERFACE_TABLET_MINOR,
	.set_logical_size = sink_spice_ignore_size,
	.position = sink_spice_tablet_position,
	.wheel = sink_spice_tablet_wheel,
	.buttons = sink_spice_tablet_buttons,
};

/* The guest's agent. */

static struct sink_spice *
sink_spice_of_agent(SpiceCharDeviceInstance *agent)
{
	return SPICE_CONTAINEROF(agent, struct sink_spice, agent);
}

static int
sink_spice_agent_write(SpiceCharDeviceInstance *agent, const uint8_t *data, int size)
{
	struct sink_spice *self = sink_spice_of_agent(agent);

	return self->port && size > 0 ? (int)vdagent_port_write(self->port, data, (size_t)size) : 0;
}

static int
sink_spice_agent_read(SpiceCharDeviceInstance *agent, uint8_t *data, int size)
{
	struct sink_spice *self = sink_spice_of_agent(agent);

	return self->port && size > 0 ? (int)vdagent_port_read(self->port, data, (size_t)size) : 0;
}

static void sink_spice_set_vdagent(struct sink *sink, int fd);

static gboolean
sink_spice_handle_port_lost(gpointer user_data)
{
	struct sink_spice *self = user_data;

	self->port_lost = 0;
	log_warning("the guest's vdagent port has ended or speaks nonsense; no clipboard and "
		    "resizing until the guest opens it again");
	sink_spice_set_vdagent(&self->sink, -1);
	return G_SOURCE_REMOVE;
}

/* Not here: the library may be in the middle of reading. */
static void
sink_spice_lose_port(struct sink_spice *self)
{
	if (self->port_lost == 0)
		self->port_lost = g_idle_add(sink_spice_handle_port_lost, self);
}

/* libspice-server disables a device whose guest broke the protocol. */
static void
sink_spice_agent_state(SpiceCharDeviceInstance *agent, int connected)
{
	struct sink_spice *self = sink_spice_of_agent(agent);

	if (!connected && self->port)
		sink_spice_lose_port(self);
}

static const SpiceCharDeviceInterface agent_interface = {
	.base.type = SPICE_INTERFACE_CHAR_DEVICE,
	.base.description = "carrel vdagent",
	.base.major_version = SPICE_INTERFACE_CHAR_DEVICE_MAJOR,
	.base.minor_version = SPICE_INTERFACE_CHAR_DEVICE_MINOR,
	.state = sink_spice_agent_state,
	.write = sink_spice_agent_write,
	.read = sink_spice_agent_read,
	.flags = SPICE_CHAR_DEVICE_NOTIFY_WRITABLE,
};

static void
sink_spice_handle_port_wakeup(void *context)
{
	struct sink_spice *self = context;

	spice_server_char_device_wakeup(&self->agent);
}

static void
sink_spice_handle_port_end(void *context)
{
	sink_spice_lose_port(context);
}

static const struct vdagent_port_events port_events = {
	.wakeup = sink_spice_handle_port_wakeup,
	.lost = sink_spice_handle_port_end,
};

static void
sink_spice_set_vdagent(struct sink *sink, int fd)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	g_clear_handle_id(&self->port_lost, g_source_remove);
	if (self->port) {
		struct vdagent_port *old = g_steal_pointer(&self->port);

		spice_server_remove_interface(&self->agent.base);
		vdagent_port_free(old);
	}
	if (fd < 0)
		return;
	self->agent = (SpiceCharDeviceInstance){ .base.sif = &agent_interface.base,
						 .subtype = "vdagent" };
	self->port = vdagent_port_new(fd, &port_events, self);
	spice_server_add_interface(self->server, &self->agent.base);
}

static bool
sink_spice_ask_vdagent_size(struct sink *sink, uint32_t width, uint32_t height)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	if (self->port)
		vdagent_port_ask_size(self->port, width, height);
	return self->port != NULL;
}

/* From the surface to the worker. */

static void
sink_spice_draw(struct sink_spice *self, const struct damage_rect *rect)
{
	uint8_t *pixels;
	struct qxl_command *command = qxl_command_new_draw(rect, self->image_number++, &pixels);

	if (surface_copy_rect(self->surface, self->shown.generation, rect, pixels) == 0)
		qxl_queue_push(self->queue, QXL_QUEUE_DRAW, command);
	else /* the size has changed meanwhile: the new picture is damaged as a whole */
		g_free(command);
}

static void
sink_spice_refresh_cursor(struct sink_spice *self)
{
	struct surface_cursor cursor;

	if (!qxl_queue_is_empty(self->queue, QXL_QUEUE_CURSOR))
		return;
	surface_copy_cursor(self->surface, self->cursor_shape, &cursor);
	if (cursor.argb)
		qxl_queue_push(self->queue, QXL_QUEUE_CURSOR, qxl_command_new_shape(&cursor));
	else if (cursor.position != self->cursor_position && cursor.shape > 0)
		qxl_queue_push(self->queue, QXL_QUEUE_CURSOR, qxl_command_new_move(&cursor));
	self->cursor_shape = cursor.shape;
	self->cursor_position = cursor.position;
	g_free(cursor.argb);
}

static const char *const primary_names[] = { "none", "creating", "shown", "destroying" };

static_assert(G_N_ELEMENTS(primary_names) == PRIMARY_STATE_COUNT, "a name a state");

static void
sink_spice_move_primary(struct sink_spice *self, enum primary_state state)
{
	if (state != (self->primary_state + 1) % PRIMARY_STATE_COUNT) {
		log_error("the primary surface cannot go from '%s' to '%s'",
			  primary_names[self->primary_state], primary_names[state]);
		return;
	}
	log_debug("primary surface '%s' -> '%s'", primary_names[self->primary_state],
		  primary_names[state]);
	self->primary_state = state;
}

static void
sink_spice_create_primary(struct sink_spice *self, const struct surface_info *info)
{
	QXLDevSurfaceCreate create = {
		.width = info->width,
		.height = info->height,
		.stride = -(int32_t)(info->width * QXL_COMMAND_PIXEL_BYTES),
		.format = SPICE_SURFACE_FMT_32_xRGB,
		.mouse_mode = 1, /* without it the client's absolute pointer is not allowed */
	};

	self->primary = g_malloc0((size_t)info->width * info->height * QXL_COMMAND_PIXEL_BYTES);
	create.mem = (uintptr_t)self->primary;
	self->shown = *info;
	sink_spice_move_primary(self, PRIMARY_STATE_CREATING);
	spice_qxl_create_primary_surface_async(&self->qxl, 0, &create, 0);
}

static void
sink_spice_destroy_primary(struct sink_spice *self)
{
	self->quiet_refreshes = 0;
	sink_spice_move_primary(self, PRIMARY_STATE_DESTROYING);
	spice_qxl_destroy_primary_surface_async(&self->qxl, 0, 0);
}

/* What the worker was asked for is done. */
static void
sink_spice_finish_primary(struct sink_spice *self)
{
	if (self->primary_state == PRIMARY_STATE_CREATING) {
		sink_spice_move_primary(self, PRIMARY_STATE_SHOWN);
		/* Creating it resets the worker's cursor. */
		self->cursor_shape = 0;
		self->events->size_shown(self->context, self->shown.width, self->shown.height);
	} else if (self->primary_state == PRIMARY_STATE_DESTROYING) {
		sink_spice_move_primary(self, PRIMARY_STATE_NONE);
		g_clear_pointer(&self->primary, g_free);
	}
}

/*
 * Nothing was on its way to the client for some refreshes. A worker that is in the middle of a message to a client that
 * does not read waits 30 s before it destroys a surface, whatever becomes of that client: it must not be asked then.
 */
static bool
sink_spice_is_quiet(struct sink_spice *self)
{
	bool quiet = self->events->backlog(self->context) == 0 &&
		     qxl_queue_is_empty(self->queue, QXL_QUEUE_DRAW);

	self->quiet_refreshes = quiet ? self->quiet_refreshes + 1 : 0;
	if (self->quiet_refreshes >= QUIET_REFRESHES)
		return true;
	qxl_queue_want_refresh(self->queue);
	return false;
}

/* True when the worker shows a surface of this size; else it is on the way there, and a refresh follows. */
static bool
sink_spice_follow_size(struct sink_spice *self, const struct surface_info *info)
{
	if (g_atomic_int_compare_and_exchange(&self->primary_done, 1, 0))
		sink_spice_finish_primary(self);
	if (info->width == 0)
		return false;
	if (self->primary_state == PRIMARY_STATE_SHOWN &&
	    info->generation != self->shown.generation) {
		qxl_queue_drop(self->queue, QXL_QUEUE_DRAW);
		if (sink_spice_is_quiet(self))
			sink_spice_destroy_primary(self);
		return false;
	}
	if (self->primary_state == PRIMARY_STATE_NONE)
		sink_spice_create_primary(self, info);
	return self->primary_state == PRIMARY_STATE_SHOWN;
}

/* False: not now; something will call for the next refresh. */
static bool
sink_spice_has_room(struct sink_spice *self)
{
	size_t budget =
		(size_t)self->shown.width * self->shown.height * QXL_COMMAND_PIXEL_BYTES * 4;
	bool held = qxl_queue_get_held_bytes(self->queue) > budget + HELD_EXTRA_BYTES;
	bool room = !held && qxl_queue_is_empty(self->queue, QXL_QUEUE_DRAW) &&
		    self->events->backlog(self->context) < MAX_BACKLOG_BYTES;

	if (!room)
		qxl_queue_want_refresh(self->queue);
	if (held)
		spice_qxl_oom(&self->qxl);
	return room;
}

static void
sink_spice_handle_refresh(void *context)
{
	struct sink_spice *self = context;
	struct surface_info info = surface_get_info(self->surface);
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	size_t count;

	if (info.leds != self->shown.leds) {
		self->shown.leds = info.leds;
		spice_server_kbd_leds(&self->keyboard, info.leds);
	}
	if (!sink_spice_follow_size(self, &info))
		return;
	sink_spice_refresh_cursor(self);
	if (sink_spice_has_room(self)) {
		count = surface_take_damage(self->surface, info.generation, rects);
		for (size_t i = 0; i < count; i++)
			sink_spice_draw(self, &rects[i]);
	}
	spice_qxl_wakeup(&self->qxl);
}

static void
sink_spice_refresh(struct sink *sink)
{
	qxl_queue_want_refresh(((struct sink_spice *)sink)->queue);
}

/* Set-up and end. */

static void
sink_spice_set_device(struct sink *sink, const char *device_address)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	if (device_address[0] != '\0')
		spice_qxl_set_device_info(&self->qxl, device_address, 0, 1);
}

static void
sink_spice_set_password(struct sink *sink, const char *password)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	if (spice_server_set_ticket(self->server, password, 0, 0, 0) != 0) {
		log_error("libspice-server refused the password; nobody gets in");
		spice_server_set_ticket(self->server, NULL, 0, 0, 0);
	}
}

static int
sink_spice_add_client(struct sink *sink, int fd)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	if (spice_server_add_client(self->server, fd, 0) == 0)
		return 0;
	close(fd);
	return -EIO;
}

static void
sink_spice_free(struct sink *sink)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	sink_spice_only = NULL;
	if (self->server) {
		sink_spice_set_vdagent(sink, -1);
		if (self->has_input) {
			spice_server_remove_interface(&self->tablet.base);
			spice_server_remove_interface(&self->keyboard.base);
		}
		if (self->has_qxl) {
			/* Returns when the worker has done all before it, a CREATING or DESTROYING too. */
			spice_server_vm_stop(self->server);
			if (self->primary_state == PRIMARY_STATE_CREATING ||
			    self->primary_state == PRIMARY_STATE_SHOWN)
				spice_qxl_destroy_primary_surface(&self->qxl, 0);
		}
		spice_server_destroy(self->server);
	}
	qxl_queue_free(self->queue);
	g_free(self->primary);
	g_free(self);
}

static const struct sink_ops sink_spice_ops = {
	.refresh = sink_spice_refresh,
	.set_device = sink_spice_set_device,
	.set_password = sink_spice_set_password,
	.add_client = sink_spice_add_client,
	.set_vdagent = sink_spice_set_vdagent,
	.ask_vdagent_size = sink_spice_ask_vdagent_size,
	.free = sink_spice_free,
};

/* Everything that libspice-server could do and a desktop needs not, or not yet, is off. */
static bool
sink_spice_configure(struct sink_spice *self, const char *name)
{
	spice_server_set_name(self->server, name);
	spice_server_set_ticket(self->server, NULL, 0, 0, 0);
	spice_server_set_exit_on_disconnect(self->server, 0);
	spice_server_set_agent_mouse(self->server, 0);
	spice_server_set_agent_file_xfer(self->server, 0);
	spice_server_set_image_compression(self->server, SPICE_IMAGE_COMPRESSION_AUTO_LZ);
	spice_server_set_jpeg_compression(self->server, SPICE_WAN_COMPRESSION_AUTO);
	spice_server_set_zlib_glz_compression(self->server, SPICE_WAN_COMPRESSION_AUTO);
	spice_server_set_streaming_video(self->server, SPICE_STREAM_VIDEO_FILTER);
	/* Only what needs no plug-ins loaded behind the system call filter. */
	if (spice_server_set_video_codecs(self->server, "spice:mjpeg") != 0)
		log_warning("libspice-server has no MJPEG; films are sent as pictures");
	return spice_server_init(self->server, &core_interface) == 0;
}

static bool
sink_spice_add_devices(struct sink_spice *self)
{
	QXLDevMemSlot all_memory = { .virt_end = ~(uintptr_t)0 };

	self->keyboard.base.sif = &keyboard_interface.base;
	self->tablet.base.sif = &tablet_interface.base;
	self->qxl.base.sif = &qxl_interface.base;
	self->has_input = spice_server_add_interface(self->server, &self->keyboard.base) == 0 &&
			  spice_server_add_interface(self->server, &self->tablet.base) == 0;
	self->has_qxl = spice_server_add_interface(self->server, &self->qxl.base) == 0;
	if (!self->has_input || !self->has_qxl)
		return false;
	/* Commands carry plain addresses of this process: all of them are ours. */
	spice_qxl_add_memslot(&self->qxl, &all_memory);
	spice_server_vm_start(self->server);
	return true;
}

struct sink *
sink_spice_new(const char *name, struct surface *surface, const struct sink_events *events,
	       void *context)
{
	struct sink_spice *self = g_new0(struct sink_spice, 1);

	g_return_val_if_fail(!sink_spice_only, NULL);
	self->sink.ops = &sink_spice_ops;
	self->surface = surface;
	self->events = events;
	self->context = context;
	self->queue = qxl_queue_new(sink_spice_handle_refresh, self);
	sink_spice_only = self;
	self->server = spice_server_new();
	if (!sink_spice_configure(self, name) || !sink_spice_add_devices(self)) {
		sink_spice_free(&self->sink);
		return NULL;
	}
	return &self->sink;
}
