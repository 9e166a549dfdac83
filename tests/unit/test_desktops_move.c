/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktops_move.c - desktops that move between hosts, as the broker wants them here or not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "host/desktop_move.h"
#include "tests/unit/desktops_stage.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

#define COMES "d-cccccccccccccccccccc"

/* It is told once, however often the broker's answer says the same: by then it may be another host's. */
static void
test_desktops_move__one_that_cannot_come_is_refused_once(void **state)
{
	struct desktops_stage *f = *state;
	g_autofree char *path = desktops_stage_put_exported(f);

	desktops_stage_want(f, 1, "arrives");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	assert_int_equal(f->told.unmoved, 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 1);
	desktops_stage_want(f, 1, "arrives");
	fake_peer_settle();
	assert_int_equal(f->told.unmoved, 1);
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 1);
	/* it is left to another host */
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
	assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
}

/* Its wish was taken back too late: until the broker says that it returns, it may be about to be given to another host. */
static void
test_desktops_move__one_that_has_left_waits_for_the_brokers_word(void **state)
{
	static const char *const words[] = { "suspended", "ready" };
	struct desktops_stage *f = *state;
	g_autofree char *path = desktops_stage_put_exported(f);

	desktops_stage_want(f, 1, "exported");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		desktops_stage_want(f, 1, words[i]);
		fake_peer_settle();
		assert_true(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
		assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
	}
	desktops_stage_want(f, 1, "returns");
	WAIT_FOR(f->launch->count[LAUNCH_DESKTOP_MAKE] == 1);
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	desktops_stage_want_nothing(f);
}

/* Two come at a time. One that waits for its turn is none that is being forked, and the host does not say that it has it. */
static void
test_desktops_move__one_that_waits_to_come_is_not_here(void **state)
{
	static const char *const ids[] = { DESKTOP, OTHER, COMES };
	struct desktops_stage *f = *state;
	json_t *list = json_array();
	json_t *reported;

	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		json_array_append_new(list, desktops_talk_make_want(ids[i], 1, "arrives"));
	desktops_talk_want(f->desktops, list);
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	reported = desktops_list(f->desktops);
	assert_int_equal(json_array_size(reported), 2);
	json_decref(reported);
	assert_null(desktops_find(f->desktops, ids[2]));
	/* its turn comes */
	WAIT_FOR(desktops_find(f->desktops, ids[2]));
	desktops_stage_want_nothing(f);
}

static void
test_desktops_move__one_whose_version_cannot_run_here_is_refused(void **state)
{
	struct desktops_stage *f = *state;

	desktops_stage_seal(f, "pc-q35-5.0");
	desktops_stage_want(f, 1, "arrives");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	assert_int_equal(f->told.unmoved, 1);
	assert_non_null(strstr(desktop_get_reason(desktops_find(f->desktops, DESKTOP)),
			       "here it is pc-q35-7.2"));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_MAKE], 0);
	desktops_stage_want_nothing(f);
}

static void
test_desktops_move__one_that_is_between_hosts_is_given_up(void **state)
{
	struct desktops_stage *f = *state;
	g_autofree char *path = desktops_stage_put_exported(f);

	desktops_stage_want(f, 1, "exported");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
	assert_int_equal(f->told.unmoved, 0);
	desktops_stage_want(f, 1, "gone");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* hostd was started anew, or has not heard of it yet: it is nobody's any more, but its files lie there. */
static void
test_desktops_move__an_unknown_one_is_given_up_between_hosts(void **state)
{
	struct desktops_stage *f = *state;
	g_autofree char *path = desktops_stage_put_exported(f);

	/* of one that is only to be suspended the broker hears that it is not here */
	desktops_stage_want(f, 1, "suspended");
	fake_peer_settle();
	assert_null(desktops_find(f->desktops, DESKTOP));
	assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	desktops_stage_want(f, 1, "gone");
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_GONE) &&
		 !g_file_test(path, G_FILE_TEST_EXISTS));
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, DESKTOP));
}

/* What is only removed between hosts takes no turn of those that start. */
static void
test_desktops_move__those_that_are_given_up_keep_none_from_starting(void **state)
{
	static const char *const ids[] = { "d-cccccccccccccccccccc", "d-dddddddddddddddddddd",
					   "d-eeeeeeeeeeeeeeeeeeee", "d-ffffffffffffffffffff" };
	struct desktops_stage *f = *state;
	json_t *list = desktops_stage_make_two("ready");

	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		json_array_insert_new(list, 0, desktops_talk_make_want(ids[i], 1, "gone"));
	/* its version is loaded from here on */
	desktops_stage_want(f, 1, "ready");
	WAIT_FOR(desktops_find(f->desktops, DESKTOP));
	desktops_talk_want(f->desktops, list);
	WAIT_FOR(desktops_find(f->desktops, ids[0]));
	/* in the same look at what is wanted: nothing was removed yet */
	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		assert_int_equal(desktop_get_state(desktops_find(f->desktops, ids[i])),
				 DESKTOP_STATE_RETIRING);
	assert_non_null(desktops_find(f->desktops, OTHER));
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, OTHER));
}

/* Nor of those that move, however long that folder hangs. */
static void
test_desktops_move__those_that_are_given_up_keep_none_from_moving(void **state)
{
	static const char *const ids[] = { DESKTOP, OTHER };
	struct desktops_stage *f = *state;
	json_t *left = json_array();
	json_t *list = json_array();

	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
		json_array_append_new(left, desktops_talk_make_want(ids[i], 1, "exported"));
		json_array_append_new(list, desktops_talk_make_want(ids[i], 1, "gone"));
	}
	/* which are not where they should be; so it is not known where they are */
	desktops_talk_want(f->desktops, left);
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTING) &&
		 desktops_find(f->desktops, OTHER) &&
		 !desktop_is_held(desktops_find(f->desktops, OTHER)));
	json_array_append_new(list, desktops_talk_make_want(COMES, 1, "arrives"));
	desktops_talk_want(f->desktops, list);
	WAIT_FOR(desktops_find(f->desktops, COMES));
	/* in the same look at what is wanted: nothing was removed yet */
	for (gsize i = 0; i < G_N_ELEMENTS(ids); i++)
		assert_int_equal(desktop_get_state(desktops_find(f->desktops, ids[i])),
				 DESKTOP_STATE_EXPORTING);
	desktops_stage_want_nothing(f);
	WAIT_FOR(!desktops_find(f->desktops, COMES));
}

/* The same, when launch has not cleared away what was left here of it. */
static void
test_desktops_move__one_that_has_left_is_given_up_between_hosts(void **state)
{
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };
	struct desktops_stage *f = *state;
	g_autofree char *path = desktops_stage_put_exported(f);

	desktops_adopt(f->desktops, &record, 1);
	WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	desktops_stage_want(f, 1, "gone");
	WAIT_FOR(!g_file_test(path, G_FILE_TEST_EXISTS) &&
		 desktops_stage_is_in(f, DESKTOP_STATE_GONE));
}

/*
 * It was here and has gone; what launch knows of it is cleared away, and only then it comes again, or is said to have gone: hostd was
 * started anew.
 */
static void
test_desktops_move__one_that_comes_back_waits_for_its_own_end(void **unused)
{
	static const char *const words[] = { "returns", "arrives", "exported" };
	const struct launch_record record = { .desktop = DESKTOP, .generation = 1 };

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		g_autofree char *path = NULL;
		void *state = NULL;
		struct desktops_stage *f;

		desktops_stage_setup(&state);
		f = state;
		path = desktops_stage_put_exported(f);
		f->launch->refuse = -EBUSY;
		desktops_adopt(f->desktops, &record, 1);
		desktops_stage_want(f, 1, words[i]);
		fake_peer_settle();
		assert_true(desktops_stage_is_in(f, DESKTOP_STATE_RETIRING));
		assert_int_equal(f->told.unmoved, 0);
		f->launch->refuse = 0;
		WAIT_FOR(desktops_stage_is_in(f, DESKTOP_STATE_EXPORTED));
		assert_int_equal(f->told.unmoved, strcmp(words[i], "exported") != 0);
		desktops_stage_want_nothing(f);
		desktops_stage_teardown(&state);
	}
}

#define TEST(name)                                                                        \
	cmocka_unit_test_setup_teardown(test_desktops_move__##name, desktops_stage_setup, \
					desktops_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_cannot_come_is_refused_once),
		TEST(one_that_has_left_waits_for_the_brokers_word),
		TEST(one_that_waits_to_come_is_not_here),
		TEST(one_whose_version_cannot_run_here_is_refused),
		TEST(one_that_is_between_hosts_is_given_up),
		TEST(an_unknown_one_is_given_up_between_hosts),
		TEST(those_that_are_given_up_keep_none_from_starting),
		TEST(those_that_are_given_up_keep_none_from_moving),
		TEST(one_that_has_left_is_given_up_between_hosts),
		cmocka_unit_test(test_desktops_move__one_that_comes_back_waits_for_its_own_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
