/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_process_memory.c - a process that the kernel ended for lack of memory is known by its control group
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/process_memory.h"
#include "tests/unit/scratch.h"

static int
setup(void **state)
{
	*state = scratch_new();
	return 0;
}

static int
teardown(void **state)
{
	scratch_remove(*state);
	g_free(*state);
	return 0;
}

/* On a host of version 2 alone, and on a hybrid one. */
static void
test_process_memory__finds_the_group_of_the_process(void **state)
{
	static const char *const mounts[] = { "sys/fs/cgroup/unified", "sys/fs/cgroup" };
	const char *root = *state;

	scratch_put(root, "proc/self/fdinfo/7", "pos:\t0\nflags:\t02\nPid:\t42\nNSpid:\t42\n");
	scratch_put(root, "proc/42/cgroup", "4:memory:/other\n0::/slice/d-1/vmm\n");
	assert_null(process_memory_find_events(root, 7));
	assert_null(process_memory_find_events(root, 8));
	for (gsize i = 0; i < G_N_ELEMENTS(mounts); i++) {
		g_autofree char *file =
			g_build_filename(mounts[i], "slice/d-1/vmm/memory.events", NULL);
		g_autofree char *full = g_build_filename(root, file, NULL);
		g_autofree char *found = NULL;

		scratch_put(root, file, "oom_kill 0\n");
		found = process_memory_find_events(root, 7);
		assert_string_equal(found, full);
	}
}

static void
test_process_memory__reads_what_the_kernel_counted(void **state)
{
	static const struct {
		const char *text;
		gboolean ran_out;
	} cases[] = {
		{ "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n", TRUE },
		{ "low 0\nhigh 0\nmax 7\noom 1\noom_kill 0\noom_group_kill 0\n", FALSE },
		{ "low 0\noom_group_kill 1\n", FALSE },
		{ "oom_kill 2\n", TRUE },
		{ "", FALSE },
	};
	g_autofree char *path = g_build_filename(*state, "memory.events", NULL);

	assert_false(process_memory_ran_out(NULL));
	assert_false(process_memory_ran_out(path));
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		scratch_put(*state, "memory.events", cases[i].text);
		assert_int_equal(process_memory_ran_out(path), cases[i].ran_out);
	}
}

static void
test_process_memory__tells_what_is_not_shared(void **state)
{
	const char *root = *state;

	assert_true(process_memory_get_private(root, 7) == G_MAXUINT64);
	scratch_put(root, "proc/self/fdinfo/7", "pos:\t0\nflags:\t02\nPid:\t42\nNSpid:\t42\n");
	assert_true(process_memory_get_private(root, 7) == G_MAXUINT64);
	scratch_put(root, "proc/42/status",
		    "VmRSS:\t    9000 kB\nRssAnon:\t    1000 kB\nRssFile:\t    8000 kB\n"
		    "VmSwap:\t      24 kB\n");
	assert_int_equal(process_memory_get_private(root, 7), 1024 * 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_process_memory__tells_what_is_not_shared,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_memory__finds_the_group_of_the_process,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_process_memory__reads_what_the_kernel_counted,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
