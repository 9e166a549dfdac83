/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * image_file.c - image.json: what a build made, for the publishing of it (carrel-worker)
 *
 * The build's namespace could write whatever it wanted into its folder, so publish takes nothing on trust: unknown and
 * missing keys, another version, other files than the three, and a command line that is not plain printable text are
 * refused.
 */
#include "templates/image_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/name.h"
#include "common/hash.h"

#define IMAGE_FILE_VERSION	    2
#define IMAGE_FILE_MAX_COMMAND_LINE 2047 /* x86 Linux: COMMAND_LINE_SIZE is 2048 */
#define IMAGE_FILE_MAX_SIZE	    (INT64_C(1) << 41)

const char *const image_file_names[IMAGE_FILE_COUNT] = { "disk.img", "kernel", "initrd" };

static const struct json_field image_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, IMAGE_FILE_VERSION, IMAGE_FILE_VERSION },
	{ "name", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "recipe", JSON_KIND_STRING, 0, 1, 1000 },
	{ "recipe_sha256", JSON_KIND_STRING, 0, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH },
	{ "created_ms", JSON_KIND_INTEGER, 0, 0, INT64_MAX },
	{ "command_line", JSON_KIND_STRING, 0, 1, IMAGE_FILE_MAX_COMMAND_LINE },
	{ "files", JSON_KIND_ARRAY, 0, IMAGE_FILE_COUNT, IMAGE_FILE_COUNT },
};

static const struct json_field file_fields[] = {
	{ "path", JSON_KIND_STRING, 0, 1, 16 },
	{ "size", JSON_KIND_INTEGER, 0, 1, IMAGE_FILE_MAX_SIZE },
	{ "sha256", JSON_KIND_STRING, 0, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH },
};

static gboolean
image_file_is_printable(const char *text)
{
	for (; *text; text++)
		if (!g_ascii_isprint(*text))
			return FALSE;
	return TRUE;
}

char *
image_file_read_recipe(const char *recipe, GError **error)
{
	g_autofree char *path = g_build_filename(recipe, "recipe.conf", NULL);
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_autofree char *line = NULL;

	if (g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error))
		line = g_key_file_get_string(file, "recipe", "cmdline", error);
	if (!line) {
		g_prefix_error(error, "'%s' gives no kernel command line: ", path);
		return NULL;
	}
	if (line[0] && strlen(line) <= IMAGE_FILE_MAX_COMMAND_LINE && image_file_is_printable(line))
		return g_steal_pointer(&line);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "'cmdline' in '%s' must be 1 to %d printable ASCII characters", path,
		    IMAGE_FILE_MAX_COMMAND_LINE);
	return NULL;
}

gboolean
image_file_write(const char *folder, const struct image_recipe *recipe, json_t *files,
		 GError **error)
{
	g_autofree char *path = g_build_filename(folder, IMAGE_FILE_NAME, NULL);
	json_t *object =
		json_pack("{s:i, s:s, s:s, s:s, s:I, s:s, s:o}", "v", IMAGE_FILE_VERSION, "name",
			  recipe->name, "recipe", recipe->folder, "recipe_sha256", recipe->sha256,
			  "created_ms", (json_int_t)(g_get_real_time() / 1000), "command_line",
			  recipe->command_line, "files", files);
	char *text = json_dumps(object, JSON_INDENT(2));
	int result = text ? io_write_file_durably(path, text, strlen(text), 0644) : -ENOMEM;

	free(text);
	json_decref(object);
	if (result == 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result), "cannot write '%s': %s",
		    path, g_strerror(-result));
	return FALSE;
}

static int
image_file_check(const json_t *object, struct json_problem *ret_problem)
{
	const json_t *files = json_object_get(object, "files");
	int error = json_check_object(object, "the image's description", image_fields,
				      G_N_ELEMENTS(image_fields), ret_problem);

	for (gsize i = 0; error == 0 && i < IMAGE_FILE_COUNT; i++) {
		const json_t *file = json_array_get(files, i);

		error = json_check_object(file, "a file", file_fields, G_N_ELEMENTS(file_fields),
					  ret_problem);
		if (error < 0 || strcmp(json_get_text(file, "path", ""), image_file_names[i]) == 0)
			continue;
		g_snprintf(ret_problem->text, sizeof(ret_problem->text),
			   "file %u is not called '%s'", (guint)i + 1, image_file_names[i]);
		error = -EINVAL;
	}
	if (error == 0 && !image_file_is_printable(json_get_text(object, "command_line", ""))) {
		g_snprintf(ret_problem->text, sizeof(ret_problem->text),
			   "'command_line' holds something else than printable ASCII");
		error = -EINVAL;
	}
	return error;
}

json_t *
image_file_parse(const char *text, gsize size, GError **error)
{
	struct json_problem problem = { "" };
	json_t *object = json_parse_strict(text, size, IMAGE_FILE_MAX_BYTES, &problem);

	if (object && image_file_check(object, &problem) == 0)
		return object;
	json_decref(object);
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, problem.text);
	return NULL;
}

static gboolean
image_file_check_sizes(const char *folder, const json_t *object, GError **error)
{
	const json_t *files = json_object_get(object, "files");

	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *path = g_build_filename(folder, image_file_names[i], NULL);
		gint64 size = json_get_integer(json_array_get(files, i), "size", 0);
		struct stat status;

		if (lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == size)
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "'%s' is no plain file of %" G_GINT64_FORMAT
			    " bytes: build the image again",
			    path, size);
		return FALSE;
	}
	return TRUE;
}

json_t *
image_file_read(const char *folder, GError **error)
{
	g_autofree char *path = g_build_filename(folder, IMAGE_FILE_NAME, NULL);
	json_t *object = NULL;
	char *text = NULL;
	size_t size = 0;
	int result = io_read_file(path, IMAGE_FILE_MAX_BYTES, &text, &size);

	if (result < 0) {
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result),
			    "cannot read '%s': %s: build the image again", path,
			    g_strerror(-result));
		return NULL;
	}
	object = image_file_parse(text, size, error);
	free(text);
	if (!object) {
		g_prefix_error(error, "'%s' is not what a build of this version writes: ", path);
		return NULL;
	}
	if (image_file_check_sizes(folder, object, error))
		return object;
	json_decref(object);
	return NULL;
}
