/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source_qemu.c - a source over QEMU's D-Bus display (carrel-display)
 *
 * How it works: QEMU authenticates a listener synchronously in its main loop and queues updates without bound, so
 * nothing here may ever make it wait. A thread of this source's own runs source_qemu_run(): it authenticates the
 * control connection, registers the listener on a fresh socket pair, authenticates that at once, and then serves its
 * own GMainContext for property changes and closed connections. Pixels take no queue at all: source_qemu_filter()
 * sees each message in GDBus' reading thread, lets qemu_display.c write it into the surface, which coalesces, and drops
 * it. Input goes
 * the other way from the main thread as asynchronous calls; when QEMU does not answer, pointer positions are
 * skipped first (the last one is sent when an answer comes), everything else beyond SOURCE_MAX_CALLS.
 *
 * QEMU 7.2 sends a Scanout only with the first update of a whole screen. After a mode change that is drawn piece by
 * piece (a BIOS in text mode) updates would not fit: source_qemu_handle_check() then registers a fresh listener, which
 * begins with a whole one.
 */
#include "display/source_qemu.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "display/qemu_display.h"
#include "display/surface.h"

#define CONSOLE_PATH	     "/org/qemu/Display1/Console_0"
#define CONSOLE_INTERFACE    "org.qemu.Display1.Console"
#define KEYBOARD_INTERFACE   "org.qemu.Display1.Keyboard"
#define MOUSE_INTERFACE	     "org.qemu.Display1.Mouse"
#define LISTENER_INTERFACE   "org.qemu.Display1.Listener"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

#define CHECK_DELAY_MS	     100 /* a Scanout usually follows a change of size by itself */
#define SETUP_TIMEOUT_MS     5000
#define SOURCE_MAX_REPLACED  8
#define SOURCE_MAX_CALLS     256 /* unanswered input calls */
#define SOURCE_MAX_POSITIONS 4	 /* of these, pointer positions */

struct source_qemu {
	struct source source;
	struct surface *surface;
	const struct source_events *events;
	void *context;
	int fd;
	GThread *thread;
	GMainContext *thread_context;
	GMainLoop *thread_loop;
	GCancellable *cancel;
	GDBusConnection *control; /* set by the thread, used by the main thread after ready() */
	GDBusConnection *listener;
	GQueue replaced;       /* the thread's: GDBusConnection, former listeners */
	gint misfit;	       /* atomic: an update did not fit the picture */
	guint32 console_width; /* the thread's: what QEMU says the console is */
	guint32 console_height;
	GSource *check;	 /* the thread's: compare soon */
	GSource *report; /* the thread's one message to the main thread */
	GMutex lock;
	char address[SOURCE_ADDRESS_SIZE];
	char *why;
	unsigned int n_calls;
	unsigned int n_positions;
	bool position_waits;
	uint32_t position_x;
	uint32_t position_y;
	bool ready;
};

static void source_qemu_want_check(struct source_qemu *self);

/* A call of QEMU's, in GDBus' reading thread. */
static int
source_qemu_take_call(struct source_qemu *self, GDBusMessage *message)
{
	const char *member = g_dbus_message_get_member(message);
	int error = qemu_display_call(self->surface, member, g_dbus_message_get_body(message));

	if (error == 0 && g_strcmp0(member, "Scanout") == 0)
		g_atomic_int_set(&self->misfit, 0);
	else if (error == -ERANGE && g_atomic_int_compare_and_exchange(&self->misfit, 0, 1))
		source_qemu_want_check(self);
	return error;
}

/* Runs in GDBus' reading thread. Calls end here; the rest (answers to our own calls) goes on. */
static GDBusMessage *
source_qemu_filter(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
		   gpointer user_data)
{
	struct source_qemu *self = user_data;
	g_autoptr(GDBusMessage) answer = NULL;
	int error;

	if (!incoming ||
	    g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL ||
	    g_strcmp0(g_dbus_message_get_interface(message), LISTENER_INTERFACE) != 0)
		return message;
	error = source_qemu_take_call(self, message);
	if (error < 0)
		log_debug("QEMU's display call '%s' ignored: %s",
			  g_dbus_message_get_member(message), g_strerror(-error));
	if (!(g_dbus_message_get_flags(message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)) {
		answer = error < 0
				 ? g_dbus_message_new_method_error(message,
								   "org.qemu.Display1.Error.Failed",
								   "%s", g_strerror(-error))
				 : g_dbus_message_new_method_reply(message);
		g_dbus_connection_send_message(connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
					       NULL, NULL);
	}
	g_object_unref(message);
	return NULL;
}

static gboolean
source_qemu_handle_report(gpointer user_data)
{
	struct source_qemu *self = user_data;
	bool lost;

	g_mutex_lock(&self->lock);
	g_clear_pointer(&self->report, g_source_unref);
	lost = self->why != NULL;
	g_mutex_unlock(&self->lock);
	if (!self->ready && self->listener) {
		self->ready = true;
		self->events->ready(self->context, self->address, 1);
	}
	if (lost)
		self->events->lost(self->context, self->why);
	return G_SOURCE_REMOVE;
}

/* Tells the main thread what is new: ready, or lost when "why" is given. */
static void
source_qemu_report(struct source_qemu *self, const char *why)
{
	g_mutex_lock(&self->lock);
	if (why && !self->why)
		self->why = g_strdup(why);
	if (!self->report) {
		self->report = g_idle_source_new();
		g_source_set_priority(self->report, G_PRIORITY_DEFAULT);
		g_source_set_callback(self->report, source_qemu_handle_report, self, NULL);
		g_source_attach(self->report, NULL);
	}
	g_mutex_unlock(&self->lock);
}

static GDBusConnection *
source_qemu_connect(struct source_qemu *self, int fd, GDBusConnectionFlags flags, GError **error)
{
	g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, error);
	g_autoptr(GSocketConnection) stream = NULL;

	if (!socket) {
		close(fd);
		return NULL;
	}
	stream = g_socket_connection_factory_create_connection(socket);
	/*
	 * "Cross namespace" names no uid: QEMU's side compares it with the maker of the socket pair, which is hostd and
	 * not us. g_dbus_connection_new_sync() of GLib 2.74 does not know that flag yet; the property does.
	 */
	return g_initable_new(G_TYPE_DBUS_CONNECTION, self->cancel, error, "stream", stream,
			      "flags",
			      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
				      G_DBUS_CONNECTION_FLAGS_CROSS_NAMESPACE | flags,
			      NULL);
}

static GVariant *
source_qemu_get_property(struct source_qemu *self, const char *interface, const char *name)
{
	g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
		self->control, NULL, CONSOLE_PATH, PROPERTIES_INTERFACE, "Get",
		g_variant_new("(ss)", interface, name), G_VARIANT_TYPE("(v)"),
		G_DBUS_CALL_FLAGS_NONE, SETUP_TIMEOUT_MS, self->cancel, NULL);
	GVariant *value = NULL;

	if (answer)
		g_variant_get(answer, "(v)", &value);
	return value;
}

static void
source_qemu_read_properties(struct source_qemu *self)
{
	g_autoptr(GVariant) address =
		source_qemu_get_property(self, CONSOLE_INTERFACE, "DeviceAddress");
	g_autoptr(GVariant) leds = source_qemu_get_property(self, KEYBOARD_INTERFACE, "Modifiers");

	if (address && g_variant_is_of_type(address, G_VARIANT_TYPE_STRING))
		g_strlcpy(self->address, g_variant_get_string(address, NULL),
			  sizeof(self->address));
	if (leds && g_variant_is_of_type(leds, G_VARIANT_TYPE_UINT32))
		surface_set_leds(self->surface, (uint8_t)g_variant_get_uint32(leds));
}

static void
source_qemu_handle_properties(GDBusConnection *connection G_GNUC_UNUSED,
			      const char *sender G_GNUC_UNUSED, const char *path G_GNUC_UNUSED,
			      const char *interface G_GNUC_UNUSED,
			      const char *signal_name G_GNUC_UNUSED, GVariant *body,
			      gpointer user_data)
{
	struct source_qemu *self = user_data;
	g_autoptr(GVariant) changed = NULL;
	guint32 leds;

	if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(sa{sv}as)")))
		return;
	changed = g_variant_get_child_value(body, 1);
	if (g_variant_lookup(changed, "Modifiers", "u", &leds))
		surface_set_leds(self->surface, (uint8_t)leds);
	if (g_variant_lookup(changed, "Width", "u", &self->console_width) |
	    g_variant_lookup(changed, "Height", "u", &self->console_height))
		source_qemu_want_check(self);
}

static void
source_qemu_handle_closed(GDBusConnection *connection G_GNUC_UNUSED, gboolean by_peer G_GNUC_UNUSED,
			  GError *error G_GNUC_UNUSED, gpointer user_data)
{
	struct source_qemu *self = user_data;

	g_main_loop_quit(self->thread_loop);
}

static void
source_qemu_close_connection(GDBusConnection **connection, struct source_qemu *self)
{
	if (!*connection)
		return;
	g_signal_handlers_disconnect_by_data(*connection, self);
	g_dbus_connection_close_sync(*connection, NULL, NULL);
	g_clear_object(connection);
}

/*
 * The former listener stays open for a while: QEMU 7.2 takes the end of one that it has just replaced for the end of
 * the new one.
 */
static void
source_qemu_set_aside(struct source_qemu *self)
{
	GDBusConnection *oldest;

	if (!self->listener)
		return;
	g_signal_handlers_disconnect_by_data(self->listener, self);
	g_queue_push_tail(&self->replaced, g_steal_pointer(&self->listener));
	if (self->replaced.length <= SOURCE_MAX_REPLACED)
		return;
	oldest = g_queue_pop_head(&self->replaced);
	source_qemu_close_connection(&oldest, self);
}

static gboolean
source_qemu_register(struct source_qemu *self, GError **error)
{
	g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
	g_autoptr(GVariant) answer = NULL;
	GDBusConnection *made;
	int pair[2];
	int failed = io_socketpair(SOCK_STREAM, pair);

	if (failed < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no socket pair: %s",
			    g_strerror(-failed));
		return FALSE;
	}
	if (g_unix_fd_list_append(list, pair[1], error) >= 0)
		answer = g_dbus_connection_call_with_unix_fd_list_sync(
			self->control, NULL, CONSOLE_PATH, CONSOLE_INTERFACE, "RegisterListener",
			g_variant_new("(h)", 0), NULL, G_DBUS_CALL_FLAGS_NONE, SETUP_TIMEOUT_MS,
			list, NULL, self->cancel, error);
	close(pair[1]);
	if (!answer) {
		close(pair[0]);
		return FALSE;
	}
	made = source_qemu_connect(self, pair[0], G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
				   error);
	if (!made)
		return FALSE;
	source_qemu_set_aside(self);
	self->listener = made;
	g_signal_connect(made, "closed", G_CALLBACK(source_qemu_handle_closed), self);
	g_dbus_connection_add_filter(made, source_qemu_filter, self, NULL);
	g_dbus_connection_start_message_processing(made);
	return TRUE;
}

static gboolean
source_qemu_handle_check(gpointer user_data)
{
	struct source_qemu *self = user_data;
	struct surface_info info = surface_get_info(self->surface);
	g_autoptr(GError) error = NULL;

	g_mutex_lock(&self->lock);
	g_clear_pointer(&self->check, g_source_unref);
	g_mutex_unlock(&self->lock);
	if (!g_atomic_int_get(&self->misfit) &&
	    (self->console_width == 0 || self->console_width == info.width) &&
	    (self->console_height == 0 || self->console_height == info.height))
		return G_SOURCE_REMOVE;
	g_atomic_int_set(&self->misfit, 0);
	if (!source_qemu_register(self, &error)) {
		log_warning("QEMU's display took no new listener: %s", error->message);
		g_main_loop_quit(self->thread_loop);
	}
	return G_SOURCE_REMOVE;
}

/* Any thread. */
static void
source_qemu_want_check(struct source_qemu *self)
{
	g_mutex_lock(&self->lock);
	if (!self->check) {
		self->check = g_timeout_source_new(CHECK_DELAY_MS);
		g_source_set_callback(self->check, source_qemu_handle_check, self, NULL);
		g_source_attach(self->check, self->thread_context);
	}
	g_mutex_unlock(&self->lock);
}

static gboolean
source_qemu_set_up(struct source_qemu *self, GError **error)
{
	self->control =
		source_qemu_connect(self, take_fd(&self->fd), G_DBUS_CONNECTION_FLAGS_NONE, error);
	if (!self->control)
		return FALSE;
	g_signal_connect(self->control, "closed", G_CALLBACK(source_qemu_handle_closed), self);
	g_dbus_connection_signal_subscribe(
		self->control, NULL, PROPERTIES_INTERFACE, "PropertiesChanged", CONSOLE_PATH, NULL,
		G_DBUS_SIGNAL_FLAGS_NONE, source_qemu_handle_properties, self, NULL);
	source_qemu_read_properties(self);
	return source_qemu_register(self, error);
}

static gpointer
source_qemu_run(gpointer data)
{
	struct source_qemu *self = data;
	g_autoptr(GError) error = NULL;

	g_main_context_push_thread_default(self->thread_context);
	if (source_qemu_set_up(self, &error)) {
		source_qemu_report(self, NULL);
		g_main_loop_run(self->thread_loop);
	}
	source_qemu_report(self, error ? error->message : "QEMU closed its display connection");
	g_main_context_pop_thread_default(self->thread_context);
	return NULL;
}

static void source_qemu_send_position(struct source *source, uint32_t head, uint32_t x, uint32_t y);

/* An answer's user data is the source; "n_positions" tells pointer positions by their own callback. */
static void
source_qemu_finish_call(struct source_qemu *self, GObject *connection, GAsyncResult *result,
			bool position)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) answer =
		g_dbus_connection_call_finish(G_DBUS_CONNECTION(connection), result, &error);

	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return; /* the source is gone */
	self->n_calls--;
	if (!position)
		return;
	self->n_positions--;
	if (self->position_waits) {
		self->position_waits = false;
		source_qemu_send_position(&self->source, 0, self->position_x, self->position_y);
	}
}

static void
source_qemu_handle_called(GObject *connection, GAsyncResult *result, gpointer user_data)
{
	source_qemu_finish_call(user_data, connection, result, false);
}

static void
source_qemu_handle_positioned(GObject *connection, GAsyncResult *result, gpointer user_data)
{
	source_qemu_finish_call(user_data, connection, result, true);
}

static void
source_qemu_call(struct source_qemu *self, const char *interface, const char *method,
		 GVariant *body, GAsyncReadyCallback done)
{
	g_autoptr(GVariant) arguments = g_variant_ref_sink(body);

	if (!self->ready || self->n_calls >= SOURCE_MAX_CALLS)
		return;
	self->n_calls++;
	g_dbus_connection_call(self->control, NULL, CONSOLE_PATH, interface, method, arguments,
			       NULL, G_DBUS_CALL_FLAGS_NONE, -1, self->cancel, done, self);
}

static void
source_qemu_send_key(struct source *source, uint32_t qnum, bool down)
{
	source_qemu_call((struct source_qemu *)source, KEYBOARD_INTERFACE,
			 down ? "Press" : "Release", g_variant_new("(u)", qnum),
			 source_qemu_handle_called);
}

static void
source_qemu_send_position(struct source *source, uint32_t head G_GNUC_UNUSED, uint32_t x,
			  uint32_t y)
{
	struct source_qemu *self = (struct source_qemu *)source;

	if (!self->ready)
		return;
	if (self->n_positions >= SOURCE_MAX_POSITIONS || self->n_calls >= SOURCE_MAX_CALLS) {
		self->position_waits = self->n_positions > 0;
		self->position_x = x;
		self->position_y = y;
		return;
	}
	self->n_positions++;
	source_qemu_call(self, MOUSE_INTERFACE, "SetAbsPosition", g_variant_new("(uu)", x, y),
			 source_qemu_handle_positioned);
}

static void
source_qemu_send_button(struct source *source, enum source_button button, bool down)
{
	struct source_qemu *self = (struct source_qemu *)source;

	/* A click belongs where the pointer is now, not where it was some answers ago. */
	if (self->ready && self->position_waits) {
		self->position_waits = false;
		source_qemu_call(self, MOUSE_INTERFACE, "SetAbsPosition",
				 g_variant_new("(uu)", self->position_x, self->position_y),
				 source_qemu_handle_called);
	}
	/* enum source_button counts as QEMU does. */
	source_qemu_call(self, MOUSE_INTERFACE, down ? "Press" : "Release",
			 g_variant_new("(u)", (guint32)button), source_qemu_handle_called);
}

static void
source_qemu_set_size(struct source *source, uint32_t head G_GNUC_UNUSED, uint32_t width,
		     uint32_t height)
{
	/* 96 dots per inch: there is no monitor to measure. */
	guint16 width_mm = (guint16)(width * 254 / 960);
	guint16 height_mm = (guint16)(height * 254 / 960);

	source_qemu_call((struct source_qemu *)source, CONSOLE_INTERFACE, "SetUIInfo",
			 g_variant_new("(qqiiuu)", width_mm, height_mm, 0, 0, width, height),
			 source_qemu_handle_called);
}

static void
source_qemu_free(struct source *source)
{
	struct source_qemu *self = (struct source_qemu *)source;

	g_cancellable_cancel(self->cancel);
	g_main_loop_quit(self->thread_loop);
	g_thread_join(self->thread);
	/* Closing waits for the reading thread, so no filter runs behind it. */
	source_qemu_close_connection(&self->listener, self);
	source_qemu_close_connection(&self->control, self);
	for (GDBusConnection *old; (old = g_queue_pop_head(&self->replaced));)
		source_qemu_close_connection(&old, self);
	if (self->check) {
		g_source_destroy(self->check);
		g_source_unref(self->check);
	}
	if (self->report) {
		g_source_destroy(self->report);
		g_source_unref(self->report);
	}
	g_object_unref(self->cancel);
	g_main_loop_unref(self->thread_loop);
	g_main_context_unref(self->thread_context);
	g_mutex_clear(&self->lock);
	if (self->fd >= 0)
		close(self->fd);
	g_free(self->why);
	g_free(self);
}

static const struct source_ops source_qemu_ops = {
	.send_key = source_qemu_send_key,
	.send_position = source_qemu_send_position,
	.send_button = source_qemu_send_button,
	.set_size = source_qemu_set_size,
	.free = source_qemu_free,
};

struct source *
source_qemu_new(int fd, struct surface *const *surfaces, const struct source_events *events,
		void *context)
{
	struct source_qemu *self = g_new0(struct source_qemu, 1);

	self->source.ops = &source_qemu_ops;
	self->fd = fd;
	self->surface = surfaces[0];
	self->events = events;
	self->context = context;
	self->cancel = g_cancellable_new();
	self->thread_context = g_main_context_new();
	self->thread_loop = g_main_loop_new(self->thread_context, FALSE);
	g_mutex_init(&self->lock);
	g_queue_init(&self->replaced);
	self->thread = g_thread_new("source-qemu", source_qemu_run, self);
	return &self->source;
}
