/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * frame.c - frames of the agent port (carrel-hostd, carrel-agent)
 */
#include "base/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READER_MAX_BYTES (4 * (FRAME_HEAD_BYTES + FRAME_MAX_BYTES))

static void
frame_reader_drop_taken(struct frame_reader *reader)
{
	if (reader->taken == 0)
		return;
	reader->size -= reader->taken;
	memmove(reader->data, reader->data + reader->taken, reader->size);
	reader->taken = 0;
}

int
frame_reader_feed(struct frame_reader *reader, const void *data, size_t size)
{
	frame_reader_drop_taken(reader);
	if (size > READER_MAX_BYTES - reader->size)
		return -ENOBUFS;
	if (reader->size + size > reader->capacity) {
		size_t capacity = reader->size + size + 4096;
		uint8_t *grown = realloc(reader->data, capacity);

		if (!grown)
			return -ENOMEM;
		reader->data = grown;
		reader->capacity = capacity;
	}
	if (size > 0)
		memcpy(reader->data + reader->size, data, size);
	reader->size += size;
	return 0;
}

static uint32_t
frame_get_length(const uint8_t *head)
{
	return (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
	       (uint32_t)head[3] << 24;
}

int
frame_reader_next(struct frame_reader *reader, const char **ret_text, size_t *ret_size)
{
	uint32_t length;

	frame_reader_drop_taken(reader);
	if (reader->size < FRAME_HEAD_BYTES)
		return 0;
	length = frame_get_length(reader->data);
	if (length == 0 || length > FRAME_MAX_BYTES)
		return -EMSGSIZE;
	if (reader->size - FRAME_HEAD_BYTES < length)
		return 0;
	*ret_text = (const char *)reader->data + FRAME_HEAD_BYTES;
	*ret_size = length;
	reader->taken = FRAME_HEAD_BYTES + length;
	return 1;
}

void
frame_reader_reset(struct frame_reader *reader)
{
	reader->size = 0;
	reader->taken = 0;
}

void
frame_reader_done(struct frame_reader *reader)
{
	free(reader->data);
	*reader = (struct frame_reader){ 0 };
}

int
frame_encode(const char *text, size_t size, uint8_t **ret_frame, size_t *ret_size)
{
	uint8_t *frame;

	if (size == 0 || size > FRAME_MAX_BYTES)
		return -EMSGSIZE;
	frame = malloc(FRAME_HEAD_BYTES + size);
	if (!frame)
		return -ENOMEM;
	for (int i = 0; i < FRAME_HEAD_BYTES; i++)
		frame[i] = (uint8_t)(size >> (8 * i));
	memcpy(frame + FRAME_HEAD_BYTES, text, size);
	*ret_frame = frame;
	*ret_size = FRAME_HEAD_BYTES + size;
	return 0;
}
