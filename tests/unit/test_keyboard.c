/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_keyboard.c - agent/keyboard.c: what setxkbmap prints, and when it need not run
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent.h"
#include "agent/keyboard.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *text;
	const char *current; /* NULL: refused */
} query_table[] = {
	{ "rules:      evdev\nmodel:      pc105\nlayout:     us\n", "us:" },
	{ "rules:      evdev\nlayout:     de\nvariant:    nodeadkeys\n", "de:nodeadkeys" },
	{ "layout:     us,de\nvariant:    ,neo\noptions:    grp:toggle\n", "us,de:,neo" },
	{ "layout: fr", "fr:" },
	{ "", NULL },
	{ "rules: evdev\nmodel: pc105\n", NULL },
	{ "layout:\nvariant: neo\n", NULL },
	{ "my layout: us\n", NULL },
	{ "layouts: us\n", NULL },
	{ "layout: us\nvariant:\n", NULL },
	{ "layout: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", NULL },
	{ "layout: us\nvariant: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", NULL },
	{ "Cannot open display \":0\"\n", NULL },
};

static void
test_keyboard__reads_what_setxkbmap_prints(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(query_table); i++) {
		char current[KEYBOARD_SIZE] = "";
		bool good = keyboard_parse_query(query_table[i].text, current);

		assert_int_equal(good, query_table[i].current != NULL);
		if (good)
			assert_string_equal(current, query_table[i].current);
	}
}

static int
run_set(struct agent *agent, const char *layout, const char *variant)
{
	int result;

	agent->task.request =
		json_pack("{s:{s:s, s:s}}", "keyboard", "layout", layout, "variant", variant);
	result = keyboard_run_set(agent, &agent->task);
	if (result == TASK_SKIPPED)
		json_decref(agent->task.request);
	agent->task.request = result == TASK_SKIPPED ? NULL : agent->task.request;
	return result;
}

static void
test_keyboard__sets_nothing_that_is_set(void **state)
{
	struct agent agent;

	(void)state;
	agent_init(&agent);
	strcpy(agent.keyboard.current, "de:neo");
	assert_int_equal(run_set(&agent, "de", "neo"), TASK_SKIPPED);
	assert_string_equal(agent.keyboard.current, "de:neo");
	agent_done(&agent);
}

static void
test_keyboard__sets_what_differs_and_forgets_the_old(void **state)
{
	static const char *const other[][2] = { { "de", "" }, { "us", "neo" }, { "", "" } };

	(void)state;
	for (size_t i = 0; i < COUNT(other); i++) {
		struct agent agent;

		agent_init(&agent);
		strcpy(agent.keyboard.current, "de:neo");
		/* where setxkbmap is missing it fails; either way it was wanted */
		assert_int_not_equal(run_set(&agent, other[i][0], other[i][1]), TASK_SKIPPED);
		assert_string_equal(agent.keyboard.current, "");
		agent_done(&agent);
	}
}

static void
test_keyboard__remembers_what_was_set(void **state)
{
	struct agent agent;

	(void)state;
	agent_init(&agent);
	agent.task.request = json_pack("{s:{s:s, s:s}}", "keyboard", "layout", "fr", "variant", "");
	assert_int_equal(keyboard_finish_set(&agent, &agent.task), 0);
	assert_string_equal(agent.keyboard.current, "fr:");
	agent_done(&agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keyboard__reads_what_setxkbmap_prints),
		cmocka_unit_test(test_keyboard__sets_nothing_that_is_set),
		cmocka_unit_test(test_keyboard__sets_what_differs_and_forgets_the_old),
		cmocka_unit_test(test_keyboard__remembers_what_was_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
