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
#include <sys/stat.h>
#include <unistd.h>

#include "host/doctor.h"
#include "tests/unit/scratch.h"

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
	{ "etc/none", "", "kvm-device", 0, "missing" },
	{ "etc/none", "", "kvm-module", 0, "neither kvm_intel nor kvm_amd" },
	{ "sys/module/kvm_amd/x", "", "kvm-module", 1, "kvm_amd" },
	{ "etc/none", "", "kvm-needs", 0, "there is no /dev/kvm" },
	{ "etc/none", "", "io_uring", 1, "allowed" },
	{ "proc/sys/kernel/io_uring_disabled", "0\n", "io_uring", 1, "allowed" },
	{ "proc/sys/kernel/io_uring_disabled", "1\n", "io_uring", 0, "forbidden" },
	{ "proc/sys/kernel/io_uring_disabled", "2\n", "io_uring", 0, "forbidden" },
	{ "etc/none", "", "namespaces", 0, "the kernel has none" },
	{ "proc/sys/user/max_user_namespaces", "0\n", "namespaces", 0, "none are allowed" },
	{ "proc/sys/user/max_user_namespaces", "96365\n", "namespaces", 1, "allowed" },
};

static void
test_doctor__finds_what_the_machine_shows(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *root = scratch_new();
		struct doctor_options options = { .engines = json_null(),
						  .qemu = "no-such-qemu",
						  .passt = "no-such-passt",
						  .lib = "/",
						  .root = root,
						  .uid_first = 3000000000,
						  .uid_count = 1000 };
		json_t *found;
		const json_t *row;

		scratch_put(root, table[i].path, table[i].text);
		found = doctor_examine(&options);
		assert_non_null(found);
		row = find(json_object_get(found, "checks"), table[i].check);
		assert_int_equal(json_get_flag(row, "ok", -1), table[i].ok);
		assert_non_null(strstr(json_get_text(row, "value", ""), table[i].value));
		assert_int_equal(json_get_text(row, "advice", "")[0] == '\0', table[i].ok);
		json_decref(found);
		scratch_remove(root);
	}
}

/* Two files: what the kernel has, and what Debian's kernel allows of it. */
static void
test_doctor__tells_of_namespaces_for_root_only(void **state)
{
	g_autofree char *root = scratch_new();
	struct doctor_options options = { .engines = json_null(),
					  .qemu = "no-such-qemu",
					  .passt = "no-such-passt",
					  .lib = "/",
					  .root = root };
	json_t *found;
	const json_t *row;

	(void)state;
	scratch_put(root, "proc/sys/user/max_user_namespaces", "96365\n");
	scratch_put(root, "proc/sys/kernel/unprivileged_userns_clone", "0\n");
	found = doctor_examine(&options);
	row = find(json_object_get(found, "checks"), "namespaces");
	assert_string_equal(json_get_text(row, "value", ""), "for root only");
	json_decref(found);
	scratch_remove(root);
}

/* A hint where the engine that it is for can run, and nothing to be told of elsewhere. */
static void
test_doctor__hints_at_huge_pages(void **state)
{
	static const struct {
		const char *setting;
		int usable;
		int ok;
		const char *value;
	} rows[] = {
		{ "always within_size advise [never] deny force\n", 1, 0, "never" },
		{ "always within_size advise never [deny] force\n", 1, 0, "deny" },
		{ "always within_size [advise] never deny force\n", 1, 1, "advise" },
		{ "[always] within_size advise never deny force\n", 1, 1, "always" },
		{ "always within_size advise [never] deny force\n", 0, 1, "never" },
		{ "", 1, 1, "the kernel has none" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *root = scratch_new();
		json_t *engines = json_pack("[{s:s, s:b}, {s:s, s:b}]", "name", "qemu", "usable", 1,
					    "name", "kvm", "usable", rows[i].usable);
		struct doctor_options options = { .engines = engines,
						  .qemu = "no-such-qemu",
						  .passt = "no-such-passt",
						  .lib = "/",
						  .root = root };
		json_t *found;
		const json_t *row;

		scratch_put(root, "sys/kernel/mm/transparent_hugepage/shmem_enabled",
			    rows[i].setting);
		found = doctor_examine(&options);
		row = find(json_object_get(found, "checks"), "huge-pages");
		assert_int_equal(json_get_flag(row, "ok", -1), rows[i].ok);
		assert_string_equal(json_get_text(row, "value", ""), rows[i].value);
		assert_int_equal(strstr(json_get_text(row, "advice", ""), "echo advise >") == NULL,
				 rows[i].ok);
		json_decref(found);
		json_decref(engines);
		scratch_remove(root);
	}
}

/* A virtual machine's advice is another than a real one's. */
static void
test_doctor__advises_by_the_machine(void **state)
{
	static const char *const words[][2] = {
		{ "flags : fpu\n", "firmware" },
		{ "flags : fpu hypervisor\n", "nested" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		g_autofree char *root = scratch_new();
		g_autofree char *cpuinfo = g_strconcat("processor : 0\n", words[i][0], NULL);
		struct doctor_options options = { .engines = json_null(),
						  .qemu = "no-such-qemu",
						  .passt = "no-such-passt",
						  .lib = "/",
						  .root = root };
		json_t *found;
		const json_t *row;

		scratch_put(root, "proc/cpuinfo", cpuinfo);
		found = doctor_examine(&options);
		row = find(json_object_get(found, "checks"), "cpu");
		assert_non_null(strstr(json_get_text(row, "advice", ""), words[i][1]));
		json_decref(found);
		scratch_remove(root);
	}
}

static void
test_doctor__knows_a_device_that_only_root_may_open(void **state)
{
	static const struct {
		int mode;
		const char *value;
	} modes[] = { { 0600, "only root may open it" }, { 0666, "usable" } };
	g_autofree char *root = scratch_new();
	g_autofree char *path = g_build_filename(root, "dev", "kvm", NULL);
	struct doctor_options options = { .engines = json_null(),
					  .qemu = "no-such-qemu",
					  .passt = "no-such-passt",
					  .lib = "/",
					  .root = root };

	(void)state;
	if (geteuid() != 0)
		skip();
	scratch_put(root, "dev/kvm", "");
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		json_t *found;

		assert_int_equal(chmod(path, (mode_t)modes[i].mode), 0);
		found = doctor_examine(&options);
		assert_string_equal(
			json_get_text(find(json_object_get(found, "checks"), "kvm-device"), "value",
				      ""),
			modes[i].value);
		json_decref(found);
	}
	scratch_remove(root);
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

#define HASH		 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_ENTRY(path) "{\"path\":\"" path "\",\"size\":1,\"sha256\":\"" HASH "\"}"
#define MANIFEST(version, type)                                                                     \
	"{\"v\":1,\"name\":\"tiny\",\"version\":" version                                           \
	",\"parent\":\"\",\"created_ms\":7,\"author\":\"\",\"note\":\"\",\"kinds\":[\"user\"],"     \
	"\"agent_version\":1,\"engine\":{\"name\":\"qemu\",\"version\":\"7.2.22\","                 \
	"\"accelerator\":\"tcg\",\"state_format\":1},\"machine\":{\"type\":\"" type                 \
	"\",\"cpu\":\"Nehalem\",\"cpuid_sha256\":\"" HASH "\",\"cpus\":2,\"ram_mib\":1024,"         \
	"\"command_line\":\"\",\"devices\":[{\"id\":\"disk\",\"driver\":\"d\",\"address\":\"\"}]}," \
	"\"report\":[],\"files\":[" FILE_ENTRY("qemu/user/memory") "," FILE_ENTRY(                  \
		"qemu/user/state") "]}"

static void
expect_templates(const struct doctor_options *options, gboolean ok, const char *value)
{
	json_t *found = doctor_examine(options);
	const json_t *check = find(json_object_get(found, "checks"), "templates");

	assert_int_equal(json_get_flag(check, "ok", !ok), ok);
	assert_string_equal(json_get_text(check, "value", ""), value);
	assert_int_equal(json_get_text(check, "advice", "")[0] == '\0', ok);
	json_decref(found);
}

static void
test_doctor__names_a_version_that_must_be_sealed_again(void **state)
{
	g_autofree char *root = scratch_new();
	struct doctor_options options = { .engines = json_null(),
					  .qemu = "no-such-qemu",
					  .passt = "no-such-passt",
					  .lib = root,
					  .root = root };

	(void)state;
	scratch_put(root, "templates/tiny/1/manifest.json", MANIFEST("1", "pc-q35-7.2"));
	expect_templates(&options, TRUE, "1 versions can be forked here");
	scratch_put(root, "templates/tiny/2/manifest.json", MANIFEST("2", "pc-q35-5.0"));
	scratch_put(root, "templates/tiny/3/manifest.json", "{");
	expect_templates(&options, FALSE,
			 "1 of 2 versions cannot be forked here; 'tiny@2': it was sealed with "
			 "machine type pc-q35-5.0, here it is pc-q35-7.2");
	scratch_remove(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doctor__finds_what_the_machine_shows),
		cmocka_unit_test(test_doctor__tells_of_namespaces_for_root_only),
		cmocka_unit_test(test_doctor__hints_at_huge_pages),
		cmocka_unit_test(test_doctor__advises_by_the_machine),
		cmocka_unit_test(test_doctor__knows_a_device_that_only_root_may_open),
		cmocka_unit_test(test_doctor__carries_the_engines_and_the_limits),
		cmocka_unit_test(test_doctor__names_a_version_that_must_be_sealed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
