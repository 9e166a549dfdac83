/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_surface.c - what a source may say, and how damage is joined
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>

#include "display/surface.h"

static uint8_t pixels[64 * 64 * 4];

static void
count_change(void *context)
{
	++*(int *)context;
}

static const struct {
	uint32_t width, height, stride, format;
	size_t size;
	int result;
} scanouts[] = {
	{ 16, 16, 64, SURFACE_FORMAT_X8R8G8B8, 1024, 0 },
	{ 16, 16, 80, SURFACE_FORMAT_X8R8G8B8, 80 * 15 + 64, 0 },
	{ 16, 16, 32, SURFACE_FORMAT_R5G6B5, 512, 0 },
	{ 16, 16, 63, SURFACE_FORMAT_X8R8G8B8, 1024, -EINVAL },
	{ 16, 16, 64, SURFACE_FORMAT_X8R8G8B8, 1023, -EINVAL },
	{ 16, 16, 64, 0x1234, 1024, -EINVAL },
	{ 0, 16, 64, SURFACE_FORMAT_X8R8G8B8, 1024, -EINVAL },
	{ 8193, 1, 8193 * 4, SURFACE_FORMAT_X8R8G8B8, 8193 * 4, -E2BIG },
	{ 4096, 8192, 0xffffffff, SURFACE_FORMAT_X8R8G8B8, 1024, -EINVAL },
};

static void
test_surface__checks_scanouts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scanouts) / sizeof(scanouts[0]); i++) {
		int changes = 0;
		struct surface *surface = surface_new(count_change, &changes);
		struct surface_pixels source = { scanouts[i].stride, scanouts[i].format, pixels,
						 scanouts[i].size };

		assert_int_equal(surface_set_scanout(surface, scanouts[i].width, scanouts[i].height,
						     &source),
				 scanouts[i].result);
		assert_int_equal(changes, scanouts[i].result == 0);
		surface_free(surface);
	}
}

static void
test_surface__joins_damage(void **state)
{
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct surface_pixels source = { 256, SURFACE_FORMAT_X8R8G8B8, pixels, sizeof(pixels) };
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	assert_int_equal(surface_set_scanout(surface, 64, 64, &source), 0);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 0);
	for (uint32_t i = 0; i < 64; i += 2)
		for (uint32_t k = 0; k < 64; k += 2)
			assert_int_equal(surface_set_rect(surface,
							  &(struct damage_rect){ i, k, 1, 1 },
							  &source),
					 0);
	assert_in_range(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 1,
			DAMAGE_MAX_RECTS);
	assert_int_equal(surface_set_rect(surface, &(struct damage_rect){ 60, 0, 8, 1 }, &source),
			 -ERANGE);
	assert_int_equal(
		surface_set_rect(surface, &(struct damage_rect){ 0xffffffff, 0, 2, 1 }, &source),
		-ERANGE);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 0, rects), 0);
	surface_free(surface);
}

static void
test_surface__copies_only_its_generation(void **state)
{
	uint8_t out[16] = { 0 };
	struct surface_pixels source = { 256, SURFACE_FORMAT_X8R8G8B8, pixels, sizeof(pixels) };
	const struct damage_rect rect = { 1, 1, 2, 2 };
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * 7);
	surface_set_scanout(surface, 64, 64, &source);
	assert_int_equal(surface_copy_rect(surface, 1, &rect, out), 0);
	assert_memory_equal(out, pixels + 256 + 4, 8);
	assert_memory_equal(out + 8, pixels + 512 + 4, 8);
	assert_int_equal(surface_copy_rect(surface, 2, &rect, out), -ESTALE);
	surface_free(surface);
}

static void
test_surface__converts_565(void **state)
{
	static const uint8_t source[] = { 0x00, 0xf8, 0xe0, 0x07, 0x1f, 0x00, 0xff, 0xff };
	static const uint8_t expected[] = { 0,	 0, 255, 0, 0,	 255, 0,   0,
					    255, 0, 0,	 0, 255, 255, 255, 0 };
	struct surface_pixels data = { 8, SURFACE_FORMAT_R5G6B5, source, sizeof(source) };
	uint8_t out[sizeof(expected)];
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	assert_int_equal(surface_set_scanout(surface, 4, 1, &data), 0);
	assert_int_equal(surface_copy_rect(surface, 1, &(struct damage_rect){ 0, 0, 4, 1 }, out),
			 0);
	assert_memory_equal(out, expected, sizeof(out));
	assert_int_equal(surface_copy_rect(surface, 1, &(struct damage_rect){ 1, 0, 4, 1 }, out),
			 -EINVAL);
	surface_free(surface);
}

static void
test_surface__counts_generations(void **state)
{
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct surface_pixels source = { 256, SURFACE_FORMAT_X8R8G8B8, pixels, sizeof(pixels) };
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	assert_int_equal(surface_get_info(surface).width, 0);
	surface_set_black(surface); /* before there is a picture */
	surface_set_scanout(surface, 64, 64, &source);
	surface_set_scanout(surface, 64, 64, &source);
	assert_int_equal(surface_get_info(surface).generation, 1);
	surface_set_scanout(surface, 64, 32, &source);
	assert_int_equal(surface_get_info(surface).generation, 2);
	assert_int_equal(surface_get_info(surface).height, 32);
	/* The new picture is damaged as a whole, and only in its own generation. */
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 0);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 2, rects), 1);
	assert_int_equal(rects[0].width, 64);
	assert_int_equal(rects[0].height, 32);
	surface_free(surface);
}

static void
test_surface__keeps_the_cursor(void **state)
{
	struct surface_pixels shape = { 0, SURFACE_FORMAT_A8R8G8B8, pixels, 16 * 16 * 4 };
	struct surface_cursor cursor;
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	assert_int_equal(surface_set_cursor(surface, 16, 17, 0, 0, &shape), -EINVAL);
	assert_int_equal(surface_set_cursor(surface, 16, 16, 16, 0, &shape), -EINVAL);
	assert_int_equal(surface_set_cursor(surface, 0, 16, 0, 0, &shape), -EINVAL);
	assert_int_equal(surface_set_cursor(surface, 513, 1, 0, 0, &shape), -E2BIG);
	assert_int_equal(changes, 0);
	assert_int_equal(surface_set_cursor(surface, 16, 16, 3, 4, &shape), 0);
	surface_move_cursor(surface, INT32_MAX, INT32_MIN, true);
	surface_copy_cursor(surface, 0, &cursor);
	assert_non_null(cursor.argb);
	assert_memory_equal(cursor.argb, pixels, 16 * 16 * 4);
	assert_in_range(cursor.x, 0, 8192);
	assert_int_equal(cursor.y, -SURFACE_MAX_CURSOR);
	free(cursor.argb);
	surface_copy_cursor(surface, cursor.shape, &cursor);
	assert_null(cursor.argb); /* seen already */
	surface_free(surface);
}

/* 8 x 4 pixels, rows 64 bytes apart, as another process would share them. */
#define SHARED_STRIDE 64
#define SHARED_BYTES  (3 * SHARED_STRIDE + 8 * 4)

static uint8_t *
map_shared(void)
{
	void *mapped =
		mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mapped, MAP_FAILED);
	return mapped;
}

static void
test_surface__shows_shared_pixels_where_they_are(void **state)
{
	struct surface_pixels shared = { SHARED_STRIDE, SURFACE_FORMAT_X8R8G8B8, map_shared(),
					 SHARED_BYTES };
	uint8_t *writer = (uint8_t *)(uintptr_t)shared.data;
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	int changes = 0;
	int taken = 0;
	struct surface *surface = surface_new(count_change, &changes);
	uint8_t out[8];

	(void)state;
	assert_int_equal(surface_mark_rect(surface, &(struct damage_rect){ 0, 0, 1, 1 }), -EINVAL);
	surface_set_taken(surface, count_change, &taken);
	assert_int_equal(surface_set_shared(surface, 8, 4, &shared), 0);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_int_equal(rects[0].width * rects[0].height, 32);
	assert_int_equal(taken, 1);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 0);
	assert_int_equal(taken, 1); /* there was nothing */
	memcpy(writer + 3 * SHARED_STRIDE + 6 * 4, "abcdefgh", 8);
	assert_int_equal(surface_mark_rect(surface, &(struct damage_rect){ 6, 3, 2, 1 }), 0);
	assert_int_equal(surface_mark_rect(surface, &(struct damage_rect){ 7, 3, 2, 1 }), -ERANGE);
	assert_int_equal(changes, 2);
	assert_int_equal(surface_take_damage(surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_int_equal(surface_copy_rect(surface, 1, &rects[0], out), 0);
	assert_memory_equal(out, "abcdefgh", 8);
	/* Nobody may write through the surface into what is another's. */
	assert_int_equal(
		surface_set_rect(surface, &(struct damage_rect){ 0, 0, 1, 1 },
				 &(struct surface_pixels){ 4, SURFACE_FORMAT_X8R8G8B8, pixels, 4 }),
		-ERANGE);
	surface_set_black(surface);
	assert_int_equal(surface_copy_rect(surface, 1, &rects[0], out), 0);
	assert_memory_equal(out, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(surface_mark_rect(surface, &(struct damage_rect){ 0, 0, 1, 1 }), -EINVAL);
	surface_free(surface);
}

static void
test_surface__refuses_shared_pixels_that_do_not_fit(void **state)
{
	static const struct {
		uint32_t width, height, stride, format;
		size_t size;
		int result;
	} wrong[] = {
		{ 0, 4, 64, SURFACE_FORMAT_X8R8G8B8, SHARED_BYTES, -EINVAL },
		{ 8, 0, 64, SURFACE_FORMAT_X8R8G8B8, SHARED_BYTES, -EINVAL },
		{ 8, 4, 64, SURFACE_FORMAT_R5G6B5, SHARED_BYTES, -EINVAL },
		{ 8, 4, 31, SURFACE_FORMAT_X8R8G8B8, SHARED_BYTES, -EINVAL },
		{ 8, 4, 64, SURFACE_FORMAT_X8R8G8B8, SHARED_BYTES - 1, -EINVAL },
		{ 8, 4, 0xffffffff, SURFACE_FORMAT_X8R8G8B8, SHARED_BYTES, -EINVAL },
		{ 8, 8193, 64, SURFACE_FORMAT_X8R8G8B8, SHARED_BYTES, -E2BIG },
	};
	uint8_t *mapped = map_shared();
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct surface_pixels shared = { wrong[i].stride, wrong[i].format, mapped,
						 wrong[i].size };

		assert_int_equal(
			surface_set_shared(surface, wrong[i].width, wrong[i].height, &shared),
			wrong[i].result);
	}
	assert_int_equal(changes, 0);
	surface_free(surface);
	memset(mapped, 1, SHARED_BYTES); /* still the caller's */
	munmap(mapped, SHARED_BYTES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_surface__checks_scanouts),
		cmocka_unit_test(test_surface__joins_damage),
		cmocka_unit_test(test_surface__copies_only_its_generation),
		cmocka_unit_test(test_surface__converts_565),
		cmocka_unit_test(test_surface__counts_generations),
		cmocka_unit_test(test_surface__keeps_the_cursor),
		cmocka_unit_test(test_surface__shows_shared_pixels_where_they_are),
		cmocka_unit_test(test_surface__refuses_shared_pixels_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
