/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_suspension.c - what a hostd makes of the marks in a desktop's folder that another has left there
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "host/desktop_suspension.h"
#include "tests/unit/suspend_stage.h"

static void
note_done(GObject *source, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)source;
	assert_true(steps_finish(result, &error));
	(*(guint *)data)++;
}

static void
write_image(const struct desktop_stage *f)
{
	struct desktop_folder folder;
	struct engine_image image;

	desktop_folder_init(&folder, f->lib, DESKTOP);
	assert_true(desktop_suspension_open(&folder, TRUE, &image, NULL));
	desktop_suspension_close(&image);
	desktop_folder_done(&folder);
}

static void
enter(const struct desktop_stage *f, enum suspension_phase phase)
{
	guint done = 0;
	const struct steps_call call = { NULL, note_done, &done };
	struct desktop_folder folder;

	desktop_folder_init(&folder, f->lib, DESKTOP);
	desktop_suspension_enter(&folder, phase, GENERATION, &call);
	WAIT_FOR(done == 1);
	desktop_folder_done(&folder);
}

/* As long as a manifest may give it. */
static void
test_desktop_suspension__the_name_of_its_cpu_may_be_long(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *name = g_strnfill(MANIFEST_MAX_CPU, 'x');
	struct manifest *manifest;

	json_object_set_new(json_object_get(f->manifest->object, "machine"), "cpu",
			    json_string(name));
	manifest = manifest_new(json_incref(f->manifest->object), NULL);
	assert_non_null(manifest);
	manifest_free(f->manifest);
	f->manifest = manifest;
	desktop_stage_fork(f);
	SERVE_UNTIL(f, suspend_stage_has(f, "origin.json"));
	write_image(f);
	enter(f, SUSPENSION_WHOLE);
}

/* hostd ends when the desktop is in this phase. */
static void
stop_in_phase(struct desktop_stage *f, enum suspension_phase phase)
{
	suspend_stage_start_with_user(f);
	write_image(f);
	enter(f, phase);
}

static void
test_desktop_suspension__is_ended_by_the_next_hostd(void **state)
{
	struct desktop_stage *f = *state;

	stop_in_phase(f, SUSPENSION_ENDING);
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDING));
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(fake_qemu_lives(f->qemu));
	suspend_stage_resume(f);
	suspend_stage_check_user_is_back(f);
}

/* The mark is of another boot of the host. */
static void
edit_boot(const struct desktop_stage *f)
{
	g_autofree char *path = suspend_stage_get_path(f, "suspended.json");
	g_autofree char *text = NULL;
	char *boot;

	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	boot = strstr(text, "\"boot\":\"");
	assert_non_null(boot);
	boot[strlen("\"boot\":\"")] = 'x';
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_desktop_suspension__has_ended_while_hostd_was_away(void **state)
{
	struct desktop_stage *f = *state;

	stop_in_phase(f, SUSPENSION_ENDING);
	fake_qemu_die(f->qemu);
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	/* and the host may be started anew */
	edit_boot(f);
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
}

/* The host ended while the process did: what was written of its disk was perhaps not durable. */
static void
test_desktop_suspension__is_lost_when_the_host_ends_too_early(void **state)
{
	struct desktop_stage *f = *state;

	stop_in_phase(f, SUSPENSION_ENDING);
	fake_qemu_die(f->qemu);
	edit_boot(f);
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_RETIRING));
}

static void
test_desktop_suspension__one_that_was_resumed_and_has_not_run_is_suspended(void **state)
{
	struct desktop_stage *f = *state;
	guint kills;

	stop_in_phase(f, SUSPENSION_RESUMING);
	kills = f->launch->count[LAUNCH_KILL];
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	SERVE_UNTIL(f, f->launch->count[LAUNCH_KILL] == kills + 1);
}

static void
test_desktop_suspension__one_that_was_resumed_and_has_run_is_adopted(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *overlay = suspend_stage_get_path(f, "overlay.qcow2");

	stop_in_phase(f, SUSPENSION_RESUMING);
	assert_true(g_file_set_contents(overlay, "written", -1, NULL));
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_false(suspend_stage_has(f, "suspended.json"));
	assert_int_equal(f->qemu->spawns, 1);
}

static gboolean
read_mark(const struct desktop_stage *f, struct suspension *ret_found)
{
	struct desktop_folder folder;
	gboolean known;

	desktop_folder_init(&folder, f->lib, DESKTOP);
	known = desktop_suspension_read(&folder, ret_found, NULL);
	desktop_folder_done(&folder);
	return known;
}

/* Whatever becomes of the mark in between: two answers would make it none of either. */
static void
test_desktop_suspension__is_what_was_read_of_it_once(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *path = suspend_stage_get_path(f, "suspended.json");
	struct suspension found;

	suspend_stage_start_with_user(f);
	suspend_stage_suspend(f);
	assert_true(read_mark(f, &found));
	assert_true(g_file_set_contents(path, "{", -1, NULL));
	desktop_free(f->desktop);
	f->desktop = desktop_new(&f->host, DESKTOP, GENERATION);
	desktop_adopt(f->desktop, NULL, &found);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(suspend_stage_has(f, "suspended.pages"));
}

/* An overlay that cannot be looked at is not one that was written to. */
static void
test_desktop_suspension__whether_it_has_run_may_not_be_known(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *overlay = suspend_stage_get_path(f, "overlay.qcow2");
	g_autofree char *away = suspend_stage_get_path(f, "suspended.pages");
	struct suspension found;

	stop_in_phase(f, SUSPENSION_RESUMING);
	assert_true(read_mark(f, &found));
	assert_true(found.stands);
	assert_int_equal(g_rename(overlay, away), 0);
	assert_false(read_mark(f, &found));
	assert_int_equal(g_rename(away, overlay), 0);
	assert_true(read_mark(f, &found));
	assert_true(found.stands);
}

static void
note_refused(GObject *source, GAsyncResult *result, gpointer data)
{
	(void)source;
	assert_false(steps_finish(result, NULL));
	(*(guint *)data)++;
}

/* When it was resumed before, that mark says how large its overlay was, and nobody else knows. */
static void
test_desktop_suspension__a_mark_that_cannot_be_read_is_not_replaced(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *path = suspend_stage_get_path(f, "suspended.json");
	g_autofree char *text = NULL;
	guint refused = 0;
	const struct steps_call call = { NULL, note_refused, &refused };
	struct desktop_folder folder;

	stop_in_phase(f, SUSPENSION_RESUMING);
	assert_true(g_file_set_contents(path, "{", -1, NULL));
	desktop_folder_init(&folder, f->lib, DESKTOP);
	desktop_suspension_enter(&folder, SUSPENSION_RESUMING, GENERATION, &call);
	WAIT_FOR(refused == 1);
	desktop_folder_done(&folder);
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	assert_string_equal(text, "{");
}

/* hostd ended before that was said to be whole: it may be gigabytes. */
static void
test_desktop_suspension__what_was_half_written_goes(void **state)
{
	struct desktop_stage *f = *state;

	suspend_stage_start_with_user(f);
	write_image(f);
	assert_true(suspend_stage_has(f, "suspended.pages"));
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_false(suspend_stage_has(f, "suspended.state"));
	assert_false(suspend_stage_has(f, "suspended.pages"));
}

#define TEST(name)                                                                            \
	cmocka_unit_test_setup_teardown(test_desktop_suspension__##name, desktop_stage_setup, \
					desktop_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_name_of_its_cpu_may_be_long),
		TEST(is_ended_by_the_next_hostd),
		TEST(has_ended_while_hostd_was_away),
		TEST(is_lost_when_the_host_ends_too_early),
		TEST(one_that_was_resumed_and_has_not_run_is_suspended),
		TEST(one_that_was_resumed_and_has_run_is_adopted),
		TEST(is_what_was_read_of_it_once),
		TEST(whether_it_has_run_may_not_be_known),
		TEST(a_mark_that_cannot_be_read_is_not_replaced),
		TEST(what_was_half_written_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
