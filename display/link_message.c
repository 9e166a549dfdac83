/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link_message.c - the first message of a SPICE link (carrel-display)
 */
#include "display/link_message.h"

#include <errno.h>
#include <string.h>

#define LINK_MAJOR	2
#define CAP_MINI_HEADER 3 /* SPICE_COMMON_CAP_MINI_HEADER */
#define MINI_HEAD_BYTES 6
#define FULL_HEAD_BYTES 18

/* SPICE_MSG_DISPLAY_DRAW_FILL .. SPICE_MSG_DISPLAY_DRAW_ALPHA_BLEND. */
#define DRAW_FIRST 302
#define DRAW_LAST  313

static uint32_t
link_read_u32(const uint8_t *data)
{
	return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

int
link_message_parse_head(const uint8_t head[LINK_HEAD_BYTES], uint32_t *ret_bytes)
{
	uint32_t bytes = link_read_u32(head + 12);

	if (memcmp(head, "REDQ", 4) != 0 || link_read_u32(head + 4) != LINK_MAJOR)
		return -EPROTO;
	if (bytes < LINK_MESS_BYTES || bytes > LINK_MAX_BYTES)
		return -EPROTO;
	*ret_bytes = bytes;
	return 0;
}

int
link_message_parse(const uint8_t *data, size_t size, struct link_message *ret_message)
{
	uint32_t n_common, n_channel, offset;

	if (size < LINK_MESS_BYTES || size > LINK_MAX_BYTES)
		return -EPROTO;
	n_common = link_read_u32(data + 6);
	n_channel = link_read_u32(data + 10);
	offset = link_read_u32(data + 14);
	if (n_common > LINK_MAX_CAPS || n_channel > LINK_MAX_CAPS || offset > size ||
	    (uint64_t)offset + 4 * ((uint64_t)n_common + n_channel) > size)
		return -EPROTO;
	ret_message->connection_id = link_read_u32(data);
	ret_message->channel_type = data[4];
	ret_message->channel_id = data[5];
	ret_message->mini_header =
		n_common > 0 && (link_read_u32(data + offset) & (1U << CAP_MINI_HEADER));
	return 0;
}

/* Collects "want" bytes into the head; true when it has them. */
static bool
link_scan_collect(struct link_scan *scan, size_t want, const uint8_t **data, size_t *size)
{
	size_t part = want - scan->n_head < *size ? want - scan->n_head : *size;

	memcpy(scan->head + scan->n_head, *data, part);
	scan->n_head += part;
	*data += part;
	*size -= part;
	if (scan->n_head < want)
		return false;
	scan->n_head = 0;
	return true;
}

static bool
link_scan_skip(struct link_scan *scan, const uint8_t **data, size_t *size)
{
	size_t part = scan->skip < *size ? (size_t)scan->skip : *size;

	scan->skip -= part;
	*data += part;
	*size -= part;
	return scan->skip == 0;
}

static void
link_scan_read_head(struct link_scan *scan)
{
	const uint8_t *type = scan->mini_header ? scan->head : scan->head + 8;
	unsigned int number = type[0] | (unsigned int)type[1] << 8;

	scan->skip = link_read_u32(type + 2);
	scan->draws = number >= DRAW_FIRST && number <= DRAW_LAST;
	scan->state = LINK_SCAN_BODY;
}

/* Follows a part; true at the end of a message. */
static bool
link_scan_step(struct link_scan *scan, const uint8_t **data, size_t *size)
{
	switch (scan->state) {
	case LINK_SCAN_REPLY_HEAD:
		if (!link_scan_collect(scan, LINK_HEAD_BYTES, data, size))
			return false;
		scan->skip = link_read_u32(scan->head + 12);
		scan->state = LINK_SCAN_REPLY;
		break;
	case LINK_SCAN_RESULT:
		if (!link_scan_collect(scan, 4, data, size))
			return false;
		scan->state = LINK_SCAN_HEAD;
		return true;
	case LINK_SCAN_HEAD:
		if (!link_scan_collect(scan, scan->mini_header ? MINI_HEAD_BYTES : FULL_HEAD_BYTES,
				       data, size))
			return false;
		link_scan_read_head(scan);
		break;
	case LINK_SCAN_REPLY:
	case LINK_SCAN_BODY:
		break;
	}
	if (!link_scan_skip(scan, data, size))
		return false;
	scan->state = scan->state == LINK_SCAN_REPLY ? LINK_SCAN_RESULT : LINK_SCAN_HEAD;
	return true;
}

size_t
link_scan_next(struct link_scan *scan, const uint8_t *data, size_t size)
{
	size_t left = size;

	while (left > 0 && !link_scan_step(scan, &data, &left))
		;
	return size - left;
}
