/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_stage.c - a desktop that is suspended, and two hosts with a folder between them (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "host/desktop_move.h"
#include "host/move_clear.h"
#include "tests/unit/fake_exchange.h"
#include "tests/unit/move_stage.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suspend_stage.h"

static gboolean
discard(const struct move_files *files, gboolean *ret_found, GError **error)
{
	fake_exchange_wait();
	return move_files_discard(files, ret_found, error);
}

int
move_stage_setup(void **state)
{
	struct move_stage *f = g_new0(struct move_stage, 1);
	g_autofree char *house = NULL; /* which launch makes */
	void *stage = NULL;

	desktop_stage_setup(&stage);
	f->stage = stage;
	f->root = scratch_new();
	f->exchange = g_build_filename(f->root, "exchange", NULL);
	f->lib = g_build_filename(f->root, "lib", NULL);
	assert_int_equal(g_mkdir(f->exchange, 0700), 0);
	f->clear = move_clear_new(f->exchange, discard);
	f->stage->host.exchange = f->exchange;
	f->stage->host.clear = f->clear;
	f->other = f->stage->host;
	f->other.lib = f->lib;
	house = g_build_filename(f->lib, "desktops", DESKTOP, NULL);
	assert_int_equal(g_mkdir_with_parents(house, 0700), 0);
	*state = f;
	return 0;
}

int
move_stage_teardown(void **state)
{
	struct move_stage *f = *state;
	void *stage = f->stage;

	fake_exchange_set_down(FALSE);
	desktop_stage_teardown(&stage);
	move_clear_free(f->clear);
	scratch_remove(f->root);
	g_free(f->exchange);
	g_free(f->lib);
	g_free(f->root);
	g_free(f);
	return 0;
}

gboolean
move_stage_is_in(const struct move_stage *f, enum desktop_state state)
{
	return desktop_stage_is_in(f->stage, state) && !desktop_is_held(f->stage->desktop);
}

gboolean
move_stage_has(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

void
move_stage_start_suspended(struct move_stage *f)
{
	struct desktop_stage *stage = f->stage;

	suspend_stage_start_with_user(stage);
	desktop_suspend(stage->desktop, SUSPEND_STAGE_RAM_BYTES, 0);
	SERVE_UNTIL(stage, move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	g_string_truncate(stage->events, 0);
}

void
move_stage_start_exported(struct move_stage *f)
{
	move_stage_start_suspended(f);
	desktop_export(f->stage->desktop);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	assert_true(move_stage_has(f->exchange, DESKTOP "/suspended.json"));
	assert_false(move_stage_has(f->stage->lib, "desktops/" DESKTOP "/suspended.json"));
}

void
move_stage_begin(struct move_stage *f, const struct desktop_host *host, guint64 generation)
{
	desktop_free(f->stage->desktop);
	f->stage->desktop = desktop_new(host, DESKTOP, generation);
}

void
move_stage_arrive(struct move_stage *f)
{
	const struct engine_template source = {
		f->stage->manifest, f->stage->folder, "user", -1, NULL, FALSE
	};

	desktop_arrive(f->stage->desktop, &source, FALSE, 0);
	assert_true(desktop_stage_is_in(f->stage, DESKTOP_STATE_ARRIVING));
}

void
move_stage_resume(struct move_stage *f)
{
	struct desktop_stage *stage = f->stage;

	suspend_stage_resume(stage);
	SERVE_UNTIL(stage, desktop_stage_is_in(stage, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(stage->said[SAID_IDENTIFY], 1);
	assert_int_equal(stage->said[SAID_LOGIN], 1);
	assert_int_equal(stage->said[SAID_CLOCK], 1);
	assert_string_equal(desktop_get_session(stage->desktop), SESSION);
}
