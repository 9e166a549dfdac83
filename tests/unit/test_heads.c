/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_heads.c - where a desktop's monitors stand
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "display/heads.h"

static void
test_heads__stand_side_by_side(void **state)
{
	struct heads heads = { .list = { { 9, 100, 50 }, { 9, 0, 70 }, { 9, 30, 60 } } };
	static const struct {
		uint32_t x, y;
		bool found;
		uint32_t head, head_x;
	} cases[] = {
		{ 0, 0, true, 0, 0 },	  { 99, 49, true, 0, 99 },
		{ 99, 50, false, 0, 0 },  { 100, 0, true, 2, 0 },
		{ 129, 59, true, 2, 29 }, { 129, 60, false, 0, 0 },
		{ 130, 0, false, 0, 0 },  { UINT32_MAX, UINT32_MAX, false, 0, 0 },
	};

	(void)state;
	heads_place(&heads);
	assert_int_equal(heads.width, 130);
	assert_int_equal(heads.height, 60);
	assert_int_equal(heads_count(&heads), 3);
	assert_int_equal(heads.list[1].height, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t head = 0;
		uint32_t head_x = 0;

		assert_int_equal(heads_find(&heads, cases[i].x, cases[i].y, &head, &head_x),
				 cases[i].found);
		assert_int_equal(head, cases[i].head);
		assert_int_equal(head_x, cases[i].head_x);
	}
}

static void
test_heads__too_many_pixels_stay_dark(void **state)
{
	struct heads heads = {
		.list = { { 0, 8192, 8192 }, { 0, 8000, 10 }, { 0, 193, 10 }, { 0, 192, 10 } },
	};
	struct heads none = { 0 };

	(void)state;
	heads_place(&heads);
	assert_int_equal(heads.width, HEADS_MAX_WIDTH);
	assert_int_equal(heads.list[2].width, 0);
	assert_int_equal(heads.list[3].x, 8192 + 8000);
	heads_place(&none);
	assert_int_equal(heads_count(&none), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads__stand_side_by_side),
		cmocka_unit_test(test_heads__too_many_pixels_stay_dark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
