/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_message.c - the messages in the vdagent port's chunks (carrel-display)
 *
 * How it works: vdagent_stream.c finds the chunks. A message may lie in one or in several of them, one after the other. Its body
 * is kept as it comes, so a guest that announces much and sends little costs little. A head that is none is what is left of a message
 * that another has begun to read: all up to the chunk's end is left out.
 */
#include "display/vdagent_message.h"

#include <errno.h>
#include <spice/vd_agent.h>
#include <string.h>

static void
vdagent_reader_end_message(struct vdagent_reader *reader, vdagent_reader_handle handle,
			   void *context)
{
	g_autoptr(GByteArray) body = g_steal_pointer(&reader->body);

	reader->n_head = 0;
	if (body)
		handle(context, vdagent_read_u32(reader->head + 4), body->data, body->len);
}

/* The head, as far as it is there; returns the bytes used. */
static size_t
vdagent_reader_take_head(struct vdagent_reader *reader, const uint8_t *data, size_t size)
{
	size_t used = MIN(sizeof(reader->head) - reader->n_head, size);

	memcpy(reader->head + reader->n_head, data, used);
	reader->n_head += used;
	if (reader->n_head < sizeof(reader->head))
		return used;
	reader->left = vdagent_read_u32(reader->head + 16);
	if (vdagent_read_u32(reader->head) != VDAGENT_PROTOCOL) {
		reader->lost = true;
		reader->n_head = 0;
		reader->left = 0;
	} else if (reader->left <= VDAGENT_MAX_BODY_BYTES) {
		reader->body = g_byte_array_new();
	}
	return used;
}

static void
vdagent_reader_take(struct vdagent_reader *reader, const uint8_t *data, size_t size,
		    vdagent_reader_handle handle, void *context)
{
	while (size > 0 && !reader->lost) {
		size_t used;

		if (reader->n_head < sizeof(reader->head)) {
			used = vdagent_reader_take_head(reader, data, size);
		} else {
			used = MIN(reader->left, size);
			if (reader->body)
				g_byte_array_append(reader->body, data, (guint)used);
			reader->left -= (uint32_t)used;
		}
		if (reader->n_head == sizeof(reader->head) && reader->left == 0)
			vdagent_reader_end_message(reader, handle, context);
		data += used;
		size -= used;
	}
}

int
vdagent_reader_feed(struct vdagent_reader *reader, const uint8_t *data, size_t size,
		    vdagent_reader_handle handle, void *context)
{
	while (size > 0 && !reader->stream.broken) {
		uint32_t port;
		size_t body_bytes;
		size_t used = vdagent_stream_step(&reader->stream, data, size, &port, &body_bytes);

		if (port == VDAGENT_PORT_CLIENT)
			vdagent_reader_take(reader, data + used - body_bytes, body_bytes, handle,
					    context);
		if (vdagent_stream_at_border(&reader->stream))
			reader->lost = false;
		data += used;
		size -= used;
	}
	return reader->stream.broken ? -EPROTO : 0;
}

void
vdagent_reader_clear(struct vdagent_reader *reader)
{
	g_clear_pointer(&reader->body, g_byte_array_unref);
	memset(reader, 0, sizeof(*reader));
}

void
vdagent_message_append(GByteArray *target, uint32_t type, const uint32_t *words, size_t n_words,
		       const void *data, size_t size)
{
	g_autoptr(GByteArray) message = g_byte_array_new();
	uint8_t head[VDAGENT_MESSAGE_HEAD_BYTES + VDAGENT_MAX_WORDS * sizeof(*words)] = { 0 };
	uint8_t *at_word = head + VDAGENT_MESSAGE_HEAD_BYTES;

	vdagent_write_u32(head, VDAGENT_PROTOCOL);
	vdagent_write_u32(head + 4, type);
	vdagent_write_u32(head + 16, (uint32_t)(n_words * sizeof(*words) + size));
	for (size_t i = 0; i < n_words; i++)
		at_word = vdagent_write_u32(at_word, words[i]);
	g_byte_array_append(message, head, (guint)(at_word - head));
	if (size > 0)
		g_byte_array_append(message, data, (guint)size);
	for (guint at = 0; at < message->len; at += VD_AGENT_MAX_DATA_SIZE) {
		guint part = MIN(message->len - at, VD_AGENT_MAX_DATA_SIZE);
		uint8_t chunk[VDAGENT_CHUNK_HEAD_BYTES];

		vdagent_write_u32(chunk, VDAGENT_PORT_CLIENT);
		vdagent_write_u32(chunk + 4, part);
		g_byte_array_append(target, chunk, sizeof(chunk));
		g_byte_array_append(target, message->data + at, part);
	}
}
