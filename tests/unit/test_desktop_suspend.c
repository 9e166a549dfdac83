/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_suspend.c - a desktop goes to its folder and comes back, whatever happens in between
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/desktop_move.h"
#include "tests/unit/suspend_stage.h"

static void
test_desktop_suspend__its_user_finds_it_as_it_was(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	assert_null(desktop_get_display(f->desktop));
	suspend_stage_resume(f);
	suspend_stage_check_user_is_back(f);
	assert_non_null(desktop_get_display(f->desktop));
	assert_string_equal(f->events->str, "forked agent identified logged_in suspended resumed ");
}

static void
test_desktop_suspend__a_free_one_keeps_its_names(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	suspend_stage_suspend(f);
	suspend_stage_resume(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	assert_int_equal(f->said[SAID_IDENTIFY], 1);
	assert_int_equal(f->said[SAID_CLOCK], 1);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
}

static void
test_desktop_suspend__a_user_who_comes_meanwhile_is_logged_in(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	suspend_stage_suspend(f);
	desktop_stage_log_in(f);
	suspend_stage_resume(f);
	suspend_stage_check_user_is_back(f);
}

/* Not while somebody is being logged in, and not before it is ready. */
static void
test_desktop_suspend__waits_for_the_log_in(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_FORKING));
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	desktop_stage_log_in(f);
	desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_READY));
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	suspend_stage_suspend(f);
}

static void
test_desktop_suspend__outlives_hostd_and_launch(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	desktop_stage_find(f, NULL);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	suspend_stage_resume(f);
	suspend_stage_check_user_is_back(f);
}

static const struct {
	enum fake_qemu_fault fault;
	const char *command;
} suspend_faults[] = {
	{ FAKE_QEMU_REFUSES, "set_link" },
	{ FAKE_QEMU_REFUSES, "migrate-set-capabilities" },
	{ FAKE_QEMU_REFUSES, "migrate" },
	{ FAKE_QEMU_FAILS, "migrate" },
};

static void
test_desktop_suspend__one_that_cannot_be_runs_on(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(suspend_faults); i++) {
		void *state = NULL;
		struct desktop_stage *f;

		desktop_stage_setup(&state);
		f = state;
		suspend_stage_start_with_user(f);
		f->qemu->fault = suspend_faults[i].fault;
		f->qemu->command = suspend_faults[i].command;
		desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
		SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
		print_message("%s\n", desktop_get_reason(f->desktop));
		assert_true(g_str_has_prefix(desktop_get_reason(f->desktop),
					     "it cannot be suspended: "));
		assert_true(fake_qemu_lives(f->qemu));
		assert_false(suspend_stage_has(f, "suspended.json"));
		assert_non_null(strstr(f->events->str, "suspend_failed "));
		/* Not again at once. */
		desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
		assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
		desktop_keep_running(f->desktop);
		assert_string_equal(desktop_get_reason(f->desktop), "");
		f->qemu->fault = FAKE_QEMU_WORKS;
		suspend_stage_suspend(f);
		desktop_stage_teardown(&state);
	}
}

/* It is not touched. */
static void
test_desktop_suspend__one_that_has_no_room_runs_on(void **state)
{
	static const struct {
		guint64 ram_bytes;
		guint64 others_bytes;
	} cases[] = {
		{ G_GUINT64_CONSTANT(1) << 60, 0 },
		{ SUSPEND_STAGE_RAM_BYTES, G_GUINT64_CONSTANT(1) << 60 },
	};
	struct desktop_stage *f = *state;
	g_autofree char *words = NULL;

	suspend_stage_start_with_user(f);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		desktop_suspend(f->desktop, cases[i].ram_bytes, cases[i].others_bytes);
		assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
		assert_non_null(strstr(desktop_get_reason(f->desktop), "make room there"));
		/* what it takes changes as it runs: that is no news */
		if (words)
			assert_string_equal(desktop_get_reason(f->desktop), words);
		g_free(words);
		words = g_strdup(desktop_get_reason(f->desktop));
		desktop_keep_running(f->desktop);
	}
	assert_int_equal(desktop_get_suspend_bytes(f->desktop), 0);
	desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	assert_true(desktop_get_suspend_bytes(f->desktop) == SUSPEND_STAGE_RAM_BYTES);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_int_equal(desktop_get_suspend_bytes(f->desktop), 0);
}

static void
test_desktop_suspend__one_whose_machine_dies_fails(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	f->qemu->fault = FAKE_QEMU_DIES;
	f->qemu->command = "migrate";
	desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
}

static const struct {
	enum fake_qemu_fault fault;
	const char *command;
} resume_faults[] = {
	{ FAKE_QEMU_NO_SPAWN, NULL },
	{ FAKE_QEMU_DIES, NULL },
	{ FAKE_QEMU_FAILS, "migrate-incoming" },
	{ FAKE_QEMU_OTHER, "query-version" },
	{ FAKE_QEMU_DIES, "cont" },
};

static void
test_desktop_suspend__one_that_cannot_be_resumed_stays(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(resume_faults); i++) {
		void *state = NULL;
		struct desktop_stage *f;

		desktop_stage_setup(&state);
		f = state;
		suspend_stage_start_with_user(f);
		suspend_stage_suspend(f);
		f->qemu->fault = resume_faults[i].fault;
		f->qemu->command = resume_faults[i].command;
		suspend_stage_resume(f);
		assert_true(desktop_stage_is_in(f, DESKTOP_STATE_RESUMING));
		SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
		print_message("%s\n", desktop_get_reason(f->desktop));
		assert_true(
			g_str_has_prefix(desktop_get_reason(f->desktop), "it cannot be resumed: "));
		assert_true(suspend_stage_has(f, "suspended.json"));
		assert_null(strstr(f->events->str, "foreign"));
		fake_qemu_die(f->qemu);
		f->qemu->fault = FAKE_QEMU_WORKS;
		f->qemu->spawns = 1;
		desktop_keep_running(f->desktop);
		suspend_stage_resume(f);
		suspend_stage_check_user_is_back(f);
		desktop_stage_teardown(&state);
	}
}

/* Its guest has run: what was kept is older than its disk. */
static void
test_desktop_suspend__one_that_has_run_is_not_taken_back(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *overlay = suspend_stage_get_path(f, "overlay.qcow2");

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->qemu->fault = FAKE_QEMU_SILENT;
	f->qemu->command = "cont";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, g_str_has_suffix(f->qemu->commands->str, "migrate-incoming cont "));
	assert_true(g_file_set_contents(overlay, "written", -1, NULL));
	fake_qemu_die(f->qemu);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
}

/* Its machine was being killed, and its guest ran until then. */
static void
test_desktop_suspend__one_that_has_run_in_the_end_is_not_resumed_again(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *overlay = suspend_stage_get_path(f, "overlay.qcow2");

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->qemu->fault = FAKE_QEMU_REFUSES;
	f->qemu->command = "cont";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(g_file_set_contents(overlay, "written", -1, NULL));
	fake_qemu_die(f->qemu);
	f->qemu->fault = FAKE_QEMU_WORKS;
	desktop_keep_running(f->desktop);
	suspend_stage_resume(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "its guest has run"));
	assert_int_equal(f->qemu->spawns, 2);
}

/* hostd could not read the mark just then: it is not known whether its guest has run, and the next try finds out. */
static void
test_desktop_suspend__one_whose_mark_cannot_be_read_stays(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *path = suspend_stage_get_path(f, "suspended.json");
	g_autofree char *text = NULL;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->qemu->fault = FAKE_QEMU_SILENT;
	f->qemu->command = "cont";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, g_str_has_suffix(f->qemu->commands->str, "migrate-incoming cont "));
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	assert_true(g_file_set_contents(path, "{", -1, NULL));
	fake_qemu_die(f->qemu);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	f->qemu->fault = FAKE_QEMU_WORKS;
	f->qemu->spawns = 1;
	desktop_keep_running(f->desktop);
	suspend_stage_resume(f);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "suspended.json"));
	assert_true(g_file_set_contents(path, text, -1, NULL));
	desktop_keep_running(f->desktop);
	suspend_stage_resume(f);
	suspend_stage_check_user_is_back(f);
}

/* What is put in its version's place would make it useless; not when it is so already. */
static void
test_desktop_suspend__needs_its_version_until_it_was_tried(void **state)
{
	struct desktop_stage *f = *state;
	const struct engine_template source = { f->manifest, f->folder, "user",
						f->memory,   NULL,	FALSE };

	suspend_stage_start_with_user(f);
	assert_false(desktop_needs_template(f->desktop, &source));
	desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	assert_true(desktop_needs_template(f->desktop, &source));
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(desktop_needs_template(f->desktop, &source));
	f->qemu->fault = FAKE_QEMU_OTHER;
	f->qemu->command = "query-version";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(desktop_needs_template(f->desktop, &source));
}

static void
test_desktop_suspend__another_version_is_refused(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	json_object_set_new(f->manifest->object, "files", json_array());
	suspend_stage_resume(f);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "was sealed again"));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "debian-openbox@3"));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "'carrel desktop stop'"));
	assert_int_equal(f->qemu->spawns, 1);
}

static void
check_report_holds(const char *text)
{
	assert_true(g_utf8_validate(text, -1, NULL));
	assert_in_range(strlen(text), 1, DESKTOP_MAX_REASON);
}

/* A file from elsewhere has a part in it, and JSON takes no half characters; the broker takes no report with a longer text. */
static void
test_desktop_suspend__a_reason_can_be_reported(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *strange = g_strnfill(2 * DESKTOP_MAX_REASON, '\303');
	const char *const texts[] = { "unknown field 'x\303'", strange };

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		desktop_refuse_resume(f->desktop, texts[i]);
		check_report_holds(desktop_get_reason(f->desktop));
	}
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		desktop_free(f->desktop);
		f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
		desktop_refuse_arrival(f->desktop, texts[i]);
		check_report_holds(desktop_get_reason(f->desktop));
	}
	desktop_free(f->desktop);
	f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
	desktop_fail(f->desktop, strange);
	check_report_holds(desktop_get_reason(f->desktop));
}

static void
test_desktop_suspend__one_that_is_not_wanted_goes(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	desktop_retire(f->desktop, "its session has ended");
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_false(suspend_stage_has(f, ""));
}

/* An agent that was sealed before there was the verb. */
static void
test_desktop_suspend__an_agent_without_a_clock_is_no_obstacle(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->act = AGENT_REFUSES;
	f->verb = "clock";
	suspend_stage_resume(f);
	suspend_stage_check_user_is_back(f);
}

static void
test_desktop_suspend__a_busy_agent_is_asked_again(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->act = AGENT_IS_BUSY;
	f->verb = "clock";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, f->said[SAID_CLOCK] == 2);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_IDENTIFYING));
	f->act = AGENT_ANSWERS;
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[SAID_CLOCK], 3);
}

/* It is not waited for for ever. */
static void
test_desktop_suspend__an_agent_that_stays_busy_is_no_obstacle(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->act = AGENT_IS_BUSY;
	f->verb = "clock";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[SAID_CLOCK], 30);
}

/* Its agent ended as it was asked, and comes back. */
static void
test_desktop_suspend__the_clock_is_set_by_the_next_agent(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	f->act = AGENT_HANGS_UP;
	f->verb = "clock";
	suspend_stage_resume(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->act = AGENT_ANSWERS;
	SERVE_UNTIL(f, f->said[SAID_CLOCK] == 2);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
}

#define TEST(name)                                                                         \
	cmocka_unit_test_setup_teardown(test_desktop_suspend__##name, desktop_stage_setup, \
					desktop_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_user_finds_it_as_it_was),
		TEST(a_free_one_keeps_its_names),
		TEST(a_user_who_comes_meanwhile_is_logged_in),
		TEST(waits_for_the_log_in),
		TEST(outlives_hostd_and_launch),
		cmocka_unit_test(test_desktop_suspend__one_that_cannot_be_runs_on),
		TEST(one_that_has_no_room_runs_on),
		TEST(one_whose_machine_dies_fails),
		cmocka_unit_test(test_desktop_suspend__one_that_cannot_be_resumed_stays),
		TEST(one_that_has_run_is_not_taken_back),
		TEST(one_that_has_run_in_the_end_is_not_resumed_again),
		TEST(one_whose_mark_cannot_be_read_stays),
		TEST(a_reason_can_be_reported),
		TEST(needs_its_version_until_it_was_tried),
		TEST(another_version_is_refused),
		TEST(one_that_is_not_wanted_goes),
		TEST(an_agent_without_a_clock_is_no_obstacle),
		TEST(a_busy_agent_is_asked_again),
		TEST(an_agent_that_stays_busy_is_no_obstacle),
		TEST(the_clock_is_set_by_the_next_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
