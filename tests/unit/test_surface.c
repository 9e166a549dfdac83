/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_surface.c - what a source may say, and how damage is joined
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

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
	struct surface_rect rects[SURFACE_MAX_RECTS];
	struct surface_pixels source = { 256, SURFACE_FORMAT_X8R8G8B8, pixels, sizeof(pixels) };
	int changes = 0;
	struct surface *surface = surface_new(count_change, &changes);

	(void)state;
	assert_int_equal(surface_set_scanout(surface, 64, 64, &source), 0);
	assert_int_equal(surface_take_damage(surface, 1, rects), 1);
	assert_int_equal(surface_take_damage(surface, 1, rects), 0);
	for (uint32_t i = 0; i < 64; i += 2)
		for (uint32_t k = 0; k < 64; k += 2)
			assert_int_equal(surface_set_rect(surface,
							  &(struct surface_rect){ i, k, 1, 1 },
							  &source),
					 0);
	assert_in_range(surface_take_damage(surface, 1, rects), 1, SURFACE_MAX_RECTS);
	assert_int_equal(surface_set_rect(surface, &(struct surface_rect){ 60, 0, 8, 1 }, &source),
			 -EINVAL);
	assert_int_equal(
		surface_set_rect(surface, &(struct surface_rect){ 0xffffffff, 0, 2, 1 }, &source),
		-EINVAL);
	assert_int_equal(surface_take_damage(surface, 0, rects), 0);
	surface_free(surface);
}

static void
test_surface__copies_only_its_generation(void **state)
{
	uint8_t out[16] = { 0 };
	struct surface_pixels source = { 256, SURFACE_FORMAT_X8R8G8B8, pixels, sizeof(pixels) };
	const struct surface_rect rect = { 1, 1, 2, 2 };
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_surface__checks_scanouts),
		cmocka_unit_test(test_surface__joins_damage),
		cmocka_unit_test(test_surface__copies_only_its_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
