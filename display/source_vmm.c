/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source_vmm.c - a source over carrel-vmm's display socket (carrel-display, main thread)
 *
 * How it works: carrel-vmm shares a picture as a memfd, which becomes a surface's pixels as it is: the sink's copy is
 * the only one made here. What carrel-vmm says passes rule_table; its guest may own it, so whatever is wrong ends the
 * source. A DAMAGE is answered when the sink has taken it (source_vmm_note_taken()), so that carrel-vmm copies no
 * more out of its guest's memory than the client gets to see.
 *
 * Each scanout is a head with a surface of its own. The first goes black when the guest shows nothing on it, since a desktop
 * always has a picture; the others are off then.
 */
#include "display/source_vmm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "common/seq_source.h"
#include "display/heads.h"
#include "display/surface.h"

#define PIXEL_BYTES 4
#define SEALS	    (F_SEAL_SHRINK | F_SEAL_GROW)

static_assert(SOURCE_MAX_SCANOUTS <= HEADS_MAX, "a head a scanout");

/* NEW -> READY: it has greeted; any -> LOST: nothing more comes. */
enum source_vmm_state {
	SOURCE_VMM_STATE_NEW,
	SOURCE_VMM_STATE_READY,
	SOURCE_VMM_STATE_LOST,
};

#define IN_NEW	 (1U << SOURCE_VMM_STATE_NEW)
#define IN_READY (1U << SOURCE_VMM_STATE_READY)

struct source_vmm_head {
	struct source_vmm *source;
	uint32_t scanout;
	struct surface *surface;
	uint64_t generation; /* of what it shows */
	bool damage_out;     /* a DAMAGE was not answered yet */
	GSource *taken;	     /* due when the sink has taken damage */
};

struct source_vmm {
	struct source source;
	struct source_vmm_head heads[HEADS_MAX];
	const struct source_events *events;
	void *context;
	enum source_vmm_state state;
	struct seq_source *link; /* NULL when it is lost */
	uint32_t n_scanouts;
	struct source_pointer pointer;
	bool plays; /* the guest */
	bool records;
	bool speaks; /* a client, as carrel-vmm was told */
};

static void
source_vmm_send(struct source_vmm *self, enum source_type type, const void *payload, size_t bytes)
{
	struct seq_header head = { .type = type, .size = (uint32_t)bytes };

	/* A queue that is full drops it: nobody waits for a VMM that stands still. */
	if (self->state == SOURCE_VMM_STATE_READY)
		seq_source_send(self->link, &head, payload, NULL, 0);
}

static void
source_vmm_answer(struct source_vmm_head *head, enum source_type type)
{
	struct source_ack ack = { .scanout = head->scanout, .generation = head->generation };

	source_vmm_send(head->source, type, &ack, sizeof(ack));
}

/* In the reader's thread, under the surface's lock. */
static void
source_vmm_note_taken(void *context)
{
	struct source_vmm_head *head = context;

	g_source_set_ready_time(head->taken, 0);
}

static gboolean
source_vmm_handle_taken(gpointer user_data)
{
	struct source_vmm_head *head = user_data;

	g_source_set_ready_time(head->taken, -1);
	if (head->damage_out) {
		head->damage_out = false;
		source_vmm_answer(head, SOURCE_DRAWN);
	}
	return G_SOURCE_CONTINUE;
}

static gboolean
source_vmm_dispatch_taken(GSource *source G_GNUC_UNUSED, GSourceFunc callback, gpointer user_data)
{
	return callback(user_data);
}

static GSourceFuncs taken_functions = { .dispatch = source_vmm_dispatch_taken };

/* What carrel-vmm says. */

static int
source_vmm_handle_hello(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_hello hello;

	memcpy(&hello, message->payload, sizeof(hello));
	if (hello.version != SOURCE_PROTOCOL_VERSION || hello.n_scanouts == 0 ||
	    hello.n_scanouts > SOURCE_MAX_SCANOUTS ||
	    !seq_text_ok(hello.device_address, sizeof(hello.device_address)))
		return -EPROTO;
	self->n_scanouts = hello.n_scanouts;
	self->state = SOURCE_VMM_STATE_READY;
	self->events->ready(self->context, hello.device_address, hello.n_scanouts);
	return 0;
}

/* Only a file that can never become shorter than what is mapped, and whose pages are ordinary ones: no SIGBUS. */
static int
source_vmm_check_file(int fd, uint64_t bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat status;
	struct statfs system;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EPERM;
	if (fstat(fd, &status) < 0 || fstatfs(fd, &system) < 0)
		return -errno;
	if (system.f_type != TMPFS_MAGIC || status.st_size < 0 || (uint64_t)status.st_size < bytes)
		return -EINVAL;
	return 0;
}

static int
source_vmm_show(struct source_vmm_head *head, const struct source_scanout *scanout, int fd)
{
	uint64_t bytes = (uint64_t)scanout->stride * scanout->height;
	struct surface_pixels pixels = { .stride = scanout->stride,
					 .format = SURFACE_FORMAT_X8R8G8B8 };
	void *mapped;
	int error;

	if (scanout->width > SOURCE_MAX_WIDTH || scanout->height > SOURCE_MAX_HEIGHT ||
	    scanout->stride > SOURCE_MAX_WIDTH * PIXEL_BYTES || bytes == 0)
		return -EPROTO;
	error = source_vmm_check_file(fd, bytes);
	if (error < 0)
		return error;
	mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	pixels.data = mapped;
	pixels.size = bytes;
	error = surface_set_shared(head->surface, scanout->width, scanout->height, &pixels);
	if (error < 0)
		munmap(mapped, bytes);
	return error;
}

static int
source_vmm_handle_scanout(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_scanout scanout;
	struct source_vmm_head *head;
	int error = 0;

	memcpy(&scanout, message->payload, sizeof(scanout));
	if (scanout.scanout >= self->n_scanouts)
		return -EPROTO;
	head = &self->heads[scanout.scanout];
	if (scanout.generation <= head->generation)
		return -EPROTO;
	if (message->n_fds > 0)
		error = source_vmm_show(head, &scanout, message->fds[0]);
	else if (scanout.scanout == 0)
		surface_set_black(head->surface);
	else
		surface_set_off(head->surface);
	if (error < 0)
		return error;
	head->generation = scanout.generation;
	head->damage_out = false;
	source_vmm_answer(head, SOURCE_ACK);
	return 0;
}

static int
source_vmm_handle_damage(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_vmm_head *head;
	struct source_damage damage;

	memcpy(&damage, message->payload, sizeof(damage));
	if (damage.scanout >= self->n_scanouts)
		return -EPROTO;
	head = &self->heads[damage.scanout];
	if (damage.generation != head->generation || head->damage_out || damage.n_boxes == 0 ||
	    damage.n_boxes > SOURCE_MAX_RECTS)
		return -EPROTO;
	/* What was taken before does not answer this one. */
	g_source_set_ready_time(head->taken, -1);
	head->damage_out = true;
	for (uint32_t i = 0; i < damage.n_boxes; i++) {
		const struct source_box *box = &damage.boxes[i];
		const struct damage_rect rect = { box->x, box->y, box->width, box->height };
		int error = surface_mark_rect(head->surface, &rect);

		if (error < 0)
			return error;
	}
	return 0;
}

static int
source_vmm_handle_cursor(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_cursor cursor;
	struct surface_pixels pixels = { .format = SURFACE_FORMAT_A8R8G8B8 };
	struct surface *surface;
	int error = 0;

	memcpy(&cursor, message->payload, sizeof(cursor));
	if (cursor.scanout >= self->n_scanouts || cursor.width > SOURCE_MAX_CURSOR ||
	    cursor.height > SOURCE_MAX_CURSOR)
		return -EPROTO;
	pixels.stride = cursor.width * PIXEL_BYTES;
	pixels.data = message->payload + sizeof(cursor);
	pixels.size = (size_t)pixels.stride * cursor.height;
	if (message->head.size != sizeof(cursor) + pixels.size)
		return -EPROTO;
	surface = self->heads[cursor.scanout].surface;
	if (cursor.width > 0)
		error = surface_set_cursor(surface, cursor.width, cursor.height, cursor.hot_x,
					   cursor.hot_y, &pixels);
	if (error == 0)
		surface_move_cursor(surface, cursor.x, cursor.y,
				    cursor.width > 0 && cursor.visible);
	return error;
}

static int
source_vmm_handle_move(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_move move;

	memcpy(&move, message->payload, sizeof(move));
	if (move.scanout >= self->n_scanouts)
		return -EPROTO;
	surface_move_cursor(self->heads[move.scanout].surface, move.x, move.y, move.visible);
	return 0;
}

static int
source_vmm_handle_leds(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_leds leds;

	memcpy(&leds, message->payload, sizeof(leds));
	surface_set_leds(self->heads[0].surface, (uint8_t)leds.leds);
	return 0;
}

static int
source_vmm_handle_sound(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	struct source_sound sound;

	memcpy(&sound, message->payload, sizeof(sound));
	if (sound.plays > 1 || sound.records > 1)
		return -EPROTO;
	self->plays = sound.plays;
	self->records = sound.records;
	self->events->sound(self->context, sound.plays, sound.records);
	return 0;
}

/* Answered at once: a client that does not take it in time loses it in the sink. */
static int
source_vmm_handle_played(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	uint32_t bytes = message->head.size;

	if (!self->plays || bytes % SOURCE_FRAME_BYTES != 0)
		return -EPROTO;
	self->events->played(self->context, message->payload, bytes / SOURCE_FRAME_BYTES);
	source_vmm_send(self, SOURCE_HEARD, NULL, 0);
	return 0;
}

static const struct seq_rule rule_table[] = {
	{ SOURCE_HELLO, sizeof(struct source_hello), sizeof(struct source_hello), 0, 0, IN_NEW,
	  source_vmm_handle_hello },
	{ SOURCE_SCANOUT, sizeof(struct source_scanout), sizeof(struct source_scanout), 0, 1,
	  IN_READY, source_vmm_handle_scanout },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), sizeof(struct source_damage), 0, 0, IN_READY,
	  source_vmm_handle_damage },
	{ SOURCE_CURSOR, sizeof(struct source_cursor),
	  sizeof(struct source_cursor) + SOURCE_MAX_CURSOR *SOURCE_MAX_CURSOR *PIXEL_BYTES, 0, 0,
	  IN_READY, source_vmm_handle_cursor },
	{ SOURCE_MOVE, sizeof(struct source_move), sizeof(struct source_move), 0, 0, IN_READY,
	  source_vmm_handle_move },
	{ SOURCE_LEDS, sizeof(struct source_leds), sizeof(struct source_leds), 0, 0, IN_READY,
	  source_vmm_handle_leds },
	{ SOURCE_SOUND, sizeof(struct source_sound), sizeof(struct source_sound), 0, 0, IN_READY,
	  source_vmm_handle_sound },
	{ SOURCE_PLAYED, SOURCE_FRAME_BYTES, SOURCE_MAX_FRAMES *SOURCE_FRAME_BYTES, 0, 0, IN_READY,
	  source_vmm_handle_played },
};

static void
source_vmm_handle_message(void *context, struct seq_message *message)
{
	struct source_vmm *self = context;
	int error = -EPIPE;

	if (message)
		error = seq_dispatch(rule_table, G_N_ELEMENTS(rule_table), self->state, self,
				     message);
	if (error >= 0)
		return;
	self->state = SOURCE_VMM_STATE_LOST;
	seq_source_free(g_steal_pointer(&self->link));
	self->events->lost(self->context, message ? "carrel-vmm broke the protocol"
						  : "carrel-vmm closed its display connection");
}

/* What the client does. */

static void
source_vmm_send_key(struct source *source, uint32_t qnum, bool down)
{
	struct source_key key = { qnum, down };

	if (qnum <= SOURCE_MAX_QNUM)
		source_vmm_send((struct source_vmm *)source, SOURCE_KEY, &key, sizeof(key));
}

static void
source_vmm_send_position(struct source *source, uint32_t head, uint32_t x, uint32_t y)
{
	struct source_vmm *self = (struct source_vmm *)source;

	if (head >= self->n_scanouts)
		return;
	self->pointer.scanout = head;
	self->pointer.x = x;
	self->pointer.y = y;
	source_vmm_send(self, SOURCE_POINTER, &self->pointer, sizeof(self->pointer));
}

static void
source_vmm_send_button(struct source *source, enum source_button button, bool down)
{
	static const uint32_t bits[SOURCE_BUTTON_COUNT] = {
		[SOURCE_BUTTON_LEFT] = 1 << 0,	[SOURCE_BUTTON_MIDDLE] = 1 << 1,
		[SOURCE_BUTTON_RIGHT] = 1 << 2, [SOURCE_BUTTON_SIDE] = 1 << 3,
		[SOURCE_BUTTON_EXTRA] = 1 << 4,
	};
	struct source_vmm *self = (struct source_vmm *)source;
	struct source_wheel wheel = { .steps = button == SOURCE_BUTTON_WHEEL_UP ? 1 : -1 };

	if (bits[button] == 0) {
		if (down)
			source_vmm_send(self, SOURCE_WHEEL, &wheel, sizeof(wheel));
		return;
	}
	if (down)
		self->pointer.buttons |= bits[button];
	else
		self->pointer.buttons &= ~bits[button];
	source_vmm_send(self, SOURCE_POINTER, &self->pointer, sizeof(self->pointer));
}

static void
source_vmm_set_size(struct source *source, uint32_t head, uint32_t width, uint32_t height)
{
	struct source_vmm *self = (struct source_vmm *)source;
	struct source_size size = { .scanout = head };

	if (head >= self->n_scanouts)
		return;
	if (head == 0 || width > 0) {
		size.width = CLAMP(width, SOURCE_MIN_SIZE, SOURCE_MAX_WIDTH);
		size.height = CLAMP(height, SOURCE_MIN_SIZE, SOURCE_MAX_HEIGHT);
	}
	source_vmm_send(self, SOURCE_SIZE, &size, sizeof(size));
}

static void
source_vmm_listen(struct source *source, bool hears, bool speaks)
{
	struct source_vmm *self = (struct source_vmm *)source;
	struct source_listen listen = { hears, speaks };

	self->speaks = speaks;
	source_vmm_send(self, SOURCE_LISTEN, &listen, sizeof(listen));
}

static void
source_vmm_speak(struct source *source, const void *frames, uint32_t n_frames)
{
	struct source_vmm *self = (struct source_vmm *)source;

	if (self->speaks && self->records && n_frames > 0 && n_frames <= SOURCE_MAX_FRAMES)
		source_vmm_send(self, SOURCE_SPOKEN, frames, (size_t)n_frames * SOURCE_FRAME_BYTES);
}

static void
source_vmm_init_head(struct source_vmm *self, uint32_t scanout, struct surface *surface)
{
	struct source_vmm_head *head = &self->heads[scanout];

	head->source = self;
	head->scanout = scanout;
	head->surface = surface;
	head->taken = g_source_new(&taken_functions, sizeof(GSource));
	g_source_set_static_name(head->taken, "taken");
	g_source_set_callback(head->taken, source_vmm_handle_taken, head, NULL);
	g_source_attach(head->taken, NULL);
	surface_set_taken(surface, source_vmm_note_taken, head);
}

/* A head but the first is off until the next source says otherwise. */
static void
source_vmm_done_head(struct source_vmm_head *head)
{
	surface_set_taken(head->surface, NULL, NULL);
	if (head->scanout > 0)
		surface_set_off(head->surface);
	g_source_destroy(head->taken);
	g_source_unref(head->taken);
}

static void
source_vmm_free(struct source *source)
{
	struct source_vmm *self = (struct source_vmm *)source;

	for (uint32_t i = 0; i < HEADS_MAX; i++)
		source_vmm_done_head(&self->heads[i]);
	seq_source_free(self->link);
	g_free(self);
}

static const struct source_ops source_vmm_ops = {
	.send_key = source_vmm_send_key,
	.send_position = source_vmm_send_position,
	.send_button = source_vmm_send_button,
	.set_size = source_vmm_set_size,
	.listen = source_vmm_listen,
	.speak = source_vmm_speak,
	.free = source_vmm_free,
};

struct source *
source_vmm_new(int fd, struct surface *const *surfaces, const struct source_events *events,
	       void *context)
{
	struct source_vmm *self = g_new0(struct source_vmm, 1);

	self->source.ops = &source_vmm_ops;
	self->events = events;
	self->context = context;
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		source_vmm_init_head(self, i, surfaces[i]);
	self->link = seq_source_new(fd, "vmm", source_vmm_handle_message, self);
	return &self->source;
}
