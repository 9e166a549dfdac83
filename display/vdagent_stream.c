/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_stream.c - follows the chunks of the vdagent port's byte stream (carrel-display)
 */
#include "display/vdagent_stream.h"

#include <errno.h>
#include <string.h>

#define PORT_CLIENT		1
#define PORT_SERVER		2
#define MESSAGE_PROTOCOL	1
#define MESSAGE_MONITORS_CONFIG 2
#define MESSAGE_HEAD_BYTES	20
#define MONITORS_HEAD_BYTES	8
#define MONITOR_BYTES		20
#define MONITOR_DEPTH		32

static uint32_t
vdagent_read_u32(const uint8_t *data)
{
	return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static uint8_t *
vdagent_write_u32(uint8_t *target, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		target[i] = (uint8_t)(value >> (8 * i));
	return target + 4;
}

static int
vdagent_stream_read_head(struct vdagent_stream *stream)
{
	uint32_t port = vdagent_read_u32(stream->head);

	stream->left = vdagent_read_u32(stream->head + 4);
	stream->n_head = 0;
	if ((port == PORT_CLIENT || port == PORT_SERVER) && stream->left <= VDAGENT_MAX_CHUNK_BYTES)
		return 0;
	stream->broken = true;
	return -EPROTO;
}

/* Follows at most up to the next end of a chunk; returns the bytes followed. */
static size_t
vdagent_stream_step(struct vdagent_stream *stream, const uint8_t *data, size_t size)
{
	size_t used = 0;

	if (stream->left == 0) {
		used = VDAGENT_CHUNK_HEAD_BYTES - stream->n_head;
		if (used > size)
			used = size;
		memcpy(stream->head + stream->n_head, data, used);
		stream->n_head += used;
		if (stream->n_head < VDAGENT_CHUNK_HEAD_BYTES ||
		    vdagent_stream_read_head(stream) < 0)
			return used;
	}
	if (stream->left < size - used) {
		used += stream->left;
		stream->left = 0;
	} else {
		stream->left -= (uint32_t)(size - used);
		used = size;
	}
	return used;
}

int
vdagent_stream_feed(struct vdagent_stream *stream, const uint8_t *data, size_t size)
{
	while (size > 0 && !stream->broken) {
		size_t used = vdagent_stream_step(stream, data, size);

		data += used;
		size -= used;
	}
	return stream->broken ? -EPROTO : 0;
}

size_t
vdagent_stream_find_border(const struct vdagent_stream *stream, const uint8_t *data, size_t size)
{
	struct vdagent_stream copy = *stream;
	size_t used = 0;

	if (size > 0 && !copy.broken)
		used = vdagent_stream_step(&copy, data, size);
	return vdagent_stream_at_border(&copy) ? used : 0;
}

bool
vdagent_stream_at_border(const struct vdagent_stream *stream)
{
	return !stream->broken && stream->n_head == 0 && stream->left == 0;
}

size_t
vdagent_stream_make_monitors(const struct heads *heads,
			     uint8_t ret_chunk[VDAGENT_MAX_MONITORS_BYTES])
{
	uint32_t n_monitors = heads_count(heads);
	uint32_t body_bytes = MONITORS_HEAD_BYTES + n_monitors * MONITOR_BYTES;
	const uint32_t words[] = {
		PORT_SERVER,
		MESSAGE_HEAD_BYTES + body_bytes,
		MESSAGE_PROTOCOL,
		MESSAGE_MONITORS_CONFIG,
		0, /* opaque, 64 bit */
		0,
		body_bytes,
		n_monitors,
		0, /* flags */
	};
	uint8_t *at = ret_chunk;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		at = vdagent_write_u32(at, words[i]);
	for (uint32_t i = 0; i < n_monitors; i++) {
		const struct head *head = &heads->list[i];
		const uint32_t monitor[] = { head->height, head->width, MONITOR_DEPTH, head->x,
					     0 /* y */ };

		for (size_t k = 0; k < sizeof(monitor) / sizeof(monitor[0]); k++)
			at = vdagent_write_u32(at, monitor[k]);
	}
	return (size_t)(at - ret_chunk);
}
