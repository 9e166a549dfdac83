/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_template_store.c - a version's files are of one seal, though another folder takes its place meanwhile; where its memory is,
 * and what of it is read ahead
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/kvm_device.h"
#include "host/qemu_machine.h"
#include "host/template_store.h"
#include "host/vmm_machine.h"
#include "tests/unit/fake_kvm.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/stderr_capture.h"
#include "tests/unit/wait_for.h"

#define HASH	     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CPUS	     2
#define RAM_MIB	     256
#define MEMORY_BYTES (RAM_MIB << 20)
#define BEHIND_HOLE  (200 << 20)
#define PAGE_BYTES   4096

/* What a manifest says of the engine, whose name the folder of its files has. */
struct maker {
	const char *engine;
	const char *accelerator;
	const char *machine_type;
	const char *cpu;
};

static const struct maker qemu_maker = { "qemu", "tcg", QEMU_MACHINE_TYPE, "Nehalem" };
static const struct maker kvm_maker = { "kvm", "kvm", VMM_MACHINE_TYPE, VMM_MACHINE_CPU };

/* "memory" and "state" are below a folder of the engine's. */
static const struct {
	const char *name;
	off_t size;
	gboolean sealed;
} files[] = {
	{ "disk.img", 4096, FALSE },
	{ "state", 4096, TRUE },
	{ "memory", MEMORY_BYTES, TRUE },
};

struct fixture {
	const struct maker *maker;
	char *lib;
	char *version;
	char *away;
	guint loaded;
};

int __wrap_kvm_device_open(const char *root);

/* fake_kvm.c answers whatever is asked of it. */
int
__wrap_kvm_device_open(const char *root)
{
	(void)root;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static char *
make_path(const struct maker *maker, const char *folder, gsize file)
{
	return files[file].sealed
		       ? g_build_filename(folder, maker->engine, "user", files[file].name, NULL)
		       : g_build_filename(folder, files[file].name, NULL);
}

/* Of a host whose CPUID answers this. */
static char *
make_manifest(const struct maker *maker, const char *cpuid_sha256)
{
	return g_strdup_printf(
		"{\"v\":1,\"name\":\"small\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
		"\"kinds\":[\"user\"],\"agent_version\":1,"
		"\"engine\":{\"name\":\"%s\",\"version\":\"1\",\"accelerator\":\"%s\",\"state_format\":1},"
		"\"machine\":{\"type\":\"%s\",\"cpu\":\"%s\",\"cpuid_sha256\":\"%s\",\"cpus\":%d,\"ram_mib\":%d,"
		"\"command_line\":\"quiet\",\"devices\":[{\"id\":\"disk\",\"driver\":\"virtio-blk-pci\",\"address\":\"0x7\"}]},"
		"\"report\":[],\"files\":[{\"path\":\"disk.img\",\"size\":4096,\"sha256\":\"" HASH
		"\"},{\"path\":\"%s/user/state\",\"size\":4096,\"sha256\":\"" HASH
		"\"},{\"path\":\"%s/user/memory\",\"size\":%d,\"sha256\":\"" HASH "\"}]}",
		maker->engine, maker->accelerator, maker->machine_type, maker->cpu, cpuid_sha256,
		CPUS, RAM_MIB, maker->engine, maker->engine, MEMORY_BYTES);
}

static char *
find_cpuid(const struct maker *maker)
{
	int device = kvm_device_open("");
	char *sha256 = maker == &kvm_maker ? kvm_device_hash_cpu(device, maker->cpu, CPUS, NULL)
					   : g_strdup(HASH);

	close(device);
	assert_non_null(sha256);
	return sha256;
}

static void
make_version(const struct maker *maker, const char *folder, const char *text)
{
	g_autofree char *kind = g_build_filename(folder, maker->engine, "user", NULL);
	g_autofree char *manifest = g_build_filename(folder, "manifest.json", NULL);
	g_autofree char *cpuid = find_cpuid(maker);
	g_autofree char *manifest_text = make_manifest(maker, cpuid);

	assert_int_equal(g_mkdir_with_parents(kind, 0700), 0);
	assert_true(g_file_set_contents(manifest, manifest_text, -1, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = make_path(maker, folder, i);

		assert_true(g_file_set_contents(path, text, -1, NULL));
		assert_int_equal(truncate(path, files[i].size), 0);
	}
}

static void
remove_version(const struct maker *maker, const char *folder)
{
	g_autofree char *manifest = g_build_filename(folder, "manifest.json", NULL);
	g_autofree char *engine = g_build_filename(folder, maker->engine, NULL);
	g_autofree char *kind = g_build_filename(engine, "user", NULL);
	const char *const rest[] = { manifest, kind, engine, folder };

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = make_path(maker, folder, i);

		assert_int_equal(g_remove(path), 0);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(rest); i++)
		assert_int_equal(g_remove(rest[i]), 0);
}

static int
setup(void **state, const struct maker *maker)
{
	struct fixture *f = g_new0(struct fixture, 1);

	fake_kvm_set_up();
	fake_kvm.has_cpu = true;
	f->maker = maker;
	f->lib = g_dir_make_tmp("test-template-store-XXXXXX", NULL);
	f->version = g_build_filename(f->lib, "templates", "small", "3", NULL);
	f->away = g_build_filename(f->lib, "templates", "small", "away", NULL);
	make_version(maker, f->version, "first");
	*state = f;
	return 0;
}

static int
setup_qemu(void **state)
{
	return setup(state, &qemu_maker);
}

static int
setup_kvm(void **state)
{
	return setup(state, &kvm_maker);
}

static int
teardown(void **state)
{
	static const char *const folders[] = { "templates/small", "templates", "" };
	struct fixture *f = *state;

	remove_version(f->maker, f->version);
	if (g_file_test(f->away, G_FILE_TEST_EXISTS))
		remove_version(f->maker, f->away);
	for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(f->lib, folders[i], NULL);

		assert_int_equal(g_rmdir(path), 0);
	}
	g_free(f->away);
	g_free(f->version);
	g_free(f->lib);
	g_free(f);
	return 0;
}

static void
note_loaded(void *context)
{
	struct fixture *f = context;

	f->loaded++;
}

static void
check_file(int fd, const char *expected)
{
	char text[16] = "";

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), sizeof(text) - 1);
	assert_string_equal(text, expected);
}

/* As launch exchanges it when it is sealed again. */
static void
seal_again(struct fixture *f)
{
	assert_int_equal(g_rename(f->version, f->away), 0);
	make_version(f->maker, f->version, "second");
}

static void
check_found(struct template_store *store, const char *expected)
{
	struct engine_template found;
	GError *error = NULL;
	int disk;

	assert_true(template_store_find(store, "small", 3, "user", &found, &error));
	disk = openat(found.folder, "disk.img", O_RDONLY | O_CLOEXEC);
	check_file(found.memory, expected);
	check_file(disk, expected);
	close(disk);
}

static void
test_template_store__files_are_of_one_seal(void **state)
{
	struct fixture *f = *state;
	struct template_store *store = template_store_new(f->lib, FALSE, note_loaded, f);
	struct engine_template found;
	GError *error = NULL;

	assert_false(template_store_find(store, "small", 3, "user", &found, &error));
	assert_null(error);
	seal_again(f);
	WAIT_FOR(f->loaded == 1);
	check_found(store, "first");
	template_store_forget(store, "small", 3);
	assert_false(template_store_find(store, "small", 3, "user", &found, &error));
	WAIT_FOR(f->loaded == 2);
	check_found(store, "second");
	template_store_free(store);
}

/* Behind a hole there is more. Returns the memory's descriptor, which is the store's. */
static int
find_kvm_memory(struct fixture *f, struct template_store *store)
{
	g_autofree char *path = g_build_filename(f->version, "kvm", "user", "memory", NULL);
	struct engine_template found = { 0 };
	GError *error = NULL;
	int file = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(file, "last", 5, BEHIND_HOLE), 5);
	close(file);
	WAIT_FOR(template_store_find(store, "small", 3, "user", &found, &error) || error);
	assert_null(error);
	return found.memory;
}

static void
check_memory(int memory)
{
	char text[5] = "";

	check_file(memory, "first");
	assert_int_equal(pread(memory, text, sizeof(text), BEHIND_HOLE), sizeof(text));
	assert_string_equal(text, "last");
	assert_int_equal(fcntl(memory, F_GETFL) & O_ACCMODE, O_RDONLY);
}

static void
test_template_store__is_in_ram_where_the_host_wants_it(void **state)
{
	struct fixture *f = *state;
	struct template_store *store = template_store_new(f->lib, TRUE, note_loaded, f);
	int memory = find_kvm_memory(f, store);
	struct stat status;

	assert_int_equal(f->loaded, 1);
	assert_int_equal(fcntl(memory, F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	check_memory(memory);
	assert_int_equal(fstat(memory, &status), 0);
	assert_int_equal(status.st_size, MEMORY_BYTES);
	assert_true(status.st_blocks * 512 <= 4 * PAGE_BYTES);
	template_store_free(store);
}

static void
test_template_store__is_the_file_itself_where_the_engine_can_map_it(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->version, "kvm", "user", "memory", NULL);
	struct template_store *store = template_store_new(f->lib, FALSE, note_loaded, f);
	int memory = find_kvm_memory(f, store);
	struct stat held, named;

	assert_int_equal(f->loaded, 0);
	assert_int_equal(fstat(memory, &held), 0);
	assert_int_equal(stat(path, &named), 0);
	assert_int_equal(held.st_ino, named.st_ino);
	check_memory(memory);
	template_store_free(store);
}

/* What is logged when a store with a note finds the version and is gone at once, as soon as nothing of it is open any more; for free(). */
static char *
find_with_note(struct fixture *f, gboolean in_ram)
{
	g_autofree char *note = g_build_filename(f->version, "kvm", "user", "touched", NULL);
	struct template_store *store = template_store_new(f->lib, in_ram, note_loaded, f);
	struct engine_template found;
	struct stderr_capture log;
	GError *error = NULL;
	guint n_fds;

	assert_true(g_file_set_contents(note, "touched 1\n0 1\n51200 2\n", -1, NULL));
	g_main_context_iteration(NULL, FALSE);
	stderr_capture_begin(&log);
	n_fds = fake_peer_count_fds();
	template_store_find(store, "small", 3, "user", &found, &error);
	assert_null(error);
	template_store_free(store);
	WAIT_FOR(fake_peer_count_fds() == n_fds);
	assert_int_equal(g_remove(note), 0);
	return stderr_capture_end(&log);
}

static void
test_template_store__has_what_is_noted_read_ahead_of_the_file_only(void **state)
{
	struct fixture *f = *state;
	g_autofree char *wanted =
		g_strdup_printf("3 pages of the memory of '%s' are read ahead", f->version);
	CLEANUP_FREE char *of_file = find_with_note(f, FALSE);
	CLEANUP_FREE char *of_ram = find_with_note(f, TRUE);

	assert_non_null(strstr(of_file, wanted));
	assert_null(strstr(of_ram, "read ahead"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_template_store__files_are_of_one_seal,
						setup_qemu, teardown),
		cmocka_unit_test_setup_teardown(
			test_template_store__is_in_ram_where_the_host_wants_it, setup_kvm,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_template_store__is_the_file_itself_where_the_engine_can_map_it,
			setup_kvm, teardown),
		cmocka_unit_test_setup_teardown(
			test_template_store__has_what_is_noted_read_ahead_of_the_file_only,
			setup_kvm, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
