/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_damage.c - the list of changed rectangles covers all that was added, and never grows
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/damage.h"

#define SIDE 64

static const struct {
	struct damage_rect rect;
	bool fits;
} fits_table[] = {
	{ { 0, 0, 100, 50 }, true },	    { { 99, 49, 1, 1 }, true },
	{ { 0, 0, 101, 50 }, false },	    { { 0, 0, 100, 51 }, false },
	{ { 1, 0, 100, 50 }, false },	    { { 0, 0, 0, 1 }, false },
	{ { 0, 0, 1, 0 }, false },	    { { 0xffffffff, 0, 2, 1 }, false },
	{ { 0, 0xffffffff, 1, 2 }, false }, { { 100, 0, 1, 1 }, false },
	{ { 1, 1, 0xffffffff, 1 }, false }, { { 2, 2, 1, 0xffffffff }, false },
};

static void
test_damage__tells_what_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fits_table) / sizeof(fits_table[0]); i++)
		assert_int_equal(damage_rect_fits(&fits_table[i].rect, 100, 50),
				 fits_table[i].fits);
}

static bool
covers(const struct damage *damage, uint32_t x, uint32_t y)
{
	for (size_t i = 0; i < damage->count; i++) {
		const struct damage_rect *rect = &damage->rects[i];

		if (x >= rect->x && x < rect->x + rect->width && y >= rect->y &&
		    y < rect->y + rect->height)
			return true;
	}
	return false;
}

static void
test_damage__covers_all_that_was_added(void **state)
{
	bool changed[SIDE][SIDE] = { { false } };
	struct damage damage = { 0 };

	(void)state;
	srand(1);
	for (int i = 0; i < 500; i++) {
		uint32_t x = (uint32_t)rand() % SIDE;
		uint32_t y = (uint32_t)rand() % SIDE;
		struct damage_rect rect = { x, y, 1 + (uint32_t)rand() % (SIDE - x) / 4,
					    1 + (uint32_t)rand() % (SIDE - y) / 4 };

		damage_add(&damage, &rect);
		for (uint32_t k = 0; k < rect.width * rect.height; k++)
			changed[y + k / rect.width][x + k % rect.width] = true;
		assert_in_range(damage.count, 1, DAMAGE_MAX_RECTS);
		for (size_t k = 0; k < damage.count; k++)
			assert_true(damage_rect_fits(&damage.rects[k], SIDE, SIDE));
		for (uint32_t k = 0; k < SIDE * SIDE; k++)
			assert_true(!changed[k / SIDE][k % SIDE] ||
				    covers(&damage, k % SIDE, k / SIDE));
	}
}

static void
test_damage__joins_what_is_near_and_keeps_apart_what_is_far(void **state)
{
	struct damage damage = { 0 };

	(void)state;
	damage_add(&damage, &(struct damage_rect){ 0, 0, 10, 10 });
	damage_add(&damage, &(struct damage_rect){ 10, 0, 10, 10 });
	damage_add(&damage, &(struct damage_rect){ 5, 5, 2, 2 });
	assert_int_equal(damage.count, 1);
	assert_int_equal(damage.rects[0].width, 20);
	damage_add(&damage, &(struct damage_rect){ 1000, 1000, 10, 10 });
	assert_int_equal(damage.count, 2);
	damage_add_all(&damage, 2000, 1500);
	assert_int_equal(damage.count, 1);
	assert_int_equal(damage.rects[0].height, 1500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage__tells_what_fits),
		cmocka_unit_test(test_damage__covers_all_that_was_added),
		cmocka_unit_test(test_damage__joins_what_is_near_and_keeps_apart_what_is_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
