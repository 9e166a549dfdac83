/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reseal.c - versions that this host cannot restore are sealed again, three times an hour at most
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/reseal.h"

#define REASON "it was sealed with CPU a, here it is b"
#define BEGIN  1000 /* ms */

struct fixture {
	struct reseal *reseal;
	gboolean busy;	/* no job can begin */
	gboolean fails; /* it ends as it begins */
	guint starts;
	GString *told; /* kinds, joined by blanks */
	char *last;
};

static gboolean
note_start(void *context, const struct reseal_wish *wish)
{
	struct fixture *f = context;

	assert_string_equal(wish->name, "tiny");
	assert_true(wish->version == 1 || wish->version == 2);
	assert_string_equal(wish->engine, "kvm");
	assert_string_equal(wish->reason, REASON);
	f->starts += !f->busy;
	if (f->fails)
		reseal_handle_end(f->reseal, wish->name, wish->version, "no socket", BEGIN);
	return !f->busy;
}

static void
note_tell(void *context, const char *kind, const char *text)
{
	struct fixture *f = context;

	g_string_append_printf(f->told, "%s ", kind);
	g_free(f->last);
	f->last = g_strdup(text);
}

static const struct reseal_events events = { note_start, note_tell };

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->reseal = reseal_new(&events, f);
	f->told = g_string_new(NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	reseal_free(f->reseal);
	g_string_free(f->told, TRUE);
	g_free(f->last);
	g_free(f);
	return 0;
}

static void
want_held(struct fixture *f, guint64 now_ms, const char *holders)
{
	const struct reseal_wish wish = { "tiny", 1, "kvm", REASON, holders };

	reseal_want(f->reseal, &wish, now_ms);
}

static void
want(struct fixture *f, guint64 now_ms)
{
	want_held(f, now_ms, NULL);
}

static void
test_reseal__one_job_is_begun_however_often_it_is_wanted(void **state)
{
	struct fixture *f = *state;
	const struct reseal_wish other = { "tiny", 2, "kvm", REASON, NULL };

	for (guint64 i = 0; i < 5; i++)
		want(f, BEGIN + i);
	assert_int_equal(f->starts, 1);
	assert_string_equal(f->told->str, "sealing ");
	assert_non_null(strstr(f->last, "'tiny@1' cannot be forked here, " REASON));
	/* another version has its own */
	reseal_want(f->reseal, &other, BEGIN);
	assert_int_equal(f->starts, 2);
	reseal_handle_end(f->reseal, "tiny", 1, NULL, BEGIN + 9);
	assert_string_equal(f->told->str, "sealing sealing sealed ");
}

static void
test_reseal__a_job_that_cannot_begin_is_no_try(void **state)
{
	struct fixture *f = *state;

	f->busy = TRUE;
	for (guint64 i = 0; i < 10; i++)
		want(f, BEGIN + i);
	assert_string_equal(f->told->str, "");
	f->busy = FALSE;
	want(f, BEGIN + 10);
	assert_int_equal(f->starts, 1);
}

/* And is tried again, as others are. */
static void
test_reseal__a_job_may_fail_as_it_begins(void **state)
{
	struct fixture *f = *state;

	f->fails = TRUE;
	for (guint i = 0; i < 2 * RESEAL_TRIES; i++)
		want(f, BEGIN);
	assert_int_equal(f->starts, RESEAL_TRIES);
}

static void
test_reseal__three_tries_an_hour(void **state)
{
	struct fixture *f = *state;

	for (guint64 i = 0; i < RESEAL_TRIES; i++) {
		want(f, BEGIN + i);
		reseal_handle_end(f->reseal, "tiny", 1, "the guest did not boot", BEGIN + i);
		assert_int_equal(f->starts, i + 1);
		assert_non_null(
			strstr(f->last, "could not be sealed again: the guest did not boot"));
		assert_int_equal(strstr(f->last, "an hour") != NULL, i == RESEAL_TRIES - 1);
	}
	want(f, BEGIN + RESEAL_HOUR_MS - 1);
	assert_int_equal(f->starts, RESEAL_TRIES);
	/* the first is an hour old, the second not yet */
	want(f, BEGIN + RESEAL_HOUR_MS);
	assert_int_equal(f->starts, RESEAL_TRIES + 1);
	reseal_handle_end(f->reseal, "tiny", 1, "no", BEGIN + RESEAL_HOUR_MS);
	want(f, BEGIN + RESEAL_HOUR_MS);
	assert_int_equal(f->starts, RESEAL_TRIES + 1);
	want(f, BEGIN + RESEAL_HOUR_MS + 1);
	assert_int_equal(f->starts, RESEAL_TRIES + 2);
}

/* Each ends well, and the version cannot be forked still. */
static void
test_reseal__what_does_not_help_is_not_done_for_ever(void **state)
{
	struct fixture *f = *state;

	for (guint64 i = 0; i < 2 * RESEAL_TRIES; i++) {
		want(f, BEGIN + i);
		if (i < RESEAL_TRIES)
			reseal_handle_end(f->reseal, "tiny", 1, NULL, BEGIN + i);
	}
	assert_int_equal(f->starts, RESEAL_TRIES);
	assert_string_equal(f->told->str,
			    "sealing sealed sealing sealed sealing sealed seal_failed ");
	assert_non_null(strstr(f->last, "though it was sealed again 3 times, " REASON));
	want(f, BEGIN + RESEAL_HOUR_MS);
	assert_int_equal(f->starts, RESEAL_TRIES + 1);
	/* What an earlier hostd began is not ours. */
	reseal_handle_end(f->reseal, "tiny", 1, NULL, BEGIN + RESEAL_HOUR_MS);
	reseal_handle_end(f->reseal, "", 0, "carrel-hostd was restarted", BEGIN);
	assert_string_equal(f->last, "template 'tiny@1' is sealed again for this host");
}

static void
test_reseal__a_long_error_is_cut(void **state)
{
	struct fixture *f = *state;
	g_autofree char *error = g_malloc0(2 * RESEAL_MAX_TEXT + 1);

	for (gsize i = 0; i < RESEAL_MAX_TEXT; i++)
		memcpy(error + 2 * i, "\xc3\xa4", 2);
	want(f, BEGIN);
	reseal_handle_end(f->reseal, "tiny", 1, error, BEGIN);
	assert_in_range(strlen(f->last), RESEAL_MAX_TEXT - 2, RESEAL_MAX_TEXT);
	assert_true(g_utf8_validate(f->last, -1, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_reseal__##name, setup, teardown)

/* What was suspended could not go on from a version that was sealed again. */
static void
test_reseal__waits_for_suspended_desktops_and_says_so_once(void **state)
{
	struct fixture *f = *state;

	want_held(f, BEGIN, "d-aaaaaaaaaaaaaaaaaaaa");
	want_held(f, BEGIN + 1, "d-aaaaaaaaaaaaaaaaaaaa");
	assert_int_equal(f->starts, 0);
	assert_string_equal(f->told->str, "seal_waits ");
	assert_non_null(strstr(f->last, REASON));
	assert_non_null(strstr(f->last, "d-aaaaaaaaaaaaaaaaaaaa"));
	assert_non_null(strstr(f->last, "'carrel desktop stop'"));
	want(f, BEGIN + 2);
	assert_int_equal(f->starts, 1);
	assert_string_equal(f->told->str, "seal_waits sealing ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_job_is_begun_however_often_it_is_wanted),
		TEST(a_job_that_cannot_begin_is_no_try),
		TEST(a_job_may_fail_as_it_begins),
		TEST(three_tries_an_hour),
		TEST(what_does_not_help_is_not_done_for_ever),
		TEST(a_long_error_is_cut),
		TEST(waits_for_suspended_desktops_and_says_so_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
