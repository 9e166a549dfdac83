/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_move_clear.c - what desktops have left is removed one after the other, and what waits can be had back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/move_clear.h"
#include "tests/unit/fake_exchange.h"
#include "tests/unit/wait_for.h"

/* What has ended, as "a " for found, "b- " for not found, "c! " for failed, "d? " for cancelled. */
struct fixture {
	struct move_clear *clear;
	GString *told;
};

static gint n_threads;

static gboolean
work(const struct move_files *files, gboolean *ret_found, GError **error)
{
	assert_int_equal(g_atomic_int_add(&n_threads, 1), 0);
	assert_string_equal(files->exchange, "/exchange");
	fake_exchange_wait();
	*ret_found = strcmp(files->id, "b") != 0;
	g_atomic_int_add(&n_threads, -1);
	if (strcmp(files->id, "c") != 0)
		return TRUE;
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no");
	return FALSE;
}

static void
handle_cleared(void *context, const char *id, gboolean found, const GError *error)
{
	struct fixture *f = *(struct fixture **)context;
	const char *mark = found ? " " : "- ";

	if (error)
		mark = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? "? " : "! ";
	g_string_append_printf(f->told, "%s%s", id, mark);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->clear = move_clear_new("/exchange", work);
	f->told = g_string_new(NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	fake_exchange_set_down(FALSE);
	move_clear_free(f->clear);
	g_string_free(f->told, TRUE);
	g_free(f);
	return 0;
}

static void
test_move_clear__one_after_the_other(void **state)
{
	static const char *const ids[] = { "a", "b", "c", "d" };
	struct fixture *f = *state;

	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		assert_true(move_clear_add(f->clear, ids[i], handle_cleared, &f));
	assert_false(move_clear_add(f->clear, "a", handle_cleared, &f));
	assert_false(move_clear_add(f->clear, "d", handle_cleared, &f));
	WAIT_FOR(strcmp(f->told->str, "a b- c! d ") == 0);
	assert_true(move_clear_add(f->clear, "a", handle_cleared, &f));
	WAIT_FOR(strcmp(f->told->str, "a b- c! d a ") == 0);
}

static void
test_move_clear__what_waits_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct fixture *other = f;

	fake_exchange_set_down(TRUE);
	assert_true(move_clear_add(f->clear, "a", handle_cleared, &f));
	assert_true(move_clear_add(f->clear, "b", handle_cleared, &f));
	assert_true(move_clear_add(f->clear, "d", handle_cleared, &other));
	assert_true(move_clear_add(f->clear, "e", handle_cleared, &f));
	assert_false(move_clear_drop(f->clear, "a"));
	assert_true(move_clear_drop(f->clear, "none"));
	assert_true(move_clear_drop(f->clear, "b"));
	move_clear_leave(f->clear, &other);
	move_clear_leave(f->clear, &other);
	assert_string_equal(f->told->str, "b? d? ");
	fake_exchange_set_down(FALSE);
	WAIT_FOR(strcmp(f->told->str, "b? d? a e ") == 0);
	assert_true(move_clear_drop(f->clear, "a"));
}

static void
test_move_clear__ends_while_one_is_under_way(void **state)
{
	struct fixture *f = *state;

	fake_exchange_set_down(TRUE);
	assert_true(move_clear_add(f->clear, "a", handle_cleared, &f));
	assert_true(move_clear_add(f->clear, "b", handle_cleared, &f));
	g_clear_pointer(&f->clear, move_clear_free);
	assert_string_equal(f->told->str, "b? ");
	fake_exchange_set_down(FALSE);
	WAIT_FOR(strcmp(f->told->str, "b? a ") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_move_clear__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_after_the_other),
		TEST(what_waits_is_dropped),
		TEST(ends_while_one_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
