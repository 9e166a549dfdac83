/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_manifest.c - manifest.json is strict
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/manifest.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char good[] =
	"{\"v\":1,\"name\":\"debian-openbox\",\"version\":3,\"parent\":\"\",\"created_ms\":7,\"author\":\"root\",\"note\":\"\","
	"\"kinds\":[\"user\"],\"agent_version\":1,"
	"\"engine\":{\"name\":\"qemu\",\"version\":\"7.2.22\",\"accelerator\":\"tcg\",\"state_format\":1},"
	"\"machine\":{\"type\":\"pc-q35-7.2\",\"cpu\":\"Nehalem\",\"cpuid_sha256\":\"" HASH
	"\",\"cpus\":2,\"ram_mib\":1024,"
	"\"command_line\":\"quiet\",\"devices\":[{\"id\":\"disk\",\"driver\":\"virtio-blk-pci\",\"address\":\"0x7\"}]},"
	"\"report\":[],\"files\":[{\"path\":\"qemu/user/state\",\"size\":1,\"sha256\":\"" HASH
	"\"}]}";

static const struct {
	const char *from;
	const char *to;
} bad_table[] = {
	{ "\"v\":1", "\"v\":2" },
	{ "debian-openbox", "../etc" },
	{ "\"version\":3", "\"version\":0" },
	{ "\"user\"", "\"root\"" },
	{ "qemu/user/state", "../state" },
	{ "qemu/user/state", "/etc/passwd" },
	{ "qemu/user/state", "qemu/./state" },
	{ "\"ram_mib\":1024", "\"ram_mib\":1" },
	{ "\"note\":\"\"", "\"note\":\"\",\"more\":1" },
	{ "\"report\":[]", "\"report\":[{}]" },
	{ "\"state_format\":1", "\"state_format\":0" },
	{ "\"author\":\"root\",", "" },
};

static void
test_manifest__reads_all_of_a_good_one(void **state)
{
	struct manifest *manifest = manifest_parse(good, strlen(good), NULL);

	(void)state;
	assert_non_null(manifest);
	assert_string_equal(manifest->name, "debian-openbox");
	assert_int_equal(manifest->version, 3);
	assert_int_equal(manifest->ram_mib, 1024);
	assert_string_equal(manifest->cpu, "Nehalem");
	manifest_free(manifest);
}

static void
test_manifest__refuses_what_is_not_in_its_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(bad_table); i++) {
		g_autoptr(GString) text = g_string_new(good);
		g_autoptr(GError) error = NULL;

		assert_int_equal(g_string_replace(text, bad_table[i].from, bad_table[i].to, 1), 1);
		assert_null(manifest_parse(text->str, text->len, &error));
		assert_non_null(error);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest__reads_all_of_a_good_one),
		cmocka_unit_test(test_manifest__refuses_what_is_not_in_its_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
