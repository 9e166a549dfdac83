/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_state.c - a desktop's life goes forward only
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/desktop_state.h"

/*
 * One row a state, one column a next state: forking identifying ready assigned active disconnected suspending suspended
 * resuming exporting exported arriving retiring gone failed unread
 */
static const char *const table[DESKTOP_STATE_COUNT] = {
	".x....xx.xxxx.xx", "..x.........x.x.", "...x..x.....x.x.", "....x.x.....x.x.",
	".....xx.....x.x.", "....x.x.....x.x.", ".x.....x....x.x.", "........xx..x...",
	".x.....x....x.x.", ".......x..x.x...", "...........xx...", ".......x..x.x...",
	".............x..", "................", "............x...", "................",
};

static void
test_desktop_state__changes_as_documented(void **state)
{
	(void)state;
	for (int from = 0; from < DESKTOP_STATE_COUNT; from++)
		for (int to = 0; to < DESKTOP_STATE_COUNT; to++)
			assert_int_equal(desktop_state_may_change(from, to),
					 table[from][to] == 'x');
}

static void
test_desktop_state__has_protocol_names(void **state)
{
	(void)state;
	assert_string_equal(desktop_state_name(DESKTOP_STATE_FORKING), "forking");
	assert_string_equal(desktop_state_name(DESKTOP_STATE_FAILED), "failed");
	assert_string_equal(desktop_state_name(DESKTOP_STATE_SUSPENDED), "suspended");
	assert_true(desktop_state_lives(DESKTOP_STATE_DISCONNECTED));
	assert_string_equal(desktop_state_name(DESKTOP_STATE_ARRIVING), "arriving");
	assert_true(desktop_state_lives(DESKTOP_STATE_SUSPENDED));
	assert_false(desktop_state_lives(DESKTOP_STATE_RETIRING));
	assert_string_equal(desktop_state_name(DESKTOP_STATE_UNREAD), "suspended");
	assert_false(desktop_state_lives(DESKTOP_STATE_UNREAD));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desktop_state__changes_as_documented),
		cmocka_unit_test(test_desktop_state__has_protocol_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
