/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_message.h - the messages in the vdagent port's chunks, as a client of the guest's agent reads and writes them
 *
 * VDAgentMessage of spice/vd_agent.h, on the client's port in both directions.
 */
#ifndef DISPLAY_VDAGENT_MESSAGE_H
#define DISPLAY_VDAGENT_MESSAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "display/vdagent_stream.h"

#define VDAGENT_MAX_TEXT_BYTES (1024 * 1024)
#define VDAGENT_MAX_BODY_BYTES \
	(VDAGENT_MAX_TEXT_BYTES + 8) /* a text behind its selection and type; no longer ones */
#define VDAGENT_MAX_WORDS 2

/* Zero-initialised it stands between two chunks; vdagent_reader_clear() frees what it holds. */
struct vdagent_reader {
	struct vdagent_stream stream;
	uint8_t head[VDAGENT_MESSAGE_HEAD_BYTES];
	size_t n_head;
	uint32_t left; /* bytes of the current message's body */
	GByteArray *body;
	bool lost; /* where messages begin: until the next chunk */
};

typedef void (*vdagent_reader_handle)(void *context, uint32_t type, const uint8_t *body,
				      uint32_t size);

/* What the guest has written; each message is told once it is whole. -EPROTO (for good): these are no chunks. */
int vdagent_reader_feed(struct vdagent_reader *reader, const uint8_t *data, size_t size,
			vdagent_reader_handle handle, void *context);
void vdagent_reader_clear(struct vdagent_reader *reader);

/* Appends a message in chunks as small as the guest's daemon takes them. Its body: at most VDAGENT_MAX_WORDS, and then the data. */
void vdagent_message_append(GByteArray *target, uint32_t type, const uint32_t *words,
			    size_t n_words, const void *data, size_t size);

#endif
