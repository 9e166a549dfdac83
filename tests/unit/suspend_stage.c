/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * suspend_stage.c - the desktop of desktop_stage.h goes to its folder and comes back (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/suspend_stage.h"

char *
suspend_stage_get_path(const struct desktop_stage *f, const char *name)
{
	return g_build_filename(f->lib, "desktops", DESKTOP, name, NULL);
}

gboolean
suspend_stage_has(const struct desktop_stage *f, const char *name)
{
	g_autofree char *path = suspend_stage_get_path(f, name);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

void
suspend_stage_start_with_user(struct desktop_stage *f)
{
	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
}

void
suspend_stage_suspend(struct desktop_stage *f)
{
	desktop_suspend(f->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(fake_qemu_lives(f->qemu));
	assert_true(suspend_stage_has(f, "suspended.json"));
	assert_true(suspend_stage_has(f, "suspended.state"));
}

void
suspend_stage_resume(struct desktop_stage *f)
{
	struct engine_template source = { f->manifest, f->folder, "user", f->memory, NULL, FALSE };

	desktop_resume(f->desktop, &source);
}

void
suspend_stage_check_user_is_back(struct desktop_stage *f)
{
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[SAID_IDENTIFY], 1);
	assert_int_equal(f->said[SAID_LOGIN], 1);
	assert_int_equal(f->said[SAID_CLOCK], 1);
	assert_int_equal(f->qemu->spawns, 2);
	assert_true(fake_qemu_lives(f->qemu));
	assert_false(suspend_stage_has(f, "suspended.json"));
	assert_false(suspend_stage_has(f, "suspended.state"));
	assert_string_equal(desktop_get_session(f->desktop), SESSION);
	assert_string_equal(desktop_get_reason(f->desktop), "");
}
