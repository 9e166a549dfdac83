/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_connection_file.c - .vv files and ticket answers, whole and broken
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "viewer/connection_file.h"

#define GOOD \
	"[virt-viewer]\ntype=spice\nhost=abc\ntls-port=61000\nca=PEM\\nMORE\nhost-subject=CN=d\n"

static void
test_connection_file__takes_ports_as_numbers_or_text(void **state)
{
	json_t *object = json_pack("{s:s, s:i, s:s, s:s, s:s}", "host", "abc", "tls-port", 61000,
				   "ca", "PEM", "host-subject", "CN=d", "password", "p");
	struct connection_file *file = connection_file_from_json(object, NULL);

	assert_non_null(file);
	assert_string_equal(file->tls_port, "61000");
	assert_string_equal(file->password, "p");
	assert_null(file->proxy);
	connection_file_free(file);
	json_object_del(object, "ca");
	assert_null(connection_file_from_json(object, NULL));
	json_decref(object);
	assert_null(connection_file_from_json(NULL, NULL));
}

static void
test_connection_file__refuses_what_is_no_port(void **state)
{
	static const struct {
		const char *port; /* as JSON, and so in a file */
		gboolean good;
	} cases[] = {
		{ "1", TRUE },	    { "65535", TRUE },
		{ "0", FALSE },	    { "65536", FALSE },
		{ "-1", FALSE },    { "4295028296", FALSE },
		{ "\"\"", FALSE },  { "\" 61000\"", FALSE },
		{ "\"x\"", FALSE }, { "\"61000;1\"", FALSE },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *json = g_strdup_printf(
			"{\"host\":\"abc\",\"tls-port\":%s,\"ca\":\"PEM\",\"host-subject\":\"CN=d\"}",
			cases[i].port);
		g_autofree char *text = g_strdup_printf(GOOD "tls-port=%s\n", cases[i].port);
		g_autoptr(GError) error = NULL;
		json_t *object = json_loads(json, 0, NULL);
		struct connection_file *file = connection_file_from_json(object, &error);
		gboolean removed;

		assert_int_equal(file != NULL, cases[i].good);
		assert_true(cases[i].good || strstr(error->message, "tls-port"));
		connection_file_free(file);
		file = connection_file_parse(text, strlen(text), "f", &removed, NULL);
		assert_int_equal(file != NULL, cases[i].good);
		connection_file_free(file);
		json_decref(object);
	}
}

static void
test_connection_file__reads_files_and_removes_them_when_told(void **state)
{
	static const struct {
		const char *text;
		gboolean good;
		gboolean removed;
	} cases[] = {
		{ GOOD, TRUE, FALSE },
		{ GOOD "delete-this-file=1\n", TRUE, TRUE },
		{ "[virt-viewer]\ntype=vnc\nhost=abc\n", FALSE, FALSE },
		{ "[virt-viewer]\ntype=spice\nhost=abc\ntls-port=1\n", FALSE, FALSE },
		{ "no key file", FALSE, FALSE },
		{ "", FALSE, FALSE },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = NULL;
		int fd = g_file_open_tmp("carrel-test-XXXXXX.vv", &path, NULL);
		struct connection_file *file;

		close(fd);
		assert_true(g_file_set_contents(path, cases[i].text, -1, NULL));
		file = connection_file_load(path, NULL);
		assert_int_equal(file != NULL, cases[i].good);
		assert_int_equal(access(path, F_OK) < 0, cases[i].removed);
		connection_file_free(file);
		g_unlink(path);
	}
}

/* The whole of it does not fit into any memory. */
static void
test_connection_file__reads_no_more_than_it_may(void **state)
{
	g_autoptr(GError) error = NULL;

	assert_null(connection_file_load("/dev/zero", &error));
	assert_non_null(strstr(error->message, "too large"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection_file__takes_ports_as_numbers_or_text),
		cmocka_unit_test(test_connection_file__refuses_what_is_no_port),
		cmocka_unit_test(test_connection_file__reads_files_and_removes_them_when_told),
		cmocka_unit_test(test_connection_file__reads_no_more_than_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
