/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_copy.c - what lies of a desktop between hosts is removed, and who waits for that
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/desktop_move.h"
#include "host/move_clear.h"
#include "tests/unit/fake_exchange.h"
#include "tests/unit/move_stage.h"
#include "tests/unit/scratch.h"
#include "tests/unit/stderr_capture.h"

/* hostd ended when it was in both folders. */
static void
start_twofold(struct move_stage *f)
{
	move_stage_start_suspended(f);
	scratch_put(f->exchange, DESKTOP "/suspended.json", "old");
	scratch_put(f->exchange, DESKTOP ".part/origin.json", "half");
	desktop_stage_find(f->stage, NULL);
	assert_true(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(move_stage_has(f->exchange, DESKTOP));
}

static void
test_desktop_copy__is_given_up_with_its_copy(void **state)
{
	struct move_stage *f = *state;

	start_twofold(f);
	desktop_give_up(f->stage->desktop, "an operator stopped it");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP ".part"));
	assert_false(move_stage_has(f->stage->lib, "desktops/" DESKTOP));
}

/* It has left and comes back, and shall go, while what it has left behind is cleared away. */
static void
test_desktop_copy__is_given_up_after_it_has_left(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	f->stage->launch->refuse = -EBUSY;
	desktop_retire(f->stage->desktop, "the broker does not want it");
	desktop_forget_copy(f->stage->desktop);
	desktop_give_up(f->stage->desktop, "the broker wants it gone");
	f->stage->launch->refuse = 0;
	SERVE_UNTIL(f->stage, move_stage_is_in(f, DESKTOP_STATE_GONE) &&
				      !move_stage_has(f->exchange, DESKTOP));
}

static void
test_desktop_copy__a_copy_goes_when_it_is_found_here(void **state)
{
	struct move_stage *f = *state;

	start_twofold(f);
	/* not before it is known that it is not another host's */
	desktop_forget_copy(f->stage->desktop);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_true(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_false(move_stage_has(f->exchange, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP ".part"));
	move_stage_resume(f);
}

/* It may be the better one. */
static void
test_desktop_copy__a_copy_of_one_that_is_not_whole_stays(void **state)
{
	struct move_stage *f = *state;
	g_autofree char *pages =
		g_build_filename(f->stage->lib, "desktops", DESKTOP, "suspended.pages", NULL);

	start_twofold(f);
	assert_int_equal(g_unlink(pages), 0);
	desktop_forget_copy(f->stage->desktop);
	assert_true(move_clear_drop(f->clear, DESKTOP));
	assert_true(move_stage_has(f->exchange, DESKTOP "/suspended.json"));
}

/* The folder's server is down, and hostd has begun anew: what is suspended goes on, and goes. */
static void
test_desktop_copy__nothing_but_a_move_waits_for_a_folder_that_hangs(void **state)
{
	struct move_stage *f = *state;

	start_twofold(f);
	fake_exchange_set_down(TRUE);
	desktop_forget_copy(f->stage->desktop);
	assert_false(move_clear_drop(f->clear, DESKTOP));
	desktop_export(f->stage->desktop);
	assert_true(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	move_stage_resume(f);
	desktop_give_up(f->stage->desktop, "its user has logged off");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_true(move_stage_has(f->exchange, DESKTOP));
	fake_exchange_set_down(FALSE);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP));
}

/* What was about to be removed is not what the move puts there. */
static void
test_desktop_copy__goes_when_the_folder_answers_again(void **state)
{
	struct move_stage *f = *state;

	start_twofold(f);
	fake_exchange_set_down(TRUE);
	desktop_forget_copy(f->stage->desktop);
	desktop_export(f->stage->desktop);
	assert_true(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	fake_exchange_set_down(FALSE);
	WAIT_FOR((desktop_export(f->stage->desktop), move_stage_is_in(f, DESKTOP_STATE_EXPORTED)));
	assert_true(move_stage_has(f->exchange, DESKTOP "/overlay.qcow2"));
	assert_string_equal(f->stage->events->str, "exported ");
}

/* It was not mounted when hostd began: later, when the user logs off, it is. */
static void
test_desktop_copy__a_copy_that_could_not_be_removed_is_not_forgotten(void **state)
{
	struct move_stage *f = *state;

	start_twofold(f);
	assert_int_equal(g_chmod(f->exchange, 0720), 0);
	desktop_forget_copy(f->stage->desktop);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_int_equal(g_chmod(f->exchange, 0700), 0);
	/* that is tried again after a while */
	desktop_forget_copy(f->stage->desktop);
	assert_true(move_clear_drop(f->clear, DESKTOP));
	assert_true(move_stage_has(f->exchange, DESKTOP));
	desktop_give_up(f->stage->desktop, "its user has logged off");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP));
}

/* A folder in it that is nobody's business keeps it there, as a server that fails would. */
static void
test_desktop_copy__a_copy_that_stayed_when_it_came_goes_later(void **state)
{
	struct move_stage *f = *state;
	g_autofree char *strange = g_build_filename(f->exchange, DESKTOP, "strange", NULL);

	move_stage_start_exported(f);
	assert_int_equal(g_mkdir(strange, 0700), 0);
	move_stage_begin(f, &f->other, GENERATION);
	move_stage_arrive(f);
	WAIT_FOR(move_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_true(move_stage_has(f->exchange, DESKTOP));
	assert_int_equal(g_rmdir(strange), 0);
	desktop_forget_copy(f->stage->desktop);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP));
}

/* Its pool has shrunk before it was forked here, mostly: it has gone, and what may lie there of it goes when it can. */
static void
test_desktop_copy__an_unknown_one_does_not_wait_for_a_folder_that_hangs(void **state)
{
	struct move_stage *f = *state;

	move_stage_start_exported(f);
	move_stage_begin(f, &f->other, GENERATION);
	fake_exchange_set_down(TRUE);
	desktop_give_up(f->stage->desktop, "the broker wants it gone");
	SERVE_UNTIL(f->stage, move_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_true(move_stage_has(f->exchange, DESKTOP));
	fake_exchange_set_down(FALSE);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	assert_false(move_stage_has(f->exchange, DESKTOP));
}

/* It was about to be forgotten when its user logged off: nobody tries that again. */
static void
test_desktop_copy__a_copy_that_stays_when_it_has_gone_is_told(void **state)
{
	struct move_stage *f = *state;
	struct stderr_capture capture;
	CLEANUP_FREE char *told = NULL;

	start_twofold(f);
	fake_exchange_set_down(TRUE);
	desktop_forget_copy(f->stage->desktop);
	desktop_give_up(f->stage->desktop, "its user has logged off");
	SERVE_UNTIL(f->stage, desktop_stage_is_in(f->stage, DESKTOP_STATE_GONE));
	assert_int_equal(g_chmod(f->exchange, 0720), 0);
	stderr_capture_begin(&capture);
	fake_exchange_set_down(FALSE);
	WAIT_FOR(move_clear_drop(f->clear, DESKTOP));
	told = stderr_capture_end(&capture);
	assert_true(move_stage_has(f->exchange, DESKTOP));
	print_message("%s", told);
	assert_non_null(strstr(told, "is not removed"));
	assert_non_null(strstr(told, "remove it there"));
	assert_null(strstr(told, "tried again"));
}

#define TEST(name)                                                                   \
	cmocka_unit_test_setup_teardown(test_desktop_copy__##name, move_stage_setup, \
					move_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(is_given_up_with_its_copy),
		TEST(is_given_up_after_it_has_left),
		TEST(a_copy_goes_when_it_is_found_here),
		TEST(a_copy_of_one_that_is_not_whole_stays),
		TEST(nothing_but_a_move_waits_for_a_folder_that_hangs),
		TEST(goes_when_the_folder_answers_again),
		TEST(a_copy_that_could_not_be_removed_is_not_forgotten),
		TEST(a_copy_that_stayed_when_it_came_goes_later),
		TEST(an_unknown_one_does_not_wait_for_a_folder_that_hangs),
		TEST(a_copy_that_stays_when_it_has_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
