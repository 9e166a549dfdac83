/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vdagent_message.c - messages in the guest's chunks, good and bad
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "display/vdagent_message.h"

#define TYPE 77

struct note {
	guint count;
	uint32_t type;
	uint32_t size;
	uint8_t body[64];
};

static void
note_message(void *context, uint32_t type, const uint8_t *body, uint32_t size)
{
	struct note *note = context;

	note->count++;
	note->type = type;
	note->size = size;
	if (size > 0)
		memcpy(note->body, body, MIN(size, sizeof(note->body)));
}

static int
feed(struct vdagent_reader *reader, GByteArray *data, struct note *note)
{
	return vdagent_reader_feed(reader, data->data, data->len, note_message, note);
}

/* A chunk with these bytes. */
static void
append_chunk(GByteArray *target, uint32_t port, const void *data, guint size)
{
	uint8_t head[VDAGENT_CHUNK_HEAD_BYTES];

	vdagent_write_u32(head, port);
	vdagent_write_u32(head + 4, size);
	g_byte_array_append(target, head, sizeof(head));
	g_byte_array_append(target, data, size);
}

static void
test_vdagent_message__reads_what_it_writes(void **state)
{
	static const size_t sizes[] = { 0, 1, 2028, 2029, 5000, VDAGENT_MAX_TEXT_BYTES };
	const uint32_t words[] = { 0x01020304, 5 };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autoptr(GByteArray) data = g_byte_array_new();
		g_autofree uint8_t *body = g_malloc0(sizes[i] + 1);
		struct vdagent_reader reader = { 0 };
		struct note note = { 0 };

		body[0] = 9;
		vdagent_message_append(data, TYPE, words, 2, body, sizes[i]);
		vdagent_message_append(data, TYPE + 1, NULL, 0, NULL, 0);
		for (guint at = 0; at < data->len; at++)
			assert_int_equal(vdagent_reader_feed(&reader, data->data + at, 1,
							     note_message, &note),
					 0);
		assert_int_equal(note.count, 2);
		assert_int_equal(note.type, TYPE + 1);
		assert_int_equal(note.size, 0);
		assert_int_equal(feed(&reader, data, &note), 0);
		assert_int_equal(note.count, 4);
		g_byte_array_set_size(data, 0);
		vdagent_message_append(data, TYPE, words, 2, body, sizes[i]);
		assert_int_equal(feed(&reader, data, &note), 0);
		assert_int_equal(note.size, sizes[i] + 8);
		assert_int_equal(note.body[0], 4);
		assert_int_equal(note.body[4], 5);
		assert_int_equal(note.body[8], sizes[i] > 0 ? 9 : 0);
		vdagent_reader_clear(&reader);
	}
}

/* The guest's daemon takes no larger ones (VD_AGENT_MAX_DATA_SIZE). */
static void
test_vdagent_message__writes_small_chunks(void **state)
{
	g_autoptr(GByteArray) data = g_byte_array_new();
	static const uint8_t body[10000];
	guint at = 0;

	(void)state;
	vdagent_message_append(data, TYPE, NULL, 0, body, sizeof(body));
	while (at < data->len) {
		uint32_t size = vdagent_read_u32(data->data + at + 4);

		assert_int_equal(vdagent_read_u32(data->data + at), VDAGENT_PORT_CLIENT);
		assert_in_range(size, 1, 2048);
		at += VDAGENT_CHUNK_HEAD_BYTES + size;
	}
	assert_int_equal(at, data->len);
}

static void
test_vdagent_message__leaves_out_what_is_too_long(void **state)
{
	g_autoptr(GByteArray) data = g_byte_array_new();
	g_autofree uint8_t *body = g_malloc0(VDAGENT_MAX_BODY_BYTES + 1);
	struct vdagent_reader reader = { 0 };
	struct note note = { 0 };

	(void)state;
	vdagent_message_append(data, TYPE, NULL, 0, body, VDAGENT_MAX_BODY_BYTES + 1);
	vdagent_message_append(data, TYPE + 1, NULL, 0, body, 3);
	assert_int_equal(feed(&reader, data, &note), 0);
	assert_int_equal(note.count, 1);
	assert_int_equal(note.type, TYPE + 1);
	/* one that is announced and does not come costs nothing */
	g_byte_array_set_size(data, 0);
	vdagent_message_append(data, TYPE, NULL, 0, body, VDAGENT_MAX_BODY_BYTES);
	g_byte_array_set_size(data, VDAGENT_CHUNK_HEAD_BYTES + VDAGENT_MESSAGE_HEAD_BYTES);
	assert_int_equal(feed(&reader, data, &note), 0);
	assert_int_equal(reader.body->len, 0);
	vdagent_reader_clear(&reader);
	assert_int_equal(note.count, 1);
}

/* The rest of a message that another has begun to read, another port's messages, and no chunks at all. */
static void
test_vdagent_message__finds_its_way_back(void **state)
{
	static const uint8_t rest[50] = "the end of somebody's clipboard";
	static const uint8_t nonsense[8] = { 9 };
	g_autoptr(GByteArray) data = g_byte_array_new();
	g_autoptr(GByteArray) other = g_byte_array_new();
	struct vdagent_reader reader = { 0 };
	struct note note = { 0 };

	(void)state;
	append_chunk(data, VDAGENT_PORT_CLIENT, rest, sizeof(rest));
	vdagent_message_append(other, TYPE, NULL, 0, rest, 3);
	append_chunk(data, VDAGENT_PORT_SERVER, other->data + VDAGENT_CHUNK_HEAD_BYTES,
		     other->len - VDAGENT_CHUNK_HEAD_BYTES);
	assert_int_equal(feed(&reader, data, &note), 0);
	assert_int_equal(note.count, 0);
	/* two messages in one chunk */
	g_byte_array_set_size(data, 0);
	g_byte_array_append(data, other->data + VDAGENT_CHUNK_HEAD_BYTES,
			    other->len - VDAGENT_CHUNK_HEAD_BYTES);
	g_byte_array_append(data, other->data + VDAGENT_CHUNK_HEAD_BYTES,
			    other->len - VDAGENT_CHUNK_HEAD_BYTES);
	g_byte_array_set_size(other, 0);
	append_chunk(other, VDAGENT_PORT_CLIENT, data->data, data->len);
	assert_int_equal(feed(&reader, other, &note), 0);
	assert_int_equal(note.count, 2);
	assert_int_equal(
		vdagent_reader_feed(&reader, nonsense, sizeof(nonsense), note_message, &note),
		-EPROTO);
	assert_int_equal(feed(&reader, other, &note), -EPROTO);
	assert_int_equal(note.count, 2);
	vdagent_reader_clear(&reader);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vdagent_message__reads_what_it_writes),
		cmocka_unit_test(test_vdagent_message__writes_small_chunks),
		cmocka_unit_test(test_vdagent_message__leaves_out_what_is_too_long),
		cmocka_unit_test(test_vdagent_message__finds_its_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
