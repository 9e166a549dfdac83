/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * frame.h - frames of the agent port: u32 length (little endian), then that many bytes of JSON
 *
 * docs/PROTOCOL.md, "Agent frames". A frame is at most FRAME_MAX_BYTES; a longer one is the peer's error and ends the
 * connection, because nothing says where the next one begins.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD_BYTES 4
#define FRAME_MAX_BYTES	 (64 * 1024)

/* Collects bytes as they come. Zero-initialised it is empty and owns nothing. */
struct frame_reader {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t taken; /* bytes of the frame handed out last, dropped by the next call */
};

/* Adds bytes. 0, -ENOMEM, or -ENOBUFS when the caller does not take the complete frames out. */
int frame_reader_feed(struct frame_reader *reader, const void *data, size_t size);

/*
 * 1 and the next frame's content, valid until the next call with this reader; 0 when none is complete; -EMSGSIZE
 * when the peer announced an empty or too long one.
 */
int frame_reader_next(struct frame_reader *reader, const char **ret_text, size_t *ret_size);
void frame_reader_reset(struct frame_reader *reader);
void frame_reader_done(struct frame_reader *reader);

/* ret_frame (caller's to free()) holds head and text; -EMSGSIZE when the text is empty or too long. */
int frame_encode(const char *text, size_t size, uint8_t **ret_frame, size_t *ret_size);

#endif
