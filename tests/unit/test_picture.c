/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_picture.c - a PNG holds the pixels that were given, and what lies about its size is refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/picture.h"

#define WIDTH	    3
#define HEIGHT	    2
#define STRIDE	    16
#define HEADER_SIZE 33 /* signature and IHDR with its length, type and checksum */
#define MAX_FILE    4096

static int
make_pixels(gsize bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	guint8 pixels[STRIDE * HEIGHT];

	for (gsize i = 0; i < sizeof(pixels); i++)
		pixels[i] = (guint8)(i * 7);
	assert_int_equal(write(fd, pixels, bytes), bytes);
	return fd;
}

static guint32
get_u32(const guint8 *at)
{
	guint32 big;

	memcpy(&big, at, sizeof(big));
	return GUINT32_FROM_BE(big);
}

static void
inflate(const guint8 *data, gsize size, guint8 *ret_rows, gsize rows_size)
{
	g_autoptr(GZlibDecompressor) zlib = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
	gsize read;
	gsize written;

	assert_int_equal(g_converter_convert(G_CONVERTER(zlib), data, size, ret_rows, rows_size,
					     G_CONVERTER_INPUT_AT_END, &read, &written, NULL),
			 G_CONVERTER_FINISHED);
	assert_int_equal(written, rows_size);
}

static void
test_picture__holds_the_pixels(void **state)
{
	/* What every PNG ends with, its checksum included. */
	static const guint8 end[] = { 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82 };
	struct picture picture = { make_pixels(STRIDE * HEIGHT), WIDTH, HEIGHT, STRIDE };
	int file = memfd_create("png", MFD_CLOEXEC);
	guint8 rows[HEIGHT][1 + 3 * WIDTH];
	guint8 png[MAX_FILE];
	ssize_t size;

	(void)state;
	assert_true(picture_write_png(&picture, file, NULL));
	size = pread(file, png, sizeof(png), 0);
	assert_true(size > HEADER_SIZE && size < MAX_FILE);
	assert_memory_equal(png, "\211PNG\r\n\032\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2\10\2\0\0\0", 29);
	assert_memory_equal(png + size - sizeof(end), end, sizeof(end));
	assert_memory_equal(png + HEADER_SIZE + 4, "IDAT", 4);
	inflate(png + HEADER_SIZE + 8, get_u32(png + HEADER_SIZE), rows[0], sizeof(rows));
	for (gsize y = 0; y < HEIGHT; y++) {
		assert_int_equal(rows[y][0], 0);
		for (gsize x = 0; x < WIDTH; x++)
			for (gsize color = 0; color < 3; color++)
				assert_int_equal(rows[y][1 + 3 * x + color],
						 (guint8)((y * STRIDE + 4 * x + 2 - color) * 7));
	}
	close(picture.fd);
	close(file);
}

static const struct {
	guint32 width;
	guint32 height;
	guint32 stride;
	gsize bytes;
} lies[] = {
	{ 0, 2, 16, 32 },	{ 3, 0, 16, 32 },	   { 3, 2, 8, 32 },
	{ 8193, 1, 40000, 32 }, { 1, 8193, 4, 32 },	   { 3, 2, 16, 27 },
	{ 3, 2, 16, 0 },	{ G_MAXUINT32, 1, 4, 32 }, { 3, 2, G_MAXUINT32, 32 },
};

static void
test_picture__refuses_what_is_none(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
		struct picture picture = { make_pixels(lies[i].bytes), lies[i].width,
					   lies[i].height, lies[i].stride };
		int file = memfd_create("png", MFD_CLOEXEC);
		g_autoptr(GError) error = NULL;

		assert_false(picture_write_png(&picture, file, &error));
		assert_non_null(error);
		assert_int_equal(lseek(file, 0, SEEK_END), 0);
		close(picture.fd);
		close(file);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_picture__holds_the_pixels),
		cmocka_unit_test(test_picture__refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
