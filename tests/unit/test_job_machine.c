/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_job_machine.c - what a job's machine said last becomes part of the job's error, and the end of it part of the job's log
 *
 * The machine's program is a script that is found as QEMU is; the engine only hands out the spawner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/engine.h"
#include "templates/job_machine.h"
#include "tests/unit/stderr_capture.h"

#define PROGRAM "qemu-system-x86_64"

struct fixture {
	char *folder;
	char *program;
	char *old_path;
	const struct engine_spawner *spawner;
	struct job_machine *machine;
	int pidfd;
};

static struct engine_vm *
fake_vm_new(const char *id, guint64 generation, const struct engine_place *place,
	    engine_event_callback callback, void *context)
{
	struct fixture *f = context;

	(void)id, (void)generation, (void)callback;
	f->spawner = place->spawner;
	return g_new0(struct engine_vm, 1);
}

static void
fake_vm_free(struct engine_vm *vm)
{
	g_free(vm);
}

static const struct engine_ops fake_ops = {
	.name = "fake", .process = "qemu", .vm_new = fake_vm_new, .vm_free = fake_vm_free
};

static void
ignore_event(void *context, enum engine_event event, gint64 value)
{
	(void)context, (void)event, (void)value;
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;

	f->folder = g_dir_make_tmp("test-job-machine-XXXXXX", NULL);
	f->program = g_build_filename(f->folder, PROGRAM, NULL);
	f->old_path = g_strdup(g_getenv("PATH"));
	path = g_strconcat(f->folder, ":", f->old_path, NULL);
	g_setenv("PATH", path, TRUE);
	f->machine = job_machine_new(&fake_ops, f->folder, -1, ignore_event, f, &error);
	assert_null(error);
	f->pidfd = -1;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	job_machine_free(f->machine);
	if (f->pidfd >= 0)
		close(f->pidfd);
	g_setenv("PATH", f->old_path, TRUE);
	g_unlink(f->program);
	assert_int_equal(g_rmdir(f->folder), 0); /* the machine's own is gone */
	g_free(f->old_path);
	g_free(f->program);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
note_spawned(void *data, int pidfd, const GError *error)
{
	struct fixture *f = data;

	assert_null(error);
	f->pidfd = pidfd;
}

/* The machine's program does this, and ends. */
static void
run(struct fixture *f, const char *commands)
{
	static const char *const argv[] = { "-nodefaults", NULL };
	g_autofree char *script = g_strconcat("#!/bin/sh\n", commands, "\n", NULL);
	struct pollfd end = { .events = POLLIN };

	assert_true(g_file_set_contents(f->program, script, -1, NULL));
	assert_int_equal(g_chmod(f->program, 0700), 0);
	f->spawner->spawn(f->spawner->context, "x", 1, LAUNCH_ROLE_QEMU, argv, NULL, NULL, 0, 0,
			  note_spawned, f);
	end.fd = f->pidfd;
	assert_int_equal(poll(&end, 1, 10000), 1);
}

static void
test_job_machine__its_last_words_stand_behind_the_error(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED, "QEMU ended");
	g_autoptr(GError) cancelled =
		g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "it was cancelled");
	g_autofree char *words = NULL;

	run(f, "echo 'qemu: it begins'; echo 'qemu: there is no such device' >&2; exit 1");
	words = job_machine_get_words(f->machine);
	job_machine_blame(words, error);
	assert_string_equal(
		error->message,
		"QEMU ended; the last line of 'qemu.log' was: qemu: there is no such device");
	job_machine_blame(words, cancelled);
	assert_string_equal(cancelled->message, "it was cancelled");
}

static void
test_job_machine__one_that_said_nothing_adds_nothing(void **state)
{
	struct fixture *f = *state;
	g_autofree char *before = job_machine_get_words(f->machine);
	g_autofree char *words = NULL;

	assert_string_equal(before, "");
	run(f, "exit 1");
	words = job_machine_get_words(f->machine);
	assert_string_equal(words, "");
}

/* Frees the machine; what was written to standard error meanwhile, for free(). */
static char *
free_machine(struct fixture *f)
{
	struct stderr_capture capture;

	stderr_capture_begin(&capture);
	job_machine_free(g_steal_pointer(&f->machine));
	return stderr_capture_end(&capture);
}

static void
test_job_machine__the_job_log_has_all_that_it_said(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = NULL;

	run(f, "echo one; echo two >&2");
	text = free_machine(f);
	assert_string_equal(text, "one\ntwo\n");
}

static void
test_job_machine__a_flood_leaves_the_job_log_short(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = NULL;

	run(f, "head -c 1000000 /dev/zero | tr '\\0' x");
	text = free_machine(f);
	assert_int_equal(strlen(text), 64 * 1024);
}

static void
test_job_machine__the_job_log_has_how_it_ended(void **state)
{
	struct fixture *f = *state;
	CLEANUP_FREE char *text = NULL;

	run(f, "seq -f 'line %g of its boot' 1 5000; echo 'qemu: that was it'");
	text = free_machine(f);
	assert_in_range(strlen(text), 64 * 1024 - 40, 64 * 1024);
	assert_true(g_str_has_prefix(text, "line "));
	assert_true(g_str_has_suffix(text, "\nline 5000 of its boot\nqemu: that was it\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_job_machine__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_last_words_stand_behind_the_error),
		TEST(one_that_said_nothing_adds_nothing),
		TEST(the_job_log_has_all_that_it_said),
		TEST(a_flood_leaves_the_job_log_short),
		TEST(the_job_log_has_how_it_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
