/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops_unread.c - a desktop of which cannot be read whether it is suspended: nothing is done with it until it can
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/desktops_stage.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

static gboolean
is_unread(const struct desktops_stage *f)
{
	return desktops_stage_is_in(f, DESKTOP_STATE_UNREAD);
}

static void
check_reported(const struct desktops_stage *f, guint64 generation)
{
	json_t *list = desktops_list(f->desktops);
	const json_t *one = json_array_get(list, 0);

	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_get_text(one, "state", ""), "suspended");
	assert_int_equal(json_get_integer(one, "generation", 0), generation);
	assert_non_null(strstr(json_get_text(one, "error", ""), "suspended.json"));
	json_decref(list);
}

/* Whatever is wanted of it, by the broker or by an operator. */
static void
check_left_alone(struct desktops_stage *f)
{
	static const char *const words[] = { "suspended", "ready",   "gone",
					     "exported",  "arrives", "returns" };

	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		desktops_stage_want(f, 2, words[i]);
		desktops_request(f->desktops, "stop", DESKTOP);
		fake_peer_settle();
		assert_true(is_unread(f));
	}
	desktops_stage_want_nothing(f);
	fake_peer_settle();
	assert_true(is_unread(f));
	/* the broker takes the wish back, and is not told so again and again */
	assert_int_equal(f->told.unmoved, 1);
	assert_int_equal(f->told.unresumed, 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 0);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
	assert_true(g_file_test(f->mark, G_FILE_TEST_EXISTS));
}

/* After a restart of hostd launch still lists it; after one of the host it knows nothing of it. */
static void
check_unreadable(const char *text, const struct launch_record *record)
{
	void *state = NULL;
	struct desktops_stage *f;

	desktops_stage_setup(&state);
	f = state;
	desktops_stage_put_mark(f, text);
	assert_true(desktops_adopt(f->desktops, record, record ? 1 : 0));
	assert_true(is_unread(f));
	check_left_alone(f);
	/* its own generation, or the one that the broker has told */
	check_reported(f, record ? record->generation : 2);
	/* somebody mends it: it is what it was, and goes when it shall */
	desktops_stage_put_mark(f, desktops_stage_suspended);
	desktops_stage_want(f, 1, "suspended");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 0);
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
	assert_false(g_file_test(f->mark, G_FILE_TEST_EXISTS));
	desktops_stage_teardown(&state);
}

/* The mark with another value of this name; takes the value. */
static char *
make_mark(const char *name, json_t *value)
{
	json_t *mark = json_loads(desktops_stage_suspended, 0, NULL);
	char *text;
	char *copy;

	json_object_set_new(mark, name, value);
	text = json_dumps(mark, 0);
	copy = g_strdup(text);
	free(text);
	json_decref(mark);
	return copy;
}

static void
test_desktops_unread__it_is_left_alone_until_somebody_mends_it(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	g_autofree char *later = make_mark("phase", json_string("dozing"));
	g_autofree char *other = make_mark("v", json_integer(2));
	const char *const texts[] = { "{\"v\": 1, \"templ", later, other };

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		check_unreadable(texts[i], NULL);
		check_unreadable(texts[i], &record);
	}
}

/* That gives it up: there is nothing left to be kept. */
static void
test_desktops_unread__one_whose_mark_is_taken_away_goes(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	struct desktops_stage *f = *state;

	desktops_stage_put_mark(f, "{");
	assert_true(desktops_adopt(f->desktops, &record, 1));
	desktops_stage_want(f, 1, "gone");
	fake_peer_settle();
	assert_true(is_unread(f));
	assert_int_equal(g_unlink(f->mark), 0);
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 1);
}

/* While there are only as many descriptors as are open, and "more". */
static gboolean
adopt_with_descriptors(struct desktops_stage *f, int more)
{
	struct rlimit before;
	struct rlimit limit;
	int next = dup(STDIN_FILENO);
	gboolean all;

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)(next + more);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	all = desktops_adopt(f->desktops, NULL, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return all;
}

/* hostd has none left when it looks what is there: nothing is lost by that, in the folder's list or of a desktop. */
static void
test_desktops_unread__what_cannot_be_opened_is_not_gone(void **state)
{
	struct desktops_stage *f = *state;

	desktops_stage_put_mark(f, desktops_stage_suspended);
	assert_false(adopt_with_descriptors(f, 0));
	assert_null(desktops_find(f->desktops, DESKTOP));
	assert_true(adopt_with_descriptors(f, 1));
	assert_true(is_unread(f));
	desktops_stage_want(f, 1, "suspended");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_SUSPENDED));
	assert_string_equal(desktop_get_reason(desktops_find(f->desktops, DESKTOP)), "");
}

#define TEST(name)                                                                          \
	cmocka_unit_test_setup_teardown(test_desktops_unread__##name, desktops_stage_setup, \
					desktops_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desktops_unread__it_is_left_alone_until_somebody_mends_it),
		TEST(one_whose_mark_is_taken_away_goes),
		TEST(what_cannot_be_opened_is_not_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
