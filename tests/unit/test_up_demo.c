/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_up_demo.c - the demo user's PAM service and password file
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/up_demo.h"

static int
make_temporary(void **state)
{
	*state = g_dir_make_tmp("up_demo.XXXXXX", NULL);
	return *state ? 0 : -1;
}

static int
drop_temporary(void **state)
{
	static const char *const names[] = { "carrel", "passwd" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(*state, names[i], NULL);

		g_remove(path);
	}
	g_rmdir(*state);
	g_free(*state);
	return 0;
}

static char *
read_file(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	char *text = NULL;
	struct stat about;

	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

static void
test_up_demo__makes_a_service_and_a_password_that_fits(void **state)
{
	g_autofree char *password = NULL;
	g_autofree char *service = NULL;
	g_autofree char *passwd = NULL;
	struct crypt_data *data = g_new0(struct crypt_data, 1);
	const char *hash;

	assert_true(up_demo_make(*state, "carrel", "ada", &password, NULL));
	assert_int_equal(strlen(password), 16);
	service = read_file(*state, "carrel");
	assert_non_null(strstr(service, "auth required pam_pwdfile.so nodelay pwdfile="));
	passwd = read_file(*state, "passwd");
	assert_true(g_str_has_prefix(passwd, "ada:$y$"));
	assert_null(strstr(passwd, password));
	hash = g_strchomp(passwd) + strlen("ada:");
	assert_string_equal(crypt_r(password, hash, data), hash);
	assert_string_not_equal(crypt_r("wrong", hash, data), hash);
	g_free(data);
}

static void
test_up_demo__keeps_who_is_there(void **state)
{
	g_autofree char *first = NULL;
	g_autofree char *second = NULL;
	g_autofree char *before = NULL;
	g_autofree char *after = NULL;
	char *again = (char *)"not set";

	assert_true(up_demo_make(*state, "carrel", "ada", &first, NULL));
	before = read_file(*state, "passwd");
	assert_true(up_demo_make(*state, "carrel", "ada", &again, NULL));
	assert_null(again);
	after = read_file(*state, "passwd");
	assert_string_equal(before, after);

	/* A name that another one begins with is another user. */
	assert_true(up_demo_make(*state, "carrel", "ad", &second, NULL));
	assert_non_null(second);
	assert_string_not_equal(first, second);
	g_free(after);
	after = read_file(*state, "passwd");
	assert_true(g_str_has_prefix(after, before));
	assert_non_null(strstr(after, "\nad:$y$"));
}

static void
test_up_demo__refuses_what_is_no_user(void **state)
{
	static const char *const bad[] = { "",	 "Ada", "a/b",
					   "..", "a:b", "a\nb",
					   "-a", "1a",	"aaaaaaaaaabbbbbbbbbbccccccccccddd" };
	g_autofree char *passwd = g_build_filename(*state, "passwd", NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		char *password = NULL;

		assert_false(up_demo_make(*state, "carrel", bad[i], &password, &error));
		assert_null(password);
		assert_non_null(strstr(error->message, "is not a user name"));
	}
	assert_false(g_file_test(passwd, G_FILE_TEST_EXISTS));
}

static void
test_up_demo__names_the_file_it_cannot_write(void **state)
{
	g_autofree char *folder = g_build_filename(*state, "none", NULL);
	g_autoptr(GError) error = NULL;
	char *password = NULL;

	assert_false(up_demo_make(folder, "carrel", "ada", &password, &error));
	assert_non_null(strstr(error->message, folder));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_up_demo__makes_a_service_and_a_password_that_fits, make_temporary,
			drop_temporary),
		cmocka_unit_test_setup_teardown(test_up_demo__keeps_who_is_there, make_temporary,
						drop_temporary),
		cmocka_unit_test_setup_teardown(test_up_demo__refuses_what_is_no_user,
						make_temporary, drop_temporary),
		cmocka_unit_test_setup_teardown(test_up_demo__names_the_file_it_cannot_write,
						make_temporary, drop_temporary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
