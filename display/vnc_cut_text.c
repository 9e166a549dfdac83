/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_cut_text.c - RFB's ClientCutText and ServerCutText (carrel-display)
 *
 * How it works: an extended message has a negative length, and a body that begins with flags. A provided text is compressed with zlib:
 * its size, and the text with a zero behind it. It counts only when the compressed bytes yield as much as it claims.
 */
#include "display/vnc_cut_text.h"

#include <gio/gio.h>
#include <string.h>

#define SERVER_CUT_TEXT 3
#define FLAGS_BYTES	4
#define FORMATS		16 /* the lower half of the flags */
#define ACTIONS		(VNC_CUT_CAPS | VNC_CUT_REQUEST | VNC_CUT_PEEK | VNC_CUT_NOTIFY | VNC_CUT_PROVIDE)

static uint32_t
vnc_cut_read_u32(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void
vnc_cut_append_u32(GByteArray *target, uint32_t value)
{
	uint32_t wire = GUINT32_TO_BE(value);

	g_byte_array_append(target, (const uint8_t *)&wire, sizeof(wire));
}

/* "\r\n" and "\r" become "\n". */
static void
vnc_cut_unify_lines(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\r' && from[1] == '\n')
			continue;
		*to++ = *from == '\r' ? '\n' : *from;
	}
	*to = '\0';
}

uint32_t
vnc_cut_text_read_head(const uint8_t head[VNC_CUT_TEXT_HEAD_BYTES], bool *ret_extended)
{
	uint32_t length = vnc_cut_read_u32(head + 3);

	*ret_extended = length > INT32_MAX;
	return *ret_extended ? -length : length;
}

char *
vnc_cut_text_read_plain(const uint8_t *body, size_t size)
{
	GString *text = g_string_sized_new(size);

	for (size_t i = 0; i < size && body[i]; i++)
		g_string_append_unichar(text, body[i]);
	vnc_cut_unify_lines(text->str);
	return g_string_free(text, FALSE);
}

/* Exactly so many bytes; false when there are fewer. */
static bool
vnc_cut_inflate(GConverter *inflater, const uint8_t **body, size_t *size, void *target,
		size_t target_bytes)
{
	size_t done = 0;

	while (done < target_bytes) {
		gsize n_read, n_written;
		GConverterResult result = g_converter_convert(
			inflater, *body, *size, (char *)target + done, target_bytes - done,
			G_CONVERTER_NO_FLAGS, &n_read, &n_written, NULL);

		if (result == G_CONVERTER_ERROR)
			return false;
		*body += n_read;
		*size -= n_read;
		done += n_written;
		if (result == G_CONVERTER_FINISHED)
			break;
	}
	return done == target_bytes;
}

static char *
vnc_cut_read_provided(const uint8_t *body, size_t size)
{
	g_autoptr(GConverter) inflater =
		G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB));
	g_autofree char *text = NULL;
	uint8_t wire[4];
	uint32_t text_bytes;

	if (!vnc_cut_inflate(inflater, &body, &size, wire, sizeof(wire)))
		return NULL;
	text_bytes = vnc_cut_read_u32(wire);
	if (text_bytes > VNC_CUT_TEXT_MAX_BYTES)
		return NULL;
	text = g_malloc(text_bytes + 1);
	if (!vnc_cut_inflate(inflater, &body, &size, text, text_bytes))
		return NULL;
	text[text_bytes] = '\0';
	if (!g_utf8_validate(text, -1, NULL))
		return NULL;
	vnc_cut_unify_lines(text);
	return g_steal_pointer(&text);
}

/* A size for each format that it names. */
static uint32_t
vnc_cut_read_caps(uint32_t flags, const uint8_t *body, size_t size, struct vnc_cut_caps *ret_caps)
{
	size_t n_sizes = 0;

	for (uint32_t i = 0; i < FORMATS; i++)
		n_sizes += flags >> i & 1;
	if (size != 4 * n_sizes)
		return 0;
	ret_caps->flags = flags;
	ret_caps->max_unasked_bytes = flags & VNC_CUT_TEXT ? vnc_cut_read_u32(body) : 0;
	return VNC_CUT_CAPS;
}

uint32_t
vnc_cut_text_read_extended(const uint8_t *body, size_t size, struct vnc_cut_caps *ret_caps,
			   char **ret_text)
{
	uint32_t flags = size >= FLAGS_BYTES ? vnc_cut_read_u32(body) : 0;

	*ret_text = NULL;
	if (flags & VNC_CUT_CAPS)
		return vnc_cut_read_caps(flags, body + FLAGS_BYTES, size - FLAGS_BYTES, ret_caps);
	switch (flags & ACTIONS) {
	case VNC_CUT_PEEK:
		return VNC_CUT_PEEK;
	case VNC_CUT_REQUEST:
		return flags & VNC_CUT_TEXT ? VNC_CUT_REQUEST : 0;
	case VNC_CUT_PROVIDE:
		if (flags & VNC_CUT_TEXT)
			*ret_text = vnc_cut_read_provided(body + FLAGS_BYTES, size - FLAGS_BYTES);
		return VNC_CUT_PROVIDE;
	default:
		return 0;
	}
}

/* The length is negative when a message is extended. */
static GByteArray *
vnc_cut_begin_message(uint32_t length)
{
	static const uint8_t head[] = { SERVER_CUT_TEXT, 0, 0, 0 };
	GByteArray *message = g_byte_array_new();

	g_byte_array_append(message, head, sizeof(head));
	vnc_cut_append_u32(message, length);
	return message;
}

GByteArray *
vnc_cut_text_make_plain(const char *text)
{
	g_autoptr(GByteArray) body = g_byte_array_new();
	GByteArray *message;

	for (const char *at = text; *at; at = g_utf8_next_char(at)) {
		gunichar letter = g_utf8_get_char(at);
		uint8_t byte = letter < 0x100 ? (uint8_t)letter : '?';

		g_byte_array_append(body, &byte, 1);
	}
	message = vnc_cut_begin_message(body->len);
	if (body->len > 0)
		g_byte_array_append(message, body->data, body->len);
	return message;
}

GByteArray *
vnc_cut_text_make_notify(bool has_text)
{
	GByteArray *message = vnc_cut_begin_message(-(uint32_t)FLAGS_BYTES);

	vnc_cut_append_u32(message, VNC_CUT_NOTIFY | (has_text ? VNC_CUT_TEXT : 0));
	return message;
}

/* The size, the text with "\r\n" for "\n", and a zero. */
static GByteArray *
vnc_cut_make_provided(const char *text)
{
	GByteArray *plain = g_byte_array_new();
	uint32_t text_bytes;

	vnc_cut_append_u32(plain, 0);
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			g_byte_array_append(plain, (const uint8_t *)"\r", 1);
		g_byte_array_append(plain, (const uint8_t *)at, 1);
	}
	g_byte_array_append(plain, (const uint8_t *)"", 1);
	text_bytes = GUINT32_TO_BE(plain->len - (uint32_t)sizeof(text_bytes));
	memcpy(plain->data, &text_bytes, sizeof(text_bytes));
	return plain;
}

GByteArray *
vnc_cut_text_make_provide(const char *text)
{
	g_autoptr(GByteArray) plain = vnc_cut_make_provided(text);
	g_autoptr(GConverter) deflater =
		G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, -1));
	g_autoptr(GByteArray) body = g_byte_array_new();
	size_t used = 0;
	GConverterResult result;
	GByteArray *message;

	vnc_cut_append_u32(body, VNC_CUT_PROVIDE | VNC_CUT_TEXT);
	do {
		uint8_t part[4096];
		gsize n_read = 0, n_written = 0;

		result = g_converter_convert(deflater, plain->data + used, plain->len - used, part,
					     sizeof(part), G_CONVERTER_INPUT_AT_END, &n_read,
					     &n_written, NULL);
		g_byte_array_append(body, part, (guint)n_written);
		used += n_read;
	} while (result == G_CONVERTER_CONVERTED);
	message = vnc_cut_begin_message(-body->len);
	g_byte_array_append(message, body->data, body->len);
	return message;
}
