/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_stream.c - follows the chunks of the vdagent port's byte stream (carrel-display)
 */
#include "display/vdagent_stream.h"

#include <errno.h>
#include <string.h>

#define MESSAGE_MONITORS_CONFIG	    2
#define MESSAGE_CLIENT_DISCONNECTED 13
#define MONITORS_HEAD_BYTES	    8
#define MONITOR_BYTES		    20
#define MONITOR_DEPTH		    32

uint32_t
vdagent_read_u32(const uint8_t *data)
{
	return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

uint8_t *
vdagent_write_u32(uint8_t *target, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		target[i] = (uint8_t)(value >> (8 * i));
	return target + 4;
}

static int
vdagent_stream_read_head(struct vdagent_stream *stream)
{
	stream->port = vdagent_read_u32(stream->head);
	stream->left = vdagent_read_u32(stream->head + 4);
	stream->n_head = 0;
	if ((stream->port == VDAGENT_PORT_CLIENT || stream->port == VDAGENT_PORT_SERVER) &&
	    stream->left <= VDAGENT_MAX_CHUNK_BYTES)
		return 0;
	stream->broken = true;
	return -EPROTO;
}

size_t
vdagent_stream_step(struct vdagent_stream *stream, const uint8_t *data, size_t size,
		    uint32_t *ret_port, size_t *ret_body_bytes)
{
	size_t used = 0, body_bytes;

	*ret_port = 0;
	*ret_body_bytes = 0;
	if (stream->broken)
		return 0;
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
	body_bytes = size - used < stream->left ? size - used : stream->left;
	stream->left -= (uint32_t)body_bytes;
	*ret_port = stream->port;
	*ret_body_bytes = body_bytes;
	return used + body_bytes;
}

int
vdagent_stream_feed(struct vdagent_stream *stream, const uint8_t *data, size_t size)
{
	while (size > 0 && !stream->broken) {
		uint32_t port;
		size_t body_bytes;
		size_t used = vdagent_stream_step(stream, data, size, &port, &body_bytes);

		data += used;
		size -= used;
	}
	return stream->broken ? -EPROTO : 0;
}

size_t
vdagent_stream_find_border(const struct vdagent_stream *stream, const uint8_t *data, size_t size)
{
	struct vdagent_stream copy = *stream;
	uint32_t port;
	size_t body_bytes;
	size_t used = vdagent_stream_step(&copy, data, size, &port, &body_bytes);

	return vdagent_stream_at_border(&copy) ? used : 0;
}

bool
vdagent_stream_at_border(const struct vdagent_stream *stream)
{
	return !stream->broken && stream->n_head == 0 && stream->left == 0;
}

uint32_t
vdagent_stream_get_left(const struct vdagent_stream *stream)
{
	return stream->left;
}

void
vdagent_stream_make_farewell(uint8_t ret_chunk[VDAGENT_FAREWELL_BYTES])
{
	const uint32_t words[VDAGENT_FAREWELL_BYTES / sizeof(uint32_t)] = {
		VDAGENT_PORT_SERVER,
		VDAGENT_MESSAGE_HEAD_BYTES,
		VDAGENT_PROTOCOL,
		MESSAGE_CLIENT_DISCONNECTED,
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ret_chunk = vdagent_write_u32(ret_chunk, words[i]);
}

size_t
vdagent_stream_make_monitors(const struct heads *heads,
			     uint8_t ret_chunk[VDAGENT_MAX_MONITORS_BYTES])
{
	uint32_t n_monitors = heads_count(heads);
	uint32_t body_bytes = MONITORS_HEAD_BYTES + n_monitors * MONITOR_BYTES;
	const uint32_t words[] = {
		VDAGENT_PORT_SERVER,
		VDAGENT_MESSAGE_HEAD_BYTES + body_bytes,
		VDAGENT_PROTOCOL,
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
