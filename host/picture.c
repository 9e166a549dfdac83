/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture.c - a guest's picture as PNG (carrel-hostd)
 *
 * How it works: rows are read with pread(2), for a mapping of another process's memfd may end under our hands; turned into
 * R, G, B behind PNG's filter byte 0; and compressed by GIO's zlib. The file is a signature and three chunks
 * (PNG, third edition, sections 5.2, 5.3, 11.2): IHDR, IDAT, IEND.
 */
#include "host/picture.h"

#include <string.h>

#include "base/io.h"
#include "base/proto_source.h"

#define COMPRESSION 1
#define CRC_MASK    0xffffffffu

static guint32
picture_update_crc(guint32 crc, const guint8 *data, gsize size)
{
	for (gsize i = 0; i < size; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return crc;
}

static void
picture_put_u32(GByteArray *bytes, guint32 value)
{
	guint32 big = GUINT32_TO_BE(value);

	g_byte_array_append(bytes, (const guint8 *)&big, sizeof(big));
}

static void
picture_put_chunk(GByteArray *file, const char *type, const guint8 *data, gsize size)
{
	guint32 crc = picture_update_crc(CRC_MASK, (const guint8 *)type, 4);

	picture_put_u32(file, (guint32)size);
	g_byte_array_append(file, (const guint8 *)type, 4);
	if (size > 0)
		g_byte_array_append(file, data, (guint)size);
	picture_put_u32(file, picture_update_crc(crc, data, size) ^ CRC_MASK);
}

static void
picture_put_header(GByteArray *file, const struct picture *picture)
{
	static const guint8 signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	/* 8 bits a sample, RGB, deflate, filters by row, not interlaced */
	static const guint8 format[] = { 8, 2, 0, 0, 0 };
	g_autoptr(GByteArray) header = g_byte_array_new();

	picture_put_u32(header, picture->width);
	picture_put_u32(header, picture->height);
	g_byte_array_append(header, format, sizeof(format));
	g_byte_array_append(file, signature, sizeof(signature));
	picture_put_chunk(file, "IHDR", header->data, header->len);
}

static gboolean
picture_read_row(const struct picture *picture, guint32 y, guint8 *pixels)
{
	gsize size = (gsize)picture->width * 4;
	off_t at = (off_t)y * picture->stride;

	for (gsize done = 0; done < size;) {
		ssize_t got = pread(picture->fd, pixels + done, size - done, at + (off_t)done);

		if (got <= 0)
			return FALSE;
		done += (gsize)got;
	}
	return TRUE;
}

static gboolean
picture_write_row(const struct picture *picture, guint32 y, guint8 *pixels, guint8 *row,
		  GOutputStream *out, GError **error)
{
	if (!picture_read_row(picture, y, pixels)) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
				    "the picture is shorter than it says");
		return FALSE;
	}
	row[0] = 0;
	for (gsize x = 0; x < picture->width; x++) {
		row[1 + 3 * x] = pixels[4 * x + 2];
		row[2 + 3 * x] = pixels[4 * x + 1];
		row[3 + 3 * x] = pixels[4 * x];
	}
	return g_output_stream_write_all(out, row, 1 + 3 * (gsize)picture->width, NULL, NULL,
					 error);
}

static GBytes *
picture_compress(const struct picture *picture, GError **error)
{
	g_autoptr(GOutputStream) memory = g_memory_output_stream_new_resizable();
	g_autoptr(GZlibCompressor) zlib =
		g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, COMPRESSION);
	g_autoptr(GOutputStream) out = g_converter_output_stream_new(memory, G_CONVERTER(zlib));
	g_autofree guint8 *pixels = g_malloc((gsize)picture->width * 4);
	g_autofree guint8 *row = g_malloc(1 + 3 * (gsize)picture->width);

	for (guint32 y = 0; y < picture->height; y++)
		if (!picture_write_row(picture, y, pixels, row, out, error))
			return NULL;
	if (!g_output_stream_close(out, NULL, error))
		return NULL;
	return g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(memory));
}

gboolean
picture_write_png(const struct picture *picture, int file, GError **error)
{
	g_autoptr(GByteArray) png = g_byte_array_new();
	g_autoptr(GBytes) data = NULL;
	int result;

	if (picture->width == 0 || picture->width > SOURCE_MAX_WIDTH || picture->height == 0 ||
	    picture->height > SOURCE_MAX_HEIGHT || picture->stride / 4 < picture->width) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "%u x %u is no picture's size", picture->width, picture->height);
		return FALSE;
	}
	data = picture_compress(picture, error);
	if (!data)
		return FALSE;
	picture_put_header(png, picture);
	picture_put_chunk(png, "IDAT", g_bytes_get_data(data, NULL), g_bytes_get_size(data));
	picture_put_chunk(png, "IEND", NULL, 0);
	result = io_write_full(file, png->data, png->len);
	if (result < 0)
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result),
			    "cannot write the picture: %s", g_strerror(-result));
	return result == 0;
}
