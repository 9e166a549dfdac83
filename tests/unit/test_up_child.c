/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_up_child.c - a service of "carrel up": ready, ended, started again, given up, stopped
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/up_child.h"

#define PATIENCE_S 60

struct stage {
	char *folder; /* of the program */
	char *socket;
	struct up_child *child;
	GMainLoop *loop;
	guint n_running;
	guint n_ended;
	char *hopeless;
};

static void
stage_handle_running(void *context, struct up_child *child)
{
	struct stage *stage = context;

	(void)child;
	stage->n_running++;
	g_main_loop_quit(stage->loop);
}

static void
stage_handle_ended(void *context, struct up_child *child)
{
	struct stage *stage = context;

	(void)child;
	stage->n_ended++;
	g_main_loop_quit(stage->loop);
}

static void
stage_handle_hopeless(void *context, struct up_child *child, const char *words)
{
	struct stage *stage = context;

	(void)child;
	stage->hopeless = g_strdup(words);
	g_main_loop_quit(stage->loop);
}

static const struct up_child_events stage_events = { stage_handle_running, stage_handle_ended,
						     stage_handle_hopeless };

static gboolean
stage_handle_late(gpointer data)
{
	(void)data;
	fail_msg("nothing happened for %d s", PATIENCE_S);
	return G_SOURCE_REMOVE;
}

static void
stage_wait(struct stage *stage)
{
	guint late = g_timeout_add_seconds(PATIENCE_S, stage_handle_late, NULL);

	g_main_loop_run(stage->loop);
	g_source_remove(late);
}

/* The service is a shell script; $0 is in the folder where "ready" has to appear. */
static struct stage *
stage_start(const char *script)
{
	struct stage *stage = g_new0(struct stage, 1);
	g_autofree char *program = NULL;
	g_autofree char *text = g_strdup_printf("#!/bin/sh\ncd \"${0%%/*}\"\n%s\n", script);
	char *argv[] = { (char *)"service", NULL };

	stage->folder = g_dir_make_tmp("up_child.XXXXXX", NULL);
	program = g_build_filename(stage->folder, "service", NULL);
	assert_true(
		g_file_set_contents_full(program, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
	g_setenv("CARREL_LIBEXEC_DIR", stage->folder, TRUE);
	stage->socket = g_build_filename(stage->folder, "ready", NULL);
	stage->loop = g_main_loop_new(NULL, FALSE);
	stage->child = up_child_new(g_strdupv(argv), stage->socket, 0, 0, &stage_events, stage);
	up_child_start(stage->child);
	return stage;
}

static void
stage_done(struct stage *stage)
{
	static const char *const names[] = { "service", "ready", "count" };

	up_child_free(stage->child);
	g_main_loop_unref(stage->loop);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(stage->folder, names[i], NULL);

		g_remove(path);
	}
	g_rmdir(stage->folder);
	g_free(stage->folder);
	g_free(stage->socket);
	g_free(stage->hopeless);
	g_free(stage);
}

static void
test_up_child__is_ready_when_its_file_appears_and_ends_when_told(void **state)
{
	struct stage *stage = stage_start("touch ready; exec sleep 1000");

	stage_wait(stage);
	assert_int_equal(stage->n_running, 1);
	assert_int_equal(stage->n_ended, 0);
	up_child_stop(stage->child);
	up_child_stop(stage->child);
	stage_wait(stage);
	assert_int_equal(stage->n_ended, 1);
	stage_done(stage);
}

static void
test_up_child__starts_again_what_dies_and_forgets_the_old_file(void **state)
{
	/* The first one leaves its file behind; the second is ready only by a file of its own. */
	struct stage *stage = stage_start(
		"if test -e count; then test ! -e ready || exit 9; touch ready; exec sleep 1000; fi\n"
		"touch ready; sleep 0.3; touch count; kill -KILL $$");

	stage_wait(stage);
	assert_int_equal(stage->n_running, 1);
	stage_wait(stage);
	assert_int_equal(stage->n_running, 2);
	assert_null(stage->hopeless);
	up_child_stop(stage->child);
	stage_wait(stage);
	stage_done(stage);
}

static void
test_up_child__gives_up_what_never_is_ready_with_its_last_words(void **state)
{
	struct stage *stage =
		stage_start("echo x >>count; echo first >&2; echo 'the port is taken' >&2; exit 1");
	g_autofree char *path = g_build_filename(stage->folder, "count", NULL);
	g_autofree char *count = NULL;

	stage_wait(stage);
	assert_string_equal(stage->hopeless, "the port is taken");
	assert_int_equal(stage->n_running, 0);
	assert_true(g_file_get_contents(path, &count, NULL, NULL));
	assert_int_equal(strlen(count), 2 * UP_CHILD_MAX_START_FAILURES);
	/* Nothing runs: it ends at once. */
	up_child_stop(stage->child);
	assert_int_equal(stage->n_ended, 1);
	stage_done(stage);
}

static void
test_up_child__kills_what_does_not_hear(void **state)
{
	struct stage *stage = stage_start("trap '' TERM; touch ready; while :; do sleep 1; done");

	stage_wait(stage);
	up_child_stop(stage->child);
	stage_wait(stage);
	assert_int_equal(stage->n_ended, 1);
	stage_done(stage);
}

static void
test_up_child__doubles_the_pause_up_to_its_limit(void **state)
{
	static const guint wanted_ms[] = {
		100, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000
	};

	for (guint i = 0; i < G_N_ELEMENTS(wanted_ms); i++)
		assert_int_equal(up_child_backoff_ms(i), wanted_ms[i]);
	assert_int_equal(up_child_backoff_ms(4000000000u), 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_child__doubles_the_pause_up_to_its_limit),
		cmocka_unit_test(test_up_child__is_ready_when_its_file_appears_and_ends_when_told),
		cmocka_unit_test(test_up_child__starts_again_what_dies_and_forgets_the_old_file),
		cmocka_unit_test(test_up_child__gives_up_what_never_is_ready_with_its_last_words),
		cmocka_unit_test(test_up_child__kills_what_does_not_hear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
