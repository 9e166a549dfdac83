/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_steps.c - operations written as tables of steps end once, whatever happens
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "host/steps.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

struct fixture {
	GString *trace;
	struct steps *kept; /* of the step that waits, a reference */
	guint ends;
	GError *error;
	json_t *report;
	int fd;
	gboolean freed;
};

static void
note_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct fixture *f = data;

	(void)source;
	f->ends++;
	steps_finish(result, &f->error);
	f->report = steps_get_report(result);
	f->fd = steps_take_fd(result);
}

static void
note_free(gpointer data)
{
	((struct fixture *)data)->freed = TRUE;
}

static void
start_quick(struct steps *steps, void *context)
{
	struct fixture *f = context;

	g_string_append(f->trace, "quick ");
	steps_next(steps);
}

static void
start_fail(struct steps *steps, void *context)
{
	struct fixture *f = context;

	g_string_append(f->trace, "fail ");
	steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NO_SPACE, "disk full"));
}

static void
start_wait(struct steps *steps, void *context)
{
	struct fixture *f = context;

	g_string_append(f->trace, "wait ");
	f->kept = steps_ref(steps);
}

static void
start_open(struct steps *steps, void *context)
{
	(void)context;
	steps_set_fd(steps, dup(STDIN_FILENO));
	steps_next(steps);
}

static void
start_call(struct steps *steps, void *context)
{
	GTask *task = g_task_new(NULL, NULL, steps_handle_json, steps_ref(steps));

	(void)context;
	g_task_return_pointer(task, json_object(), (GDestroyNotify)json_decref);
	g_object_unref(task);
}

static void
start_bad_call(struct steps *steps, void *context)
{
	GTask *task = g_task_new(NULL, NULL, steps_handle_boolean, steps_ref(steps));

	(void)context;
	g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_BUSY, "it is busy");
	g_object_unref(task);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->trace = g_string_new(NULL);
	f->fd = -1;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	if (f->kept)
		steps_unref(f->kept);
	assert_int_equal(f->ends, 1);
	assert_true(f->freed);
	g_clear_error(&f->error);
	json_decref(f->report);
	if (f->fd >= 0)
		close(f->fd);
	g_string_free(f->trace, TRUE);
	g_free(f);
	return 0;
}

static void
run(struct fixture *f, const struct step *table, gsize n, GCancellable *cancellable)
{
	struct steps_call call = { cancellable, note_end, f };

	steps_run(table, n, f, note_free, &call);
}

static void
test_steps__run_one_after_the_other(void **state)
{
	static const struct step table[] = {
		{ "one", start_quick, 1000 },
		{ "two", start_wait, 10000 },
		{ "three", start_call, 1000 },
		{ "four", start_quick, 1000 },
	};
	struct fixture *f = *state;

	run(f, table, G_N_ELEMENTS(table), NULL);
	fake_peer_settle();
	assert_string_equal(f->trace->str, "quick wait ");
	assert_true(steps_running(f->kept));
	steps_next(f->kept);
	WAIT_FOR(f->ends);
	assert_null(f->error);
	assert_string_equal(f->trace->str, "quick wait quick ");
	assert_int_equal(json_array_size(f->report), 4);
	assert_string_equal(json_get_text(json_array_get(f->report, 2), "name", ""), "three");
}

static void
test_steps__an_error_names_its_step_and_ends_all(void **state)
{
	static const struct step table[] = {
		{ "one", start_quick, 1000 },
		{ "write the file", start_fail, 1000 },
		{ "three", start_quick, 1000 },
	};
	struct fixture *f = *state;

	run(f, table, G_N_ELEMENTS(table), NULL);
	WAIT_FOR(f->ends);
	assert_true(g_error_matches(f->error, G_IO_ERROR, G_IO_ERROR_NO_SPACE));
	assert_string_equal(f->error->message, "write the file: disk full");
	assert_string_equal(f->trace->str, "quick fail ");
	assert_int_equal(json_array_size(f->report), 2);
}

static void
test_steps__a_call_that_fails_fails_its_step(void **state)
{
	static const struct step table[] = { { "ask", start_bad_call, 1000 } };
	struct fixture *f = *state;

	run(f, table, G_N_ELEMENTS(table), NULL);
	WAIT_FOR(f->ends);
	assert_string_equal(f->error->message, "ask: it is busy");
}

static void
test_steps__a_deadline_ends_them_and_what_comes_later_is_ignored(void **state)
{
	static const struct step table[] = { { "boot", start_wait, 20 } };
	struct fixture *f = *state;

	run(f, table, G_N_ELEMENTS(table), NULL);
	WAIT_FOR(f->ends);
	assert_true(g_error_matches(f->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
	assert_string_equal(f->error->message, "boot: no end within 20 ms");
	assert_false(steps_running(f->kept));
	assert_false(f->freed); /* the late call still needs the context */
	steps_next(f->kept);
	steps_fail(f->kept, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "late"));
	fake_peer_settle();
}

static void
test_steps__can_be_cancelled(void **state)
{
	static const struct step table[] = {
		{ "one", start_quick, 1000 },
		{ "two", start_wait, 10000 },
	};
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	struct fixture *f = *state;

	run(f, table, G_N_ELEMENTS(table), cancellable);
	g_cancellable_cancel(cancellable);
	WAIT_FOR(f->ends);
	assert_true(g_error_matches(f->error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	/* The report tells what was done before. */
	assert_int_equal(json_array_size(f->report), 2);
}

static void
test_steps__a_descriptor_that_nobody_takes_is_closed(void **state)
{
	static const struct step table[] = { { "open", start_open, 1000 } };
	struct fixture *f = *state;
	guint before = fake_peer_count_fds();

	run(f, table, G_N_ELEMENTS(table), NULL);
	WAIT_FOR(f->ends);
	assert_true(f->fd >= 0);
	assert_int_equal(fake_peer_count_fds(), before + 1);
	/* The same once more, without anybody who asks. */
	steps_run(table, G_N_ELEMENTS(table), NULL, NULL, &(struct steps_call){ 0 });
	fake_peer_settle();
	assert_int_equal(fake_peer_count_fds(), before + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_steps__##name, setup, teardown)
		TEST(run_one_after_the_other),
		TEST(an_error_names_its_step_and_ends_all),
		TEST(a_call_that_fails_fails_its_step),
		TEST(a_deadline_ends_them_and_what_comes_later_is_ignored),
		TEST(can_be_cancelled),
		TEST(a_descriptor_that_nobody_takes_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
