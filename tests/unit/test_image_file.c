/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_image_file.c - image.json and a recipe's command line are strict
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "templates/image_file.h"
#include "templates/job_files.h"

#define HASH		      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_TEXT(name, size) "{\"path\":\"" name "\",\"size\":" size ",\"sha256\":\"" HASH "\"}"

static const char good[] =
	"{\"v\":2,\"name\":\"debian-openbox\",\"recipe\":\"/r\",\"recipe_sha256\":\"" HASH "\","
	"\"created_ms\":7,\"command_line\":\"root=/dev/vda quiet\",\"files\":[" FILE_TEXT(
		"disk.img", "5") "," FILE_TEXT("kernel", "6") "," FILE_TEXT("initrd", "7") "]}";

static const struct {
	const char *from;
	const char *to;
	const char *problem;
} bad_table[] = {
	{ "\"v\":2", "\"v\":1", "'v'" },
	{ "\"command_line\":\"root=/dev/vda quiet\",", "", "'command_line' is missing" },
	{ "root=/dev/vda quiet", "", "'command_line'" },
	{ "root=/dev/vda quiet", "a\\nb", "printable" },
	{ "root=/dev/vda quiet", "caf\u00e9", "printable" },
	{ "\"created_ms\":7", "\"created_ms\":7,\"more\":1", "unknown key 'more'" },
	{ "\"created_ms\":7", "\"created_ms\":7,\"created_ms\":8", "duplicate" },
	{ "\"path\":\"kernel\"", "\"path\":\"../kernel\"", "not called 'kernel'" },
	{ "\"path\":\"kernel\"", "\"path\":\"initrd\"", "not called 'kernel'" },
	{ "\"size\":6", "\"size\":0", "'size'" },
	{ "\"size\":6", "\"size\":\"6\"", "'size'" },
	{ "," FILE_TEXT("initrd", "7"), "", "'files'" },
	{ FILE_TEXT("kernel", "6"), "[]", "a file" },
	{ HASH "\",\"created", "\",\"created", "'recipe_sha256'" },
};

struct fixture {
	char *folder;
};

static int
setup(void **state)
{
	static const char *const texts[] = { "12345", "123456", "1234567" };
	struct fixture *f = g_new0(struct fixture, 1);

	f->folder = g_dir_make_tmp("test-image-XXXXXX", NULL);
	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *path = g_build_filename(f->folder, image_file_names[i], NULL);

		assert_true(g_file_set_contents(path, texts[i], -1, NULL));
	}
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	job_files_remove("/", f->folder + 1);
	g_free(f->folder);
	g_free(f);
	return 0;
}

static void
write_file(const struct fixture *f, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(f->folder, name, NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_image_file__refuses_what_is_not_in_its_tables(void **state)
{
	json_t *object = image_file_parse(good, strlen(good), NULL);

	(void)state;
	assert_non_null(object);
	json_decref(object);
	for (gsize i = 0; i < G_N_ELEMENTS(bad_table); i++) {
		g_autoptr(GString) text = g_string_new(good);
		g_autoptr(GError) error = NULL;

		assert_int_equal(g_string_replace(text, bad_table[i].from, bad_table[i].to, 1), 1);
		assert_null(image_file_parse(text->str, text->len, &error));
		print_message("%s\n", error->message);
		assert_non_null(strstr(error->message, bad_table[i].problem));
	}
}

static void
test_image_file__reads_what_it_wrote(void **state)
{
	struct image_recipe recipe = { "debian-openbox", "/recipes/x", HASH, "root=/dev/vda ro" };
	struct fixture *f = *state;
	g_autoptr(GError) error = NULL;
	json_t *whole = json_loads(good, 0, NULL);
	json_t *object;

	assert_true(image_file_write(f->folder, &recipe,
				     json_incref(json_object_get(whole, "files")), &error));
	object = image_file_read(f->folder, &error);
	assert_non_null(object);
	assert_string_equal(json_get_text(object, "command_line", ""), "root=/dev/vda ro");
	assert_string_equal(json_get_text(object, "recipe", ""), "/recipes/x");
	json_decref(object);
	json_decref(whole);
}

static void
assert_not_read(const struct fixture *f, const char *problem)
{
	g_autoptr(GError) error = NULL;

	assert_null(image_file_read(f->folder, &error));
	print_message("%s\n", error->message);
	assert_non_null(strstr(error->message, f->folder));
	assert_non_null(strstr(error->message, problem));
}

static void
test_image_file__names_the_file_that_is_wrong(void **state)
{
	struct fixture *f = *state;
	g_autofree char *kernel = g_build_filename(f->folder, "kernel", NULL);
	g_autofree char *initrd = g_build_filename(f->folder, "initrd", NULL);

	assert_not_read(f, "image.json': No such file");
	write_file(f, IMAGE_FILE_NAME, "{}");
	assert_not_read(f, "image.json");
	write_file(f, IMAGE_FILE_NAME, good);
	write_file(f, "kernel", "longer than it was");
	assert_not_read(f, "kernel' is no plain file of 6 bytes");
	unlink(kernel);
	assert_not_read(f, "kernel' is no plain file of 6 bytes");
	/* A link, though it leads to a file of the right size. */
	write_file(f, "real", "123456");
	assert_int_equal(symlink("real", kernel), 0);
	assert_not_read(f, "kernel' is no plain file of 6 bytes");
	unlink(kernel);
	write_file(f, "kernel", "123456");
	unlink(initrd);
	assert_not_read(f, "initrd");
}

static const struct {
	const char *text;	  /* of recipe.conf; NULL: there is none */
	const char *command_line; /* NULL: refused */
} recipes[] = {
	{ "[recipe]\nname=x\ncmdline=root=/dev/vda quiet\n", "root=/dev/vda quiet" },
	{ NULL, NULL },
	{ "", NULL },
	{ "[recipe]\nname=x\n", NULL },
	{ "cmdline=quiet\n", NULL },
	{ "[other]\ncmdline=quiet\n", NULL },
	{ "[recipe]\ncmdline=\n", NULL },
	{ "[recipe]\ncmdline=a\\tb\n", NULL },
};

static void
test_image_file__takes_the_command_line_of_the_recipe(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->folder, "recipe.conf", NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(recipes); i++) {
		g_autofree char *line = NULL;
		g_autoptr(GError) error = NULL;

		unlink(path);
		if (recipes[i].text)
			write_file(f, "recipe.conf", recipes[i].text);
		line = image_file_read_recipe(f->folder, &error);
		if (recipes[i].command_line) {
			assert_string_equal(line, recipes[i].command_line);
			continue;
		}
		assert_null(line);
		assert_non_null(strstr(error->message, path));
	}
}

static void
test_image_file__refuses_a_command_line_that_is_too_long(void **state)
{
	struct fixture *f = *state;
	g_autofree char *line = g_strnfill(2048, 'x');
	g_autofree char *text = g_strconcat("[recipe]\ncmdline=", line, "\n", NULL);

	write_file(f, "recipe.conf", text);
	assert_null(image_file_read_recipe(f->folder, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_image_file__##name, setup, teardown)
		TEST(refuses_what_is_not_in_its_tables),
		TEST(reads_what_it_wrote),
		TEST(names_the_file_that_is_wrong),
		TEST(takes_the_command_line_of_the_recipe),
		TEST(refuses_a_command_line_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
