/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_edid.c - monitors of all sizes, read back as a guest's kernel reads them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/proto_source.h"
#include "vmm/edid.h"

static uint8_t
sum(const uint8_t *bytes, size_t count)
{
	uint8_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += bytes[i];
	return total;
}

struct mode {
	uint32_t width, height, h_total, v_total;
	uint64_t clock_hz;
};

/* E-EDID 1.4 section 3.10.2. */
static struct mode
read_detailed(const uint8_t *d)
{
	struct mode mode = {
		.width = d[2] | (d[4] & 0xf0U) << 4,
		.height = d[5] | (d[7] & 0xf0U) << 4,
		.clock_hz = (d[0] | (uint64_t)d[1] << 8) * 10000,
	};

	mode.h_total = mode.width + (d[3] | (d[4] & 0xfU) << 8);
	mode.v_total = mode.height + (d[6] | (d[7] & 0xfU) << 8);
	return mode;
}

/* DisplayID 1.3 section 4.4.2. */
static struct mode
read_type_1(const uint8_t *d)
{
	struct mode mode = {
		.width = (d[4] | d[5] << 8) + 1U,
		.height = (d[12] | d[13] << 8) + 1U,
		.clock_hz = (1 + (d[0] | (uint64_t)d[1] << 8 | (uint64_t)d[2] << 16)) * 10000,
	};

	mode.h_total = mode.width + (d[6] | d[7] << 8) + 1U;
	mode.v_total = mode.height + (d[14] | d[15] << 8) + 1U;
	return mode;
}

static const uint8_t *
find_type_1(const uint8_t *extension)
{
	const uint8_t *section = extension + 1;

	assert_int_equal(extension[0], 0x70);
	assert_int_equal(sum(section, section[1] + 5U), 0);
	for (size_t at = 4; at < section[1] + 4U; at += section[at + 2] + 3U)
		if (section[at] == 0x03)
			return section + at + 3;
	fail_msg("no type I timing");
	return NULL;
}

static const struct {
	uint32_t width, height;
	size_t bytes;
} size_table[] = {
	{ 1024, 768, 128 },
	{ 1920, 1080, 128 },
	{ 1928, 1081, 128 },
	{ SOURCE_MIN_SIZE, SOURCE_MIN_SIZE, 128 },
	{ 4095, 2160, 128 },
	{ 4096, 2160, 256 },
	{ 2160, 4096, 256 },
	{ 4000, 4000, 256 }, /* too many pixels a second for a detailed timing */
	{ SOURCE_MAX_WIDTH, SOURCE_MAX_HEIGHT, 256 },
};

static void
test_edid__prefers_the_size_that_is_wanted(void **state)
{
	static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(size_table) / sizeof(size_table[0]); i++) {
		uint8_t edid[EDID_MAX_BYTES];
		size_t bytes = edid_make(size_table[i].width, size_table[i].height, 1, edid);
		struct mode mode = read_detailed(edid + 54);
		uint64_t pixels;

		assert_int_equal(bytes, size_table[i].bytes);
		assert_memory_equal(edid, header, sizeof(header));
		assert_int_equal(sum(edid, 128), 0);
		assert_int_equal(edid[126], bytes / 128 - 1);
		if (bytes > 128) {
			assert_int_equal(mode.width, 1024);
			assert_int_equal(sum(edid + 128, 128), 0);
			mode = read_type_1(find_type_1(edid + 128));
		}
		assert_int_equal(mode.width, size_table[i].width);
		assert_int_equal(mode.height, size_table[i].height);
		pixels = (uint64_t)mode.h_total * mode.v_total;
		/* 60 frames a second, as exactly as 10 kHz can say it. */
		assert_in_range(mode.clock_hz, pixels * 60 - 10000, pixels * 60);
	}
}

static void
test_edid__names_each_monitor(void **state)
{
	uint8_t first[EDID_MAX_BYTES];
	uint8_t second[EDID_MAX_BYTES];

	(void)state;
	edid_make(1024, 768, 0, first);
	edid_make(1024, 768, 3, second);
	assert_memory_equal(first + 72, "\0\0\0\xfc\0Carrel\n      ", 18);
	assert_memory_equal(first + 90, "\0\0\0\xff\0head-0\n      ", 18);
	assert_memory_equal(second + 90, "\0\0\0\xff\0head-3\n      ", 18);
	assert_int_not_equal(first[12], second[12]);
	assert_int_equal(sum(second, 128), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edid__prefers_the_size_that_is_wanted),
		cmocka_unit_test(test_edid__names_each_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
