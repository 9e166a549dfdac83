/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_vnc.c - a sink for VNC clients (carrel-display)
 *
 * How it works: it has one client at a time, whose struct vnc_session works in a thread of its own (vnc_session.c). Here, on the
 * main thread, its events become the sink's; what it holds pressed is released when it goes. While it is there and the
 * sink has the guest's vdagent port, texts go both ways between it and the guest (vdagent_clipboard.c).
 */
#include "display/sink_vnc.h"

#include <errno.h>
#include <glib.h>

#include "display/surface.h"
#include "display/vdagent_clipboard.h"
#include "display/vnc_session.h"

struct sink_vnc {
	struct sink sink;
	char *name;
	struct surface *surface;
	const struct sink_events *events;
	void *context;
	GMutex lock; /* refreshes come from the sources' threads */
	struct vnc_session *session;
	struct vdagent_port *port; /* NULL: another sink has it, or there is none */
	struct vdagent_clipboard *clipboard;
	bool pressed[VNC_SESSION_KEYS];
	uint32_t buttons;
};

/* RFB's buttons, by their bit (RFC 6143 section 7.5.5). */
static const enum source_button button_table[] = {
	SOURCE_BUTTON_LEFT,	SOURCE_BUTTON_MIDDLE,	  SOURCE_BUTTON_RIGHT,
	SOURCE_BUTTON_WHEEL_UP, SOURCE_BUTTON_WHEEL_DOWN,
};

static void
sink_vnc_press(struct sink_vnc *self, uint32_t qnum, bool down)
{
	self->pressed[qnum] = down;
	self->events->key(self->context, qnum, down);
}

static void
sink_vnc_set_buttons(struct sink_vnc *self, uint32_t buttons)
{
	uint32_t changed = buttons ^ self->buttons;

	self->buttons = buttons;
	for (size_t i = 0; i < G_N_ELEMENTS(button_table); i++)
		if (changed & 1U << i)
			self->events->button(self->context, button_table[i], buttons & 1U << i);
}

static void
sink_vnc_end_session(struct sink_vnc *self)
{
	struct vnc_session *session = self->session;

	if (!session)
		return;
	g_mutex_lock(&self->lock);
	self->session = NULL;
	g_mutex_unlock(&self->lock);
	g_clear_pointer(&self->clipboard, vdagent_clipboard_free);
	vnc_session_free(session);
	for (uint32_t qnum = 0; qnum < VNC_SESSION_KEYS; qnum++)
		if (self->pressed[qnum])
			sink_vnc_press(self, qnum, false);
	sink_vnc_set_buttons(self, 0);
}

static void
sink_vnc_set_position(struct sink_vnc *self, uint32_t x, uint32_t y)
{
	struct surface_info info = surface_get_info(self->surface);

	if (info.width > 0)
		self->events->position(self->context, 0, MIN(x, info.width - 1),
				       MIN(y, info.height - 1));
}

/* The clipboard: there is one while there are a client and a port. */

static void
sink_vnc_handle_copied(void *context, const char *text)
{
	struct sink_vnc *self = context;

	vnc_session_show_text(self->session, text);
}

static void
sink_vnc_begin_clipboard(struct sink_vnc *self)
{
	if (self->session && self->port)
		self->clipboard = vdagent_clipboard_new(self->port, sink_vnc_handle_copied, self);
}

static void
sink_vnc_offer_text(struct sink_vnc *self)
{
	g_autofree char *text = vnc_session_take_text(self->session);

	if (text && self->clipboard)
		vdagent_clipboard_offer(self->clipboard, text);
}

static void
sink_vnc_set_vdagent(struct sink *sink, struct vdagent_port *port)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;

	g_clear_pointer(&self->clipboard, vdagent_clipboard_free);
	self->port = port;
	sink_vnc_begin_clipboard(self);
}

static void
sink_vnc_handle_event(void *context, const struct vnc_event *event)
{
	struct sink_vnc *self = context;

	switch (event->kind) {
	case VNC_EVENT_KEY:
		sink_vnc_press(self, event->a, event->b);
		break;
	case VNC_EVENT_POSITION:
		sink_vnc_set_position(self, event->a, event->b);
		break;
	case VNC_EVENT_BUTTONS:
		sink_vnc_set_buttons(self, event->a);
		break;
	case VNC_EVENT_SIZE:
		self->events->size_wanted(self->context, 0, event->a, event->b);
		break;
	case VNC_EVENT_TEXT:
		sink_vnc_offer_text(self);
		break;
	case VNC_EVENT_FRAME:
		self->events->drawn(self->context);
		break;
	case VNC_EVENT_ENDED:
		sink_vnc_end_session(self);
		break;
	}
}

static void
sink_vnc_refresh(struct sink *sink)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;

	g_mutex_lock(&self->lock);
	if (self->session)
		vnc_session_wake(self->session);
	g_mutex_unlock(&self->lock);
}

static int
sink_vnc_add_client(struct sink *sink, int fd)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;
	struct vnc_session *session;

	sink_vnc_end_session(self);
	session = vnc_session_new(fd, self->name, self->surface, sink_vnc_handle_event, self);
	if (!session)
		return -EMFILE;
	g_mutex_lock(&self->lock);
	self->session = session;
	g_mutex_unlock(&self->lock);
	sink_vnc_begin_clipboard(self);
	return 0;
}

static void
sink_vnc_free(struct sink *sink)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;

	sink_vnc_end_session(self);
	g_mutex_clear(&self->lock);
	g_free(self->name);
	g_free(self);
}

static const struct sink_ops sink_vnc_ops = {
	.refresh = sink_vnc_refresh,
	.add_client = sink_vnc_add_client,
	.set_vdagent = sink_vnc_set_vdagent,
	.free = sink_vnc_free,
};

struct sink *
sink_vnc_new(const char *name, struct surface *const *surfaces, const struct sink_events *events,
	     void *context)
{
	struct sink_vnc *self = g_new0(struct sink_vnc, 1);

	self->sink.ops = &sink_vnc_ops;
	self->name = g_strdup(name);
	self->surface = surfaces[0];
	self->events = events;
	self->context = context;
	g_mutex_init(&self->lock);
	return &self->sink;
}
