/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest.c - manifest.json of a template version (carrel-hostd, carrel-worker)
 *
 * Strict in both directions: manifest_new() checks what is written as well as what is read, so no program of ours
 * can publish what another refuses. Paths of files are relative, without "..", from a short alphabet.
 */
#include "host/manifest.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/name.h"
#include "common/hash.h"

#define MAX_TEXT 512
/* What the broker takes of a host's report, broker/host_report.c: one that says more would cut this host off. */
#define MAX_AUTHOR	 64
#define MAX_ENGINE	 8
#define MAX_NUMBER	 INT64_C(0x1fffffffffffff)
#define MAX_FILES	 32
#define MAX_STATE_FORMAT 1000
#define MAX_DEVICES	 32
#define MAX_CPUS	 256
#define MAX_FILE_BYTES	 (INT64_C(1) << 46)

static const struct json_field top_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, 1 },
	{ "name", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, 999999999 },
	{ "parent", JSON_KIND_STRING, 0, 0, MAX_TEXT },
	{ "created_ms", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "author", JSON_KIND_STRING, 0, 0, MAX_AUTHOR },
	{ "note", JSON_KIND_STRING, 0, 0, MAX_TEXT },
	{ "kinds", JSON_KIND_ARRAY, 0, 1, 2 },
	{ "agent_version", JSON_KIND_INTEGER, 0, 0, 1000 },
	{ "engine", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "machine", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "report", JSON_KIND_ARRAY, 0, 0, 64 },
	{ "files", JSON_KIND_ARRAY, 0, 1, MAX_FILES },
};

static const struct json_field engine_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, MAX_ENGINE },
	{ "version", JSON_KIND_STRING, 0, 1, 64 },
	{ "accelerator", JSON_KIND_STRING, 0, 1, 16 },
	{ "state_format", JSON_KIND_INTEGER, 0, 1, MAX_STATE_FORMAT },
};

static const struct json_field machine_fields[] = {
	{ "type", JSON_KIND_STRING, 0, 1, 64 },
	{ "cpu", JSON_KIND_STRING, 0, 1, MANIFEST_MAX_CPU },
	{ "cpuid_sha256", JSON_KIND_STRING, 0, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH },
	{ "cpus", JSON_KIND_INTEGER, 0, 1, MAX_CPUS },
	{ "ram_mib", JSON_KIND_INTEGER, 0, 16, MANIFEST_MAX_RAM_MIB },
	{ "command_line", JSON_KIND_STRING, 0, 0, 2048 },
	{ "devices", JSON_KIND_ARRAY, 0, 1, MAX_DEVICES },
};

static const struct json_field device_fields[] = {
	{ "id", JSON_KIND_STRING, 0, 1, 32 },
	{ "driver", JSON_KIND_STRING, 0, 1, 64 },
	{ "address", JSON_KIND_STRING, 0, 0, 16 },
};

static const struct json_field report_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, 64 },
	{ "ms", JSON_KIND_INTEGER, 0, 0, INT64_MAX },
};

static const struct json_field file_fields[] = {
	{ "path", JSON_KIND_STRING, 0, 1, 128 },
	{ "size", JSON_KIND_INTEGER, 0, 0, MAX_FILE_BYTES },
	{ "sha256", JSON_KIND_STRING, 0, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH },
};

static gboolean
manifest_check_list(const json_t *list, const char *what, const struct json_field *fields,
		    gsize n_fields, struct json_problem *problem)
{
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)(uintptr_t)list, index, item)
		if (json_check_object(item, what, fields, n_fields, problem) < 0)
			return FALSE;
	return TRUE;
}

static gboolean
manifest_path_ok(const char *path)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-/";

	return path[0] != '/' && path[0] != '.' && !strstr(path, "..") && !strstr(path, "//") &&
	       !strstr(path, "/.") && !g_str_has_suffix(path, "/") &&
	       strspn(path, allowed) == strlen(path);
}

static gboolean
manifest_check_values(const json_t *object, struct json_problem *problem)
{
	size_t index;
	json_t *item;

	if (!name_valid(json_get_text(object, "name", ""))) {
		g_snprintf(problem->text, sizeof(problem->text), "'name' is not a template's name");
		return FALSE;
	}
	json_array_foreach(json_object_get(object, "kinds"), index, item) {
		const char *kind = json_string_value(item);

		if (g_strcmp0(kind, "user") == 0 || g_strcmp0(kind, "kiosk") == 0)
			continue;
		g_snprintf(problem->text, sizeof(problem->text),
			   "a kind must be 'user' or 'kiosk'");
		return FALSE;
	}
	json_array_foreach(json_object_get(object, "files"), index, item) {
		if (manifest_path_ok(json_get_text(item, "path", "")))
			continue;
		g_snprintf(problem->text, sizeof(problem->text),
			   "a file's path leaves the folder or is malformed");
		return FALSE;
	}
	return TRUE;
}

static gboolean
manifest_check(const json_t *object, struct json_problem *problem)
{
	const json_t *machine = json_object_get(object, "machine");

	return json_check_object(object, "the manifest", top_fields, G_N_ELEMENTS(top_fields),
				 problem) == 0 &&
	       json_check_object(json_object_get(object, "engine"), "'engine'", engine_fields,
				 G_N_ELEMENTS(engine_fields), problem) == 0 &&
	       json_check_object(machine, "'machine'", machine_fields, G_N_ELEMENTS(machine_fields),
				 problem) == 0 &&
	       manifest_check_list(json_object_get(machine, "devices"), "a device", device_fields,
				   G_N_ELEMENTS(device_fields), problem) &&
	       manifest_check_list(json_object_get(object, "report"), "a step of the report",
				   report_fields, G_N_ELEMENTS(report_fields), problem) &&
	       manifest_check_list(json_object_get(object, "files"), "a file", file_fields,
				   G_N_ELEMENTS(file_fields), problem) &&
	       manifest_check_values(object, problem);
}

struct manifest *
manifest_new(json_t *object, GError **error)
{
	const json_t *engine = json_object_get(object, "engine");
	const json_t *machine = json_object_get(object, "machine");
	struct json_problem problem;
	struct manifest *manifest;

	if (!manifest_check(object, &problem)) {
		json_decref(object);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "the manifest cannot be used (%s): publish the template again",
			    problem.text);
		return NULL;
	}
	manifest = g_new0(struct manifest, 1);
	manifest->object = object;
	manifest->name = json_get_text(object, "name", "");
	manifest->version = (guint32)json_get_integer(object, "version", 0);
	manifest->author = json_get_text(object, "author", "");
	manifest->created_ms = json_get_integer(object, "created_ms", 0);
	manifest->engine = json_get_text(engine, "name", "");
	manifest->engine_version = json_get_text(engine, "version", "");
	manifest->accelerator = json_get_text(engine, "accelerator", "");
	manifest->state_format = (int)json_get_integer(engine, "state_format", 0);
	manifest->machine_type = json_get_text(machine, "type", "");
	manifest->cpu = json_get_text(machine, "cpu", "");
	manifest->cpuid_sha256 = json_get_text(machine, "cpuid_sha256", "");
	manifest->cpus = (guint)json_get_integer(machine, "cpus", 1);
	manifest->ram_mib = (guint)json_get_integer(machine, "ram_mib", 0);
	manifest->command_line = json_get_text(machine, "command_line", "");
	manifest->devices = json_object_get(machine, "devices");
	manifest->kinds = json_object_get(object, "kinds");
	manifest->files = json_object_get(object, "files");
	return manifest;
}

struct manifest *
manifest_parse(const char *text, gsize size, GError **error)
{
	struct json_problem problem;
	json_t *object = json_parse_strict(text, size, MANIFEST_MAX_BYTES, &problem);

	if (object)
		return manifest_new(object, error);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "the manifest cannot be used (%s): publish the template again", problem.text);
	return NULL;
}

struct manifest *
manifest_read(const char *folder, GError **error)
{
	g_autofree char *path = g_build_filename(folder, MANIFEST_FILE, NULL);
	struct manifest *manifest;
	char *text;
	size_t size;
	int result = io_read_file(path, MANIFEST_MAX_BYTES, &text, &size);

	if (result < 0) {
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result),
			    "cannot read '%s': %s", path, g_strerror(-result));
		return NULL;
	}
	manifest = manifest_parse(text, size, error);
	free(text);
	if (!manifest)
		g_prefix_error(error, "'%s': ", path);
	return manifest;
}

void
manifest_free(struct manifest *manifest)
{
	if (!manifest)
		return;
	json_decref(manifest->object);
	g_free(manifest);
}

gboolean
manifest_write(const struct manifest *manifest, const char *folder, GError **error)
{
	g_autofree char *path = g_build_filename(folder, MANIFEST_FILE, NULL);
	char *text = json_dumps(manifest->object, JSON_INDENT(1));
	int result = io_write_file_durably(path, text, strlen(text), 0644);

	free(text);
	if (result == 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result), "cannot write '%s': %s",
		    path, g_strerror(-result));
	return FALSE;
}

static gboolean
manifest_get_size(const char *path, gint64 *ret_size, GError **error)
{
	struct stat status;

	if (lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
		*ret_size = status.st_size;
		return TRUE;
	}
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
		    "'%s' is missing or no regular file: publish the template again", path);
	return FALSE;
}

gboolean
manifest_has_file(const struct manifest *manifest, const char *path)
{
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)(uintptr_t)manifest->files, index, item)
		if (strcmp(json_get_text(item, "path", ""), path) == 0)
			return TRUE;
	return FALSE;
}

json_t *
manifest_describe_file(const char *folder, const char *path, GCancellable *cancellable,
		       GError **error)
{
	g_autofree char *full = g_build_filename(folder, path, NULL);
	g_autofree char *sha256 = NULL;
	gint64 size;

	if (!manifest_get_size(full, &size, error))
		return NULL;
	sha256 = hash_file(full, cancellable, error);
	if (!sha256)
		return NULL;
	return json_pack("{s:s, s:I, s:s}", "path", path, "size", (json_int_t)size, "sha256",
			 sha256);
}

gboolean
manifest_check_sizes(const struct manifest *manifest, const char *folder, GError **error)
{
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)(uintptr_t)manifest->files, index, item) {
		g_autofree char *path =
			g_build_filename(folder, json_get_text(item, "path", ""), NULL);
		gint64 size;

		if (!manifest_get_size(path, &size, error))
			return FALSE;
		if (size == json_get_integer(item, "size", -1))
			continue;
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			"'%s' has not the size that the manifest says: publish the template again",
			path);
		return FALSE;
	}
	return TRUE;
}

gboolean
manifest_verify_files(const struct manifest *manifest, const char *folder,
		      GCancellable *cancellable, GError **error)
{
	size_t index;
	json_t *item;

	if (!manifest_check_sizes(manifest, folder, error))
		return FALSE;
	json_array_foreach((json_t *)(uintptr_t)manifest->files, index, item) {
		g_autofree char *path =
			g_build_filename(folder, json_get_text(item, "path", ""), NULL);
		g_autofree char *sha256 = hash_file(path, cancellable, error);

		if (!sha256)
			return FALSE;
		if (strcmp(sha256, json_get_text(item, "sha256", "")) == 0)
			continue;
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			"'%s' is damaged, its SHA-256 is not the manifest's: publish the template again",
			path);
		return FALSE;
	}
	return TRUE;
}
