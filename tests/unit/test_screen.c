/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_screen.c - what xrandr says
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/screen.h"

static void
test_screen__query_table(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "Screen 0: minimum 320 x 200, current 1280 x 800, maximum 8192 x 8192\n"
		  "None-1 disconnected\nVirtual-1 connected primary 1280x800+0+0\n   1280x800 60\n",
		  true },
		{ "Screen 0: minimum 320 x 200, current 1280 x 800, maximum 8192 x 8192\n"
		  "Virtual-1 disconnected\n",
		  false },
		{ "Screen 0: current big\nVirtual-1 connected\n", false },
		{ "Can't open display :0\n", false },
		{ "", false },
	};
	char output[SCREEN_OUTPUT_SIZE];
	int width;
	int height;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(screen_parse_query(rows[i].text, &width, &height, output),
				 rows[i].good);
	assert_true(screen_parse_query(rows[0].text, &width, &height, output));
	assert_string_equal(output, "Virtual-1");
	assert_int_equal(width, 1280);
	assert_int_equal(height, 800);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_screen__query_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
