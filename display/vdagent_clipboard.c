/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_clipboard.c - a client of the guest's vdagent that copies and pastes text (carrel-display)
 *
 * How it works: it announces "clipboard by demand" and waits until the guest's agent has announced the same. Then: who copies sends
 * CLIPBOARD_GRAB; who wants to paste sends CLIPBOARD_REQUEST and gets CLIPBOARD. A sink's client is told texts and cannot be
 * asked, so each grab of the guest's is followed by our request at once, while the client's text is kept for the guest's requests.
 *
 * It announces "clipboard selection" as well: each of these messages then begins with the X selection that it is about, where the guest's agent
 * has announced it, too. Here only one of them counts. But the daemon of Linux guests, spice-vdagentd 0.22, cannot write a message
 * without a body: its CLIPBOARD_RELEASE to a client that knows no selections was its last word until it was started again.
 *
 * What is to be said is a set of bits, "due". vdagent_clipboard_push() makes the next message of it only when the one
 * before is written, so that a guest that asks and does not read keeps no more than one message waiting.
 */
#include "display/vdagent_clipboard.h"

#include <glib.h>
#include <spice/vd_agent.h>
#include <string.h>

#include "display/vdagent_message.h"
#include "display/vdagent_port.h"

#define READ_BYTES	(64 * 1024)
#define MAX_CAPS_BYTES	64 /* the header knows one word of them */
#define MAX_GRAB_TYPES	64
#define CAPABILITY(cap) (1U << VD_AGENT_CAP_##cap)

/* In the order in which they are said. */
enum due {
	DUE_ANNOUNCE, /* and please announce as well */
	DUE_ANSWER_ANNOUNCE,
	DUE_GRAB,
	DUE_REQUEST,
	DUE_TEXT,
	DUE_NO_TEXT, /* the guest wants what we have not */
	DUE_COUNT,
};

struct vdagent_clipboard {
	struct vdagent_port *port;
	void (*copied)(void *context, const char *text);
	void *context;
	struct vdagent_reader reader;
	uint32_t caps; /* of the guest's agent; 0: it has not said them */
	bool awaits;   /* the text that was requested */
	char *ours;    /* the client's, while the guest has it in its clipboard; else NULL */
	char *theirs;  /* the guest's, while the client has it */
	uint32_t due;
	GByteArray *out;
	guint n_written;
};

static void vdagent_clipboard_push(struct vdagent_clipboard *self);

static void
vdagent_clipboard_say(struct vdagent_clipboard *self, enum due due)
{
	self->due |= 1U << due;
	vdagent_clipboard_push(self);
}

/* The next message that is due, into "out". */

static void
vdagent_clipboard_make_announce(struct vdagent_clipboard *self, uint32_t request)
{
	const uint32_t words[] = { request, CAPABILITY(CLIPBOARD_BY_DEMAND) |
						    CAPABILITY(CLIPBOARD_SELECTION) };

	vdagent_message_append(self->out, VD_AGENT_ANNOUNCE_CAPABILITIES, words,
			       G_N_ELEMENTS(words), NULL, 0);
}

/* What all the others begin with. */
static void
vdagent_clipboard_make_message(struct vdagent_clipboard *self, uint32_t message, uint32_t type,
			       const char *text)
{
	const uint32_t words[] = { VD_AGENT_CLIPBOARD_SELECTION_CLIPBOARD, type };
	size_t n_left_out = self->caps & CAPABILITY(CLIPBOARD_SELECTION) ? 0 : 1;

	vdagent_message_append(self->out, message, words + n_left_out,
			       G_N_ELEMENTS(words) - n_left_out, text, text ? strlen(text) : 0);
}

static void
vdagent_clipboard_make_text(struct vdagent_clipboard *self, const char *text)
{
	uint32_t type = text ? VD_AGENT_CLIPBOARD_UTF8_TEXT : VD_AGENT_CLIPBOARD_NONE;

	vdagent_clipboard_make_message(self, VD_AGENT_CLIPBOARD, type, text);
}

static void
vdagent_clipboard_make(struct vdagent_clipboard *self, enum due due)
{
	switch (due) {
	case DUE_ANNOUNCE:
		vdagent_clipboard_make_announce(self, 1);
		break;
	case DUE_ANSWER_ANNOUNCE:
		vdagent_clipboard_make_announce(self, 0);
		break;
	case DUE_GRAB:
		vdagent_clipboard_make_message(self, VD_AGENT_CLIPBOARD_GRAB,
					       VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
		break;
	case DUE_REQUEST:
		vdagent_clipboard_make_message(self, VD_AGENT_CLIPBOARD_REQUEST,
					       VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
		break;
	case DUE_TEXT:
		vdagent_clipboard_make_text(self, self->ours);
		break;
	case DUE_NO_TEXT:
		vdagent_clipboard_make_text(self, NULL);
		break;
	case DUE_COUNT:
		break;
	}
}

static bool
vdagent_clipboard_make_next(struct vdagent_clipboard *self)
{
	g_byte_array_set_size(self->out, 0);
	self->n_written = 0;
	for (enum due due = 0; due < DUE_COUNT; due++) {
		if (!(self->due & 1U << due))
			continue;
		self->due &= ~(1U << due);
		vdagent_clipboard_make(self, due);
		return true;
	}
	return false;
}

/* Until all is said or the port takes no more. */
static void
vdagent_clipboard_push(struct vdagent_clipboard *self)
{
	do {
		while (self->n_written < self->out->len) {
			size_t part =
				vdagent_port_write(self->port, self->out->data + self->n_written,
						   self->out->len - self->n_written);

			if (part == 0)
				return;
			self->n_written += (guint)part;
		}
	} while (vdagent_clipboard_make_next(self));
}

/* What the guest says. */

static bool
vdagent_clipboard_is_by_demand(const struct vdagent_clipboard *self)
{
	return self->caps & CAPABILITY(CLIPBOARD_BY_DEMAND);
}

static void
vdagent_clipboard_handle_announce(struct vdagent_clipboard *self, const uint8_t *body,
				  uint32_t size)
{
	self->caps = size >= 8 ? vdagent_read_u32(body + 4) : 0;
	if (vdagent_read_u32(body) != 0)
		vdagent_clipboard_say(self, DUE_ANSWER_ANNOUNCE);
	/* It may be a new agent, which has not heard of it. */
	if (self->ours && vdagent_clipboard_is_by_demand(self))
		vdagent_clipboard_say(self, DUE_GRAB);
}

static void
vdagent_clipboard_handle_grab(struct vdagent_clipboard *self, const uint8_t *body, uint32_t size)
{
	g_clear_pointer(&self->ours, g_free);
	g_clear_pointer(&self->theirs, g_free);
	self->due &= ~(1U << DUE_GRAB | 1U << DUE_REQUEST);
	self->awaits = false;
	for (uint32_t at = 0; at + 4 <= size && !self->awaits; at += 4)
		self->awaits = vdagent_read_u32(body + at) == VD_AGENT_CLIPBOARD_UTF8_TEXT;
	if (self->awaits)
		vdagent_clipboard_say(self, DUE_REQUEST);
}

static void
vdagent_clipboard_handle_request(struct vdagent_clipboard *self, const uint8_t *body,
				 G_GNUC_UNUSED uint32_t size)
{
	bool text = vdagent_read_u32(body) == VD_AGENT_CLIPBOARD_UTF8_TEXT;

	vdagent_clipboard_say(self, text ? DUE_TEXT : DUE_NO_TEXT);
}

static void
vdagent_clipboard_handle_text(struct vdagent_clipboard *self, const uint8_t *body, uint32_t size)
{
	const char *text = (const char *)body + 4;

	if (!self->awaits)
		return;
	self->awaits = false;
	if (vdagent_read_u32(body) != VD_AGENT_CLIPBOARD_UTF8_TEXT || size == 4 ||
	    !g_utf8_validate(text, (gssize)size - 4, NULL))
		return;
	g_free(self->theirs);
	self->theirs = g_strndup(text, size - 4);
	self->copied(self->context, self->theirs);
}

static void
vdagent_clipboard_handle_release(struct vdagent_clipboard *self, G_GNUC_UNUSED const uint8_t *body,
				 G_GNUC_UNUSED uint32_t size)
{
	g_clear_pointer(&self->theirs, g_free);
}

/* Other types, and other sizes, are left out. The sizes are without the selection. */
static const struct {
	uint32_t type;
	uint32_t min_bytes;
	uint32_t max_bytes;
	void (*handle)(struct vdagent_clipboard *self, const uint8_t *body, uint32_t size);
} rule_table[] = {
	{ VD_AGENT_ANNOUNCE_CAPABILITIES, 4, MAX_CAPS_BYTES, vdagent_clipboard_handle_announce },
	{ VD_AGENT_CLIPBOARD_GRAB, 0, 4 * MAX_GRAB_TYPES, vdagent_clipboard_handle_grab },
	{ VD_AGENT_CLIPBOARD_REQUEST, 4, 4, vdagent_clipboard_handle_request },
	{ VD_AGENT_CLIPBOARD_RELEASE, 0, 0, vdagent_clipboard_handle_release },
	{ VD_AGENT_CLIPBOARD, 4, 4 + VDAGENT_MAX_TEXT_BYTES, vdagent_clipboard_handle_text },
};

/* How many bytes name the selection that a message is about; -1: not ours, or said to a client before this one. */
static int
vdagent_clipboard_judge_selection(const struct vdagent_clipboard *self, const uint8_t *body,
				  uint32_t size)
{
	if (!vdagent_clipboard_is_by_demand(self))
		return -1;
	if (!(self->caps & CAPABILITY(CLIPBOARD_SELECTION)))
		return 0;
	return size >= 4 && body[0] == VD_AGENT_CLIPBOARD_SELECTION_CLIPBOARD ? 4 : -1;
}

static void
vdagent_clipboard_handle(void *context, uint32_t type, const uint8_t *body, uint32_t size)
{
	int before = 0;

	if (type != VD_AGENT_ANNOUNCE_CAPABILITIES)
		before = vdagent_clipboard_judge_selection(context, body, size);
	if (before < 0)
		return;
	body += before;
	size -= (uint32_t)before;
	for (size_t i = 0; i < G_N_ELEMENTS(rule_table); i++)
		if (rule_table[i].type == type && size >= rule_table[i].min_bytes &&
		    size <= rule_table[i].max_bytes)
			rule_table[i].handle(context, body, size);
}

/* One piece a wakeup: a guest that sends without end does not hold up the main loop. */
static void
vdagent_clipboard_handle_wakeup(void *user)
{
	struct vdagent_clipboard *self = user;
	g_autofree uint8_t *data = g_malloc(READ_BYTES);
	size_t got = vdagent_port_read(self->port, data, READ_BYTES);

	if (vdagent_reader_feed(&self->reader, data, got, vdagent_clipboard_handle, self) < 0)
		vdagent_port_lose(self->port);
	vdagent_clipboard_push(self);
}

void
vdagent_clipboard_offer(struct vdagent_clipboard *self, const char *text)
{
	if (!text[0] || strlen(text) > VDAGENT_MAX_TEXT_BYTES || g_strcmp0(text, self->theirs) == 0)
		return;
	g_clear_pointer(&self->theirs, g_free);
	g_free(self->ours);
	self->ours = g_strdup(text);
	if (vdagent_clipboard_is_by_demand(self))
		vdagent_clipboard_say(self, DUE_GRAB);
}

struct vdagent_clipboard *
vdagent_clipboard_new(struct vdagent_port *port, void (*copied)(void *context, const char *text),
		      void *context)
{
	struct vdagent_clipboard *self = g_new0(struct vdagent_clipboard, 1);

	self->port = port;
	self->copied = copied;
	self->context = context;
	self->out = g_byte_array_new();
	vdagent_port_hand_over(port, vdagent_clipboard_handle_wakeup, self);
	vdagent_clipboard_say(self, DUE_ANNOUNCE);
	return self;
}

void
vdagent_clipboard_free(struct vdagent_clipboard *self)
{
	if (!self)
		return;
	vdagent_port_hand_over(self->port, NULL, NULL);
	vdagent_reader_clear(&self->reader);
	g_byte_array_unref(self->out);
	g_free(self->ours);
	g_free(self->theirs);
	g_free(self);
}
