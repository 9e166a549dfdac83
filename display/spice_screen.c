/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_screen.c - the screen that a SPICE client sees: from the surfaces to libspice-server's worker (carrel-display)
 *
 * How it works: libspice-server draws in one worker thread of its own, which takes commands from qxl_queue.c. A refresh
 * moves what changed in the surfaces into the draw queue: each dirty rectangle becomes a QXL "draw copy" with its own copy of
 * the pixels, freed when the worker releases it. The queue is refilled only when the worker has emptied it, when
 * what the worker holds is within a budget, and when the client has taken most of what was sent; until then the
 * surfaces coalesce. So a slow client sees fewer frames and costs no memory.
 *
 * All heads are in one primary surface, side by side, and the client is told where by a monitors config: with a QXL device a
 * head libspice-server would not allow the absolute pointer without the guest's agent (reds_update_mouse_mode()). How many
 * monitors there may be is said there, too; which of them the client wants, it says in client_monitors_config.
 *
 * The main loop does not wait for what a client takes its time for: to destroy a surface the worker waits for what it is
 * sending, which leaves the process through our own main loop (tls_link.c). So a change of size goes through the states
 * of enum primary_state, in spice_screen_follow_size(), once the client has taken what was sent, and destroying is asynchronous.
 * Creating waits for no client, and it must be synchronous: it may change the mouse mode, which libspice-server tells the main
 * channel's clients in the thread that completes the call (red_qxl_create_primary_surface_complete()). In the worker that runs
 * beside the main channel's own reads and writes, and a client that was just linking got no list of channels any more.
 */
#include "display/spice_screen.h"

#include <assert.h>
#include <glib.h>
#include <string.h>

#include "base/log.h"
#include "display/heads.h"
#include "display/qxl_command.h"
#include "display/qxl_queue.h"
#include "display/sink.h"
#include "display/spice_input.h"
#include "display/surface.h"

#define MAX_BACKLOG_BYTES (192 * 1024)
#define HELD_EXTRA_BYTES  (16 * 1024 * 1024)
#define QUIET_REFRESHES	  3 /* with nothing on its way, before a surface is destroyed */
#define MIN_WANTED_SIZE	  320

/* What the worker has done, in async_complete. */
#define COOKIE_PRIMARY	0
#define COOKIE_MONITORS 1

/*
 * The worker's primary surface: NONE -> SHOWN -> DESTROYING -> NONE. Only in SHOWN it is drawn on; DESTROYING ends when the
 * worker has done it, seen in spice_screen_follow_size().
 */
enum primary_state {
	PRIMARY_STATE_NONE,
	PRIMARY_STATE_SHOWN,
	PRIMARY_STATE_DESTROYING,
	PRIMARY_STATE_COUNT,
};

struct spice_screen {
	struct surface *surfaces[HEADS_MAX];
	uint32_t n_heads; /* that the source has */
	struct spice_input *input;
	const struct sink_events *events;
	void *context;
	QXLInstance qxl;
	/* what the worker works on */
	enum primary_state primary_state;
	unsigned int quiet_refreshes;
	gint primary_done; /* atomic, set by the worker: what was DESTROYING */
	uint8_t *primary;
	QXLMonitorsConfig *monitors;	 /* of HEADS_MAX heads */
	struct heads shown;		 /* in it */
	uint64_t generations[HEADS_MAX]; /* of the surfaces that are shown */
	bool redraw;			 /* it is new: nothing was drawn on it yet */
	struct qxl_queue *queue;
	uint32_t image_number;
	uint32_t cursor_head;
	uint64_t cursor_shape; /* of that head's surface */
	uint64_t cursor_position;
};

/* The worker's side. */

static struct spice_screen *
spice_screen_of_qxl(QXLInstance *qxl)
{
	return SPICE_CONTAINEROF(qxl, struct spice_screen, qxl);
}

static int
spice_screen_get_command(QXLInstance *qxl, QXLCommandExt *ret_ext)
{
	return qxl_queue_take(spice_screen_of_qxl(qxl)->queue, QXL_QUEUE_DRAW, ret_ext);
}

/* True: nothing is there, and spice_qxl_wakeup() will tell when something is. */
static int
spice_screen_req_cmd_notification(QXLInstance *qxl)
{
	return qxl_queue_is_empty(spice_screen_of_qxl(qxl)->queue, QXL_QUEUE_DRAW);
}

static int
spice_screen_get_cursor_command(QXLInstance *qxl, QXLCommandExt *ret_ext)
{
	return qxl_queue_take(spice_screen_of_qxl(qxl)->queue, QXL_QUEUE_CURSOR, ret_ext);
}

static int
spice_screen_req_cursor_notification(QXLInstance *qxl)
{
	return qxl_queue_is_empty(spice_screen_of_qxl(qxl)->queue, QXL_QUEUE_CURSOR);
}

static void
spice_screen_release_resource(QXLInstance *qxl, QXLReleaseInfoExt release)
{
	qxl_queue_release(spice_screen_of_qxl(qxl)->queue,
			  (struct qxl_command *)(uintptr_t)release.info->id);
}

static void
spice_screen_get_init_info(QXLInstance *qxl G_GNUC_UNUSED, QXLDevInitInfo *info)
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
spice_screen_ignore_worker(QXLInstance *qxl G_GNUC_UNUSED)
{
}

static void
spice_screen_ignore_level(QXLInstance *qxl G_GNUC_UNUSED, int level G_GNUC_UNUSED)
{
}

static void
spice_screen_ignore_update(QXLInstance *qxl G_GNUC_UNUSED, uint32_t update G_GNUC_UNUSED)
{
}

static int
spice_screen_flush_resources(QXLInstance *qxl G_GNUC_UNUSED)
{
	return 0;
}

/* In the worker's thread. */
static void
spice_screen_async_complete(QXLInstance *qxl, uint64_t cookie)
{
	struct spice_screen *self = spice_screen_of_qxl(qxl);

	if (cookie != COOKIE_PRIMARY)
		return;
	g_atomic_int_set(&self->primary_done, 1);
	qxl_queue_want_refresh(self->queue);
}

static void
spice_screen_ignore_area(QXLInstance *qxl G_GNUC_UNUSED, uint32_t surface_id G_GNUC_UNUSED,
			 QXLRect *rects G_GNUC_UNUSED, uint32_t n_rects G_GNUC_UNUSED)
{
}

static void
spice_screen_ignore_capabilities(QXLInstance *qxl G_GNUC_UNUSED, uint8_t present G_GNUC_UNUSED,
				 uint8_t capabilities[SPICE_CAPABILITIES_SIZE] G_GNUC_UNUSED)
{
}

/* Always "taken": the guest's agent refuses what spice-gtk would have passed through to it. */
static int
spice_screen_client_monitors(QXLInstance *qxl, VDAgentMonitorsConfig *config)
{
	struct spice_screen *self = spice_screen_of_qxl(qxl);

	if (!config || config->num_of_monitors == 0)
		return 1;
	for (uint32_t i = 0; i < HEADS_MAX; i++) {
		const VDAgentMonConfig *monitor = &config->monitors[i];

		if (i < config->num_of_monitors && monitor->width >= MIN_WANTED_SIZE &&
		    monitor->height >= MIN_WANTED_SIZE)
			self->events->size_wanted(self->context, i, monitor->width,
						  monitor->height);
		else if (i > 0)
			self->events->size_wanted(self->context, i, 0, 0);
	}
	return 1;
}

static const QXLInterface qxl_interface = {
	.base.type = SPICE_INTERFACE_QXL,
	.base.description = "carrel screen",
	.base.major_version = SPICE_INTERFACE_QXL_MAJOR,
	.base.minor_version = SPICE_INTERFACE_QXL_MINOR,
	.attached_worker = spice_screen_ignore_worker,
	.set_compression_level = spice_screen_ignore_level,
	.get_init_info = spice_screen_get_init_info,
	.get_command = spice_screen_get_command,
	.req_cmd_notification = spice_screen_req_cmd_notification,
	.release_resource = spice_screen_release_resource,
	.get_cursor_command = spice_screen_get_cursor_command,
	.req_cursor_notification = spice_screen_req_cursor_notification,
	.notify_update = spice_screen_ignore_update,
	.flush_resources = spice_screen_flush_resources,
	.async_complete = spice_screen_async_complete,
	.update_area_complete = spice_screen_ignore_area,
	.set_client_capabilities = spice_screen_ignore_capabilities,
	.client_monitors_config = spice_screen_client_monitors,
};

/* From the surfaces to the worker. */

static void
spice_screen_draw(struct spice_screen *self, uint32_t head, const struct damage_rect *rect)
{
	const struct damage_rect place = { rect->x + self->shown.list[head].x, rect->y, rect->width,
					   rect->height };
	uint8_t *pixels;
	struct qxl_command *command = qxl_command_new_draw(&place, self->image_number++, &pixels);

	if (surface_copy_rect(self->surfaces[head], self->generations[head], rect, pixels) == 0)
		qxl_queue_push(self->queue, QXL_QUEUE_DRAW, command);
	else /* the size has changed meanwhile: the new picture is damaged as a whole */
		g_free(command);
}

static void
spice_screen_draw_head(struct spice_screen *self, uint32_t head)
{
	const struct head *shown = &self->shown.list[head];
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	size_t count;

	if (shown->width == 0)
		return;
	count = surface_take_damage(self->surfaces[head], SURFACE_READER_SPICE,
				    self->generations[head], rects);
	if (self->redraw) {
		rects[0] = (struct damage_rect){ 0, 0, shown->width, shown->height };
		count = 1;
	}
	for (size_t i = 0; i < count; i++)
		spice_screen_draw(self, head, &rects[i]);
}

/* The pointer is on one head; at their border on two, and it stays with the one where it was. */
static uint32_t
spice_screen_find_cursor(struct spice_screen *self)
{
	struct surface_cursor cursor;

	for (uint32_t i = 0; i < HEADS_MAX; i++) {
		uint32_t head = (self->cursor_head + i) % HEADS_MAX;

		surface_copy_cursor(self->surfaces[head], UINT64_MAX, &cursor);
		if (cursor.visible && self->shown.list[head].width > 0)
			return head;
	}
	return self->cursor_head;
}

static void
spice_screen_refresh_cursor(struct spice_screen *self)
{
	struct surface_cursor cursor;
	uint32_t head;

	if (!qxl_queue_is_empty(self->queue, QXL_QUEUE_CURSOR))
		return;
	head = spice_screen_find_cursor(self);
	if (head != self->cursor_head)
		self->cursor_shape = 0;
	self->cursor_head = head;
	surface_copy_cursor(self->surfaces[head], self->cursor_shape, &cursor);
	cursor.x += (int32_t)self->shown.list[head].x;
	if (cursor.argb)
		qxl_queue_push(self->queue, QXL_QUEUE_CURSOR, qxl_command_new_shape(&cursor));
	else if (cursor.position != self->cursor_position && cursor.shape > 0)
		qxl_queue_push(self->queue, QXL_QUEUE_CURSOR, qxl_command_new_move(&cursor));
	self->cursor_shape = cursor.shape;
	self->cursor_position = cursor.position;
	g_free(cursor.argb);
}

static const char *const primary_names[] = { "none", "shown", "destroying" };

static_assert(G_N_ELEMENTS(primary_names) == PRIMARY_STATE_COUNT, "a name a state");

static void
spice_screen_move_primary(struct spice_screen *self, enum primary_state state)
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

/* The worker does this after what it was asked for before. */
static void
spice_screen_tell_monitors(struct spice_screen *self)
{
	self->monitors->count = 0;
	self->monitors->max_allowed = (uint16_t)self->n_heads;
	for (uint32_t i = 0; i < self->n_heads; i++) {
		const struct head *head = &self->shown.list[i];

		if (head->width > 0)
			self->monitors->heads[self->monitors->count++] = (QXLHead){
				.id = i, .width = head->width, .height = head->height, .x = head->x
			};
	}
	spice_qxl_monitors_config_async(&self->qxl, (uintptr_t)self->monitors, 0, COOKIE_MONITORS);
}

static void
spice_screen_create_primary(struct spice_screen *self, const struct heads *heads,
			    const uint64_t generations[HEADS_MAX])
{
	QXLDevSurfaceCreate create = {
		.width = heads->width,
		.height = heads->height,
		.stride = -(int32_t)(heads->width * QXL_COMMAND_PIXEL_BYTES),
		.format = SPICE_SURFACE_FMT_32_xRGB,
		.mouse_mode = 1, /* without it the client's absolute pointer is not allowed */
	};

	self->primary = g_malloc0((size_t)heads->width * heads->height * QXL_COMMAND_PIXEL_BYTES);
	create.mem = (uintptr_t)self->primary;
	self->shown = *heads;
	memcpy(self->generations, generations, sizeof(self->generations));
	self->redraw = true;
	spice_input_set_heads(self->input, heads);
	spice_qxl_create_primary_surface(&self->qxl, 0, &create);
	spice_screen_move_primary(self, PRIMARY_STATE_SHOWN);
	if (self->n_heads > 1)
		spice_screen_tell_monitors(self);
	/* Creating it resets the worker's cursor. */
	self->cursor_shape = 0;
	self->events->size_shown(self->context, self->shown.width, self->shown.height);
}

static void
spice_screen_destroy_primary(struct spice_screen *self)
{
	self->quiet_refreshes = 0;
	spice_screen_move_primary(self, PRIMARY_STATE_DESTROYING);
	spice_qxl_destroy_primary_surface_async(&self->qxl, 0, COOKIE_PRIMARY);
}

static void
spice_screen_finish_destroying(struct spice_screen *self)
{
	spice_screen_move_primary(self, PRIMARY_STATE_NONE);
	g_clear_pointer(&self->primary, g_free);
}

/*
 * Nothing was on its way to the client for some refreshes. A worker that is in the middle of a message to a client that
 * does not read waits 30 s before it destroys a surface, whatever becomes of that client: it must not be asked then.
 */
static bool
spice_screen_is_quiet(struct spice_screen *self)
{
	bool quiet = self->events->backlog(self->context) == 0 &&
		     qxl_queue_is_empty(self->queue, QXL_QUEUE_DRAW);

	self->quiet_refreshes = quiet ? self->quiet_refreshes + 1 : 0;
	if (self->quiet_refreshes >= QUIET_REFRESHES)
		return true;
	qxl_queue_want_refresh(self->queue);
	return false;
}

static void
spice_screen_look(struct spice_screen *self, struct heads *ret_heads,
		  uint64_t ret_generations[HEADS_MAX])
{
	for (uint32_t i = 0; i < HEADS_MAX; i++) {
		struct surface_info info = surface_get_info(self->surfaces[i]);

		ret_heads->list[i].width = info.width;
		ret_heads->list[i].height = info.height;
		ret_generations[i] = info.generation;
	}
	heads_place(ret_heads);
}

/* True when the worker shows surfaces of these sizes; else it is on the way there, and a refresh follows. */
static bool
spice_screen_follow_size(struct spice_screen *self)
{
	uint64_t generations[HEADS_MAX];
	struct heads heads;

	if (g_atomic_int_compare_and_exchange(&self->primary_done, 1, 0))
		spice_screen_finish_destroying(self);
	spice_screen_look(self, &heads, generations);
	if (heads.list[0].width == 0)
		return false;
	if (self->primary_state == PRIMARY_STATE_SHOWN &&
	    memcmp(generations, self->generations, sizeof(generations)) != 0) {
		qxl_queue_drop(self->queue, QXL_QUEUE_DRAW);
		if (spice_screen_is_quiet(self))
			spice_screen_destroy_primary(self);
		return false;
	}
	if (self->primary_state == PRIMARY_STATE_NONE)
		spice_screen_create_primary(self, &heads, generations);
	return self->primary_state == PRIMARY_STATE_SHOWN;
}

/* False: not now; something will call for the next refresh. */
static bool
spice_screen_has_room(struct spice_screen *self)
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
spice_screen_handle_refresh(void *context)
{
	struct spice_screen *self = context;

	spice_input_follow_leds(self->input);
	if (!spice_screen_follow_size(self))
		return;
	spice_screen_refresh_cursor(self);
	if (spice_screen_has_room(self)) {
		for (uint32_t i = 0; i < HEADS_MAX; i++)
			spice_screen_draw_head(self, i);
		self->redraw = false;
	}
	spice_qxl_wakeup(&self->qxl);
}

void
spice_screen_refresh(struct spice_screen *self)
{
	qxl_queue_want_refresh(self->queue);
}

/* Set-up and end. */

void
spice_screen_set_device(struct spice_screen *self, const char *device_address, uint32_t n_heads)
{
	self->n_heads = n_heads;
	if (device_address[0] != '\0')
		spice_qxl_set_device_info(&self->qxl, device_address, 0, n_heads);
}

struct spice_screen *
spice_screen_new(SpiceServer *server, struct surface *const *surfaces, struct spice_input *input,
		 const struct sink_events *events, void *context)
{
	QXLDevMemSlot all_memory = { .virt_end = ~(uintptr_t)0 };
	struct spice_screen *self = g_new0(struct spice_screen, 1);

	memcpy(self->surfaces, surfaces, sizeof(self->surfaces));
	self->n_heads = 1;
	self->monitors = g_malloc0(sizeof(QXLMonitorsConfig) + HEADS_MAX * sizeof(QXLHead));
	self->input = input;
	self->events = events;
	self->context = context;
	self->qxl.base.sif = &qxl_interface.base;
	self->queue = qxl_queue_new(spice_screen_handle_refresh, self);
	if (spice_server_add_interface(server, &self->qxl.base) != 0) {
		spice_screen_free(self);
		return NULL;
	}
	/* Commands carry plain addresses of this process: all of them are ours. */
	spice_qxl_add_memslot(&self->qxl, &all_memory);
	return self;
}

void
spice_screen_stop(struct spice_screen *self)
{
	if (self->primary_state == PRIMARY_STATE_SHOWN)
		spice_qxl_destroy_primary_surface(&self->qxl, 0);
}

void
spice_screen_free(struct spice_screen *self)
{
	if (!self)
		return;
	qxl_queue_free(self->queue);
	g_free(self->primary);
	g_free(self->monitors);
	g_free(self);
}
