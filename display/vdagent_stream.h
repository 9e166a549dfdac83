/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_stream.h - follows the chunks of the vdagent port's byte stream, and makes our own
 *
 * spice/vd_agent.h: a chunk is u32 port (1 client, 2 server), u32 size, and that many bytes; messages lie in the
 * chunks of one port, each with a head of 20 bytes (u32 protocol 1, u32 type, u64 opaque, u32 size). Little endian.
 */
#ifndef DISPLAY_VDAGENT_STREAM_H
#define DISPLAY_VDAGENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "display/heads.h"

#define VDAGENT_PORT_CLIENT	   1
#define VDAGENT_PORT_SERVER	   2
#define VDAGENT_CHUNK_HEAD_BYTES   8
#define VDAGENT_MESSAGE_HEAD_BYTES 20
#define VDAGENT_PROTOCOL	   1
/* spice-vdagentd puts a whole message into one chunk, and clipboards go up to spice-gtk's 100 MiB. Nothing is buffered. */
#define VDAGENT_MAX_CHUNK_BYTES (128 * 1024 * 1024)
#define VDAGENT_FAREWELL_BYTES	(VDAGENT_CHUNK_HEAD_BYTES + VDAGENT_MESSAGE_HEAD_BYTES)
#define VDAGENT_MAX_MONITORS_BYTES \
	(VDAGENT_CHUNK_HEAD_BYTES + VDAGENT_MESSAGE_HEAD_BYTES + 8 + HEADS_MAX * 20)

/* Little endian. */
uint32_t vdagent_read_u32(const uint8_t *data);
/* Returns where the next one goes. */
uint8_t *vdagent_write_u32(uint8_t *target, uint32_t value);

/* Zero-initialised it stands at the beginning of a stream. */
struct vdagent_stream {
	uint8_t head[VDAGENT_CHUNK_HEAD_BYTES];
	size_t n_head;
	uint32_t port; /* and bytes left, of the current chunk */
	uint32_t left;
	bool broken;
};

/*
 * Follows at most up to the next end of a chunk; returns the bytes followed. "ret_body_bytes" of them, the last ones, belong to
 * the body of a chunk of "ret_port". Nothing (0) when the stream is broken.
 */
size_t vdagent_stream_step(struct vdagent_stream *stream, const uint8_t *data, size_t size,
			   uint32_t *ret_port, size_t *ret_body_bytes);

/* -EPROTO (for good) when a chunk has no such port or is too long. */
int vdagent_stream_feed(struct vdagent_stream *stream, const uint8_t *data, size_t size);

/* Bytes of "data" up to and with the end of the first chunk that ends in it; 0 when none does. */
size_t vdagent_stream_find_border(const struct vdagent_stream *stream, const uint8_t *data,
				  size_t size);

/* Between two chunks: here something of ours may go in. */
bool vdagent_stream_at_border(const struct vdagent_stream *stream);

/* What is missing of the chunk that was begun; a chunk's head counts once it is whole. */
uint32_t vdagent_stream_get_left(const struct vdagent_stream *stream);

/* A chunk with VD_AGENT_CLIENT_DISCONNECTED. */
void vdagent_stream_make_farewell(uint8_t ret_chunk[VDAGENT_FAREWELL_BYTES]);

/* A chunk with VDAgentMonitorsConfig for these monitors; returns its size. */
size_t vdagent_stream_make_monitors(const struct heads *heads,
				    uint8_t ret_chunk[VDAGENT_MAX_MONITORS_BYTES]);

#endif
