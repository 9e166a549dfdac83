/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_doctor.c - what a machine can do, told from a folder that plays the machine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "host/doctor.h"

static const char *const folders[] = { "proc", "sys/fs/cgroup", "sys/fs", "sys", "etc" };
static const char *const files[] = { "proc/cpuinfo", "proc/meminfo", "etc/subuid",
				     "sys/fs/cgroup/cgroup.controllers",
				     "sys/fs/cgroup/cgroup.subtree_control" };

static void
put(const char *root, const char *path, const char *text)
{
	g_autofree char *full = g_build_filename(root, path, NULL);
	g_autofree char *folder = g_path_get_dirname(full);

	assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
	assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void
clean(const char *root)
{
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(root, files[i], NULL);

		g_unlink(path);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(root, folders[i], NULL);

		g_rmdir(path);
	}
	g_rmdir(root);
}

static const json_t *
find(const json_t *list, const char *name)
{
	gsize index;
	json_t *row;

	json_array_foreach(list, index, row) {
		if (strcmp(json_get_text(row, "name", ""), name) == 0)
			return row;
	}
	fail();
	return NULL;
}

static const struct {
	const char *path;
	const char *text;
	const char *check;
	int ok;
	const char *value;
} table[] = {
	{ "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu svm sse\n", "cpu", 1, "svm" },
	{ "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse\n", "cpu", 1, "vmx" },
	{ "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmxy\n", "cpu", 0, "neither" },
	{ "proc/cpuinfo", "", "cpu", 0, "neither" },
	{ "proc/meminfo", "MemTotal: 9 kB\nMemAvailable:  4194304 kB\n", "ram", 1, "4096 MiB" },
	{ "proc/meminfo", "MemAvailable: 1024 kB\n", "ram", 0, "1 MiB" },
	{ "etc/subuid", "ada:3000000000:65536\n", "uids", 0, "'ada'" },
	{ "etc/subuid", "ada:100000:65536\nbroken\n::\n", "uids", 1, "are free" },
	{ "sys/fs/cgroup/cgroup.controllers", "cpu io\n", "cgroup", 0, "no memory" },
};

static void
test_doctor__finds_what_the_machine_shows(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *root = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
		struct doctor_options options = { .engines = json_null(),
						  .qemu = "no-such-qemu",
						  .passt = "no-such-passt",
						  .lib = "/",
						  .root = root,
						  .uid_first = 3000000000,
						  .uid_count = 1000 };
		json_t *found;
		const json_t *row;

		put(root, table[i].path, table[i].text);
		found = doctor_examine(&options);
		assert_non_null(found);
		row = find(json_object_get(found, "checks"), table[i].check);
		assert_int_equal(json_get_flag(row, "ok", -1), table[i].ok);
		assert_non_null(strstr(json_get_text(row, "value", ""), table[i].value));
		assert_int_equal(json_get_text(row, "advice", "")[0] == '\0', table[i].ok);
		json_decref(found);
		clean(root);
	}
}

static void
test_doctor__carries_the_engines_and_the_limits(void **state)
{
	json_t *engines = json_pack("[{s:s}]", "name", "qemu");
	struct doctor_options options = { .engines = engines,
					  .qemu = "no-such-qemu",
					  .passt = "no-such-passt",
					  .lib = "/",
					  .root = "/nowhere",
					  .uid_first = 3000000000,
					  .uid_count = 1000 };
	json_t *found = doctor_examine(&options);

	(void)state;
	assert_true(json_equal(json_object_get(found, "engines"), engines));
	assert_string_equal(json_get_text(found, "limits", ""), "none");
	json_decref(found);
	json_decref(engines);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doctor__finds_what_the_machine_shows),
		cmocka_unit_test(test_doctor__carries_the_engines_and_the_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
