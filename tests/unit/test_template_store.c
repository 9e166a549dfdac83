/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_template_store.c - a version's files are of one seal, though another folder takes its place meanwhile
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "host/template_store.h"
#include "tests/unit/wait_for.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char manifest_text[] =
	"{\"v\":1,\"name\":\"small\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
	"\"kinds\":[\"user\"],\"agent_version\":1,"
	"\"engine\":{\"name\":\"qemu\",\"version\":\"7.2.22\",\"accelerator\":\"tcg\",\"state_format\":1},"
	"\"machine\":{\"type\":\"pc-q35-7.2\",\"cpu\":\"Nehalem\",\"cpuid_sha256\":\"" HASH
	"\",\"cpus\":2,\"ram_mib\":256,"
	"\"command_line\":\"quiet\",\"devices\":[{\"id\":\"disk\",\"driver\":\"virtio-blk-pci\",\"address\":\"0x7\"}]},"
	"\"report\":[],\"files\":[{\"path\":\"disk.img\",\"size\":4096,\"sha256\":\"" HASH
	"\"},{\"path\":\"qemu/user/state\",\"size\":4096,\"sha256\":\"" HASH
	"\"},{\"path\":\"qemu/user/memory\",\"size\":268435456,\"sha256\":\"" HASH "\"}]}";

static const struct {
	const char *name;
	off_t size;
} files[] = {
	{ "disk.img", 4096 },
	{ "qemu/user/state", 4096 },
	{ "qemu/user/memory", 268435456 },
};

struct fixture {
	char *lib;
	char *version;
	char *away;
	guint loaded;
};

static void
make_version(const char *folder, const char *text)
{
	g_autofree char *kind = g_build_filename(folder, "qemu", "user", NULL);
	g_autofree char *manifest = g_build_filename(folder, "manifest.json", NULL);

	assert_int_equal(g_mkdir_with_parents(kind, 0700), 0);
	assert_true(g_file_set_contents(manifest, manifest_text, -1, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(folder, files[i].name, NULL);

		assert_true(g_file_set_contents(path, text, -1, NULL));
		assert_int_equal(truncate(path, files[i].size), 0);
	}
}

static void
remove_version(const char *folder)
{
	static const char *const names[] = { "disk.img",
					     "qemu/user/memory",
					     "qemu/user/state",
					     "qemu/user",
					     "qemu",
					     "manifest.json",
					     "" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(folder, names[i], NULL);

		assert_int_equal(g_remove(path), 0);
	}
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->lib = g_dir_make_tmp("test-template-store-XXXXXX", NULL);
	f->version = g_build_filename(f->lib, "templates", "small", "3", NULL);
	f->away = g_build_filename(f->lib, "templates", "small", "away", NULL);
	make_version(f->version, "first");
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const folders[] = { "templates/small", "templates", "" };
	struct fixture *f = *state;

	remove_version(f->version);
	remove_version(f->away);
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
	make_version(f->version, "second");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_template_store__files_are_of_one_seal, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
