/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_spice_buttons.c - button states become presses and releases
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "display/spice_buttons.h"

struct log {
	char text[64]; /* "L" left down, "l" left up, ... */
};

static void
note(void *context, enum source_button button, bool down)
{
	static const char names[SOURCE_BUTTON_COUNT][2] = {
		"Ll", "Mm", "Rr", "Uu", "Dd", "Ss", "Ee"
	};
	struct log *log = context;
	size_t length = strlen(log->text);

	assert_in_range(button, 0, SOURCE_BUTTON_COUNT - 1);
	log->text[length] = names[button][down ? 0 : 1];
}

static void
test_spice_buttons__tells_changes_only(void **state)
{
	struct spice_buttons buttons = { 0 };
	struct log log = { "" };

	(void)state;
	spice_buttons_set(&buttons, 0x01, note, &log);
	spice_buttons_set(&buttons, 0x01, note, &log);
	spice_buttons_set(&buttons, 0x03, note, &log);
	spice_buttons_set(&buttons, 0x06, note, &log);
	spice_buttons_set(&buttons, 0xc0, note, &log);
	spice_buttons_set(&buttons, 0, note, &log);
	assert_string_equal(log.text, "LRlMmrSEse");
}

static void
test_spice_buttons__turns_the_wheel(void **state)
{
	struct spice_buttons buttons = { 0 };
	struct log log = { "" };

	(void)state;
	spice_buttons_turn(&buttons, 0, 0x01, note, &log); /* a click, reported as no turn */
	spice_buttons_turn(&buttons, -1, 0x01, note, &log);
	spice_buttons_turn(&buttons, 1, 0x01, note, &log);
	spice_buttons_turn(&buttons, 0, 0, note, &log);
	assert_string_equal(log.text, "LUuDdl");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spice_buttons__tells_changes_only),
		cmocka_unit_test(test_spice_buttons__turns_the_wheel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
