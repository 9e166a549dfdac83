/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rfb_client.c - a VNC client, byte by byte
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "base/io.h"
#include "tests/unit/rfb_client.h"

void
rfb_client_read(int fd, void *data, size_t size)
{
	assert_int_equal(io_read_full(fd, data, size), 0);
}

void
rfb_client_write(int fd, const void *data, size_t size)
{
	assert_int_equal(io_write_full(fd, data, size), 0);
}

void
rfb_client_skip(int fd, size_t size)
{
	g_autofree uint8_t *data = g_malloc(size);

	rfb_client_read(fd, data, size);
}

void
rfb_client_greet(int fd, const int32_t *encodings, size_t n_encodings, uint16_t ret_size[2])
{
	uint8_t set[4 + 4 * RFB_CLIENT_MAX_ENCODINGS] = { 2, 0, 0, (uint8_t)n_encodings };
	char version[12];
	uint8_t types[2];
	uint8_t init[24];

	assert_in_range(n_encodings, 0, RFB_CLIENT_MAX_ENCODINGS);
	rfb_client_read(fd, version, sizeof(version));
	assert_memory_equal(version, "RFB 003.008\n", sizeof(version));
	rfb_client_write(fd, version, sizeof(version));
	rfb_client_read(fd, types, sizeof(types));
	assert_int_equal(types[0], 1);
	assert_int_equal(types[1], 1); /* none */
	rfb_client_write(fd, "\1", 1);
	rfb_client_skip(fd, 4);
	rfb_client_write(fd, "\1", 1);
	rfb_client_read(fd, init, sizeof(init));
	ret_size[0] = (uint16_t)(init[0] << 8 | init[1]);
	ret_size[1] = (uint16_t)(init[2] << 8 | init[3]);
	rfb_client_skip(fd, (size_t)init[23] + (size_t)init[22] * 256);
	for (size_t i = 0; i < n_encodings; i++) {
		uint32_t wire = GUINT32_TO_BE((uint32_t)encodings[i]);

		memcpy(set + 4 + 4 * i, &wire, 4);
	}
	rfb_client_write(fd, set, 4 + 4 * n_encodings);
}
