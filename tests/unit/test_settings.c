/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_settings.c - carrel.conf and conf.d
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>

#include "common/settings.h"

static char *
write_conf(const char *folder, const char *name, const char *text)
{
	char *path = g_build_filename(folder, name, NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

static struct settings *
load_text(const char *text, GError **error)
{
	g_autofree char *folder = g_dir_make_tmp("carrel-test-settings-XXXXXX", NULL);
	g_autofree char *path = write_conf(folder, "carrel.conf", text);
	struct settings *settings = settings_load(path, FALSE, error);

	g_unlink(path);
	g_rmdir(folder);
	return settings;
}

static void
test_settings__defaults_and_values(void **state)
{
	struct settings *settings =
		load_text("[broker]\nadmin_groups = wheel; ops\ntoken_hours = 3\n", NULL);

	(void)state;
	assert_non_null(settings);
	assert_string_equal(settings_get_text(settings, "broker", "listen"), "127.0.0.1:8443");
	assert_int_equal(settings_get_integer(settings, "broker", "token_hours"), 3);
	assert_int_equal(settings_get_integer(settings, "host", "ram_reserve_mib"), 1024);
	assert_true(settings_get_flag(settings, "host", "accept_unisolated"));
	assert_string_equal(settings_get_list(settings, "broker", "admin_groups")[1], "ops");
	assert_null(settings_get_list(settings, "broker", "admin_groups")[2]);
	assert_null(settings_get_list(settings, "broker", "admin_users")[0]);
	settings_free(settings);
}

static void
test_settings__refuses_with_file_and_line(void **state)
{
	static const struct {
		const char *text;
		const char *problem;
	} table[] = {
		{ "[broker]\nlisten = x\nlsiten = y\n",
		  "carrel.conf:3: unknown key 'lsiten' in [broker]" },
		{ "[borker]\nlisten = x\n", "carrel.conf:1: unknown group [borker]" },
		{ "[broker]\ntoken_hours = 13\n",
		  "carrel.conf:2: 'token_hours' must be a number from 1 to 12" },
		{ "[broker]\ntoken_hours = many\n", "'token_hours' must be a number" },
		{ "[host]\naccept_unisolated = maybe\n", "must be true or false, not 'maybe'" },
		{ "[auth]\nservice = ../../x\n", "carrel.conf:2: 'service' must be lower-case" },
		{ "[auth]\nservice =\n", "carrel.conf:2: 'service' must be lower-case" },
		{ "listen = x\n", "carrel.conf" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autoptr(GError) error = NULL;

		assert_null(load_text(table[i].text, &error));
		assert_non_null(g_strstr_len(error->message, -1, table[i].problem));
	}
}

static void
test_settings__later_files_win(void **state)
{
	g_autofree char *folder = g_dir_make_tmp("carrel-test-settings-XXXXXX", NULL);
	g_autofree char *parts = g_build_filename(folder, "conf.d", NULL);
	g_autofree char *path =
		write_conf(folder, "carrel.conf", "[host]\nname = one\nengine = qemu\n");
	g_autofree char *second = NULL;
	g_autofree char *third = NULL;
	struct settings *settings;

	(void)state;
	g_mkdir(parts, 0700);
	third = write_conf(parts, "20.conf", "[host]\nname = three\n");
	second = write_conf(parts, "10.conf", "[host]\nname = two\n");
	settings = settings_load(path, FALSE, NULL);
	assert_string_equal(settings_get_text(settings, "host", "name"), "three");
	assert_string_equal(settings_get_text(settings, "host", "engine"), "qemu");
	settings_free(settings);
	g_unlink(third);
	g_unlink(second);
	g_unlink(path);
	g_rmdir(parts);
	g_rmdir(folder);
}

static void
test_settings__a_missing_file(void **state)
{
	g_autoptr(GError) error = NULL;
	struct settings *settings = settings_load("/nonexistent/carrel.conf", TRUE, &error);

	(void)state;
	assert_non_null(settings);
	settings_free(settings);
	assert_null(settings_load("/nonexistent/carrel.conf", FALSE, &error));
	assert_non_null(error);
}

static void
test_settings__are_all_in_the_manual(void **state)
{
	g_autofree char *path = g_build_filename(TEST_SRCDIR, "../../docs/man/carrel.conf.5", NULL);
	g_autofree char *page = NULL;
	const char *group, *key, *value, *help;

	(void)state;
	assert_true(g_file_get_contents(path, &page, NULL, NULL));
	for (guint i = 0; settings_describe(i, &group, &key, &value, &help); i++) {
		g_autofree char *entry = g_strdup_printf(".B %s\n%s.\nDefault: %s\n", key, help,
							 value[0] ? value : "empty.");

		if (!strstr(page, entry))
			fail_msg("carrel.conf.5 lacks or differs: %s", entry);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings__defaults_and_values),
		cmocka_unit_test(test_settings__refuses_with_file_and_line),
		cmocka_unit_test(test_settings__later_files_win),
		cmocka_unit_test(test_settings__a_missing_file),
		cmocka_unit_test(test_settings__are_all_in_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
