/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_guest.c - the agent inside a guest, at the other end of the vdagent port
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <spice/vd_agent.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "tests/unit/vdagent_guest.h"

static bool
vdagent_guest_has_selection(const struct vdagent_guest *guest, uint32_t type)
{
	return guest->selections &&
	       (type == VD_AGENT_CLIPBOARD_GRAB || type == VD_AGENT_CLIPBOARD_REQUEST ||
		type == VD_AGENT_CLIPBOARD_RELEASE || type == VD_AGENT_CLIPBOARD);
}

static void
vdagent_guest_note(void *context, uint32_t type, const uint8_t *body, uint32_t size)
{
	struct vdagent_guest *guest = context;

	if (vdagent_guest_has_selection(guest, type)) {
		assert_in_range(size, 4, UINT32_MAX);
		assert_int_equal(vdagent_read_u32(body), VD_AGENT_CLIPBOARD_SELECTION_CLIPBOARD);
		body += 4;
		size -= 4;
	}
	guest->n_heard++;
	guest->type = type;
	g_byte_array_set_size(guest->body, 0);
	g_byte_array_append(guest->body, body, size);
}

void
vdagent_guest_settle(struct vdagent_guest *guest)
{
	uint8_t data[4096];
	ssize_t size;

	for (int quiet = 0; quiet < 3; quiet++) {
		while (g_main_context_iteration(NULL, FALSE))
			quiet = 0;
		while ((size = recv(guest->fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
			assert_int_equal(vdagent_reader_feed(&guest->reader, data, (size_t)size,
							     vdagent_guest_note, guest),
					 0);
			quiet = 0;
		}
	}
}

void
vdagent_guest_say(struct vdagent_guest *guest, uint32_t type, const uint32_t *word,
		  const void *data, size_t size)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	uint32_t words[2];
	size_t n_words = 0;
	guint sent = 0;

	if (vdagent_guest_has_selection(guest, type))
		words[n_words++] = guest->selection;
	if (word)
		words[n_words++] = *word;
	vdagent_message_append(bytes, type, words, n_words, data, size);
	while (sent < bytes->len) {
		ssize_t part = send(guest->fd, bytes->data + sent, bytes->len - sent,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (part > 0)
			sent += (guint)part;
		vdagent_guest_settle(guest);
	}
	vdagent_guest_settle(guest);
}

void
vdagent_guest_announce(struct vdagent_guest *guest, uint32_t request, uint32_t caps)
{
	uint8_t wire[4];

	vdagent_write_u32(wire, caps);
	guest->selections = caps & 1U << VD_AGENT_CAP_CLIPBOARD_SELECTION;
	vdagent_guest_say(guest, VD_AGENT_ANNOUNCE_CAPABILITIES, &request, wire, sizeof(wire));
}

void
vdagent_guest_assert_heard(const struct vdagent_guest *guest, guint count, uint32_t type,
			   uint32_t word)
{
	assert_int_equal(guest->n_heard, count);
	assert_int_equal(guest->type, type);
	assert_int_equal(vdagent_read_u32(guest->body->data), word);
}

int
vdagent_guest_open(struct vdagent_guest *guest)
{
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	guest->fd = pair[0];
	guest->body = g_byte_array_new();
	return pair[1];
}

void
vdagent_guest_close(struct vdagent_guest *guest)
{
	vdagent_reader_clear(&guest->reader);
	g_byte_array_unref(guest->body);
	close(guest->fd);
}
