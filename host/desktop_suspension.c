/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_suspension.c - a suspended desktop on disk (carrel-hostd)
 *
 * How it works: suspended.json is the only word on whether a desktop is suspended, and each change of it is one durable rename. It
 * is written when what it speaks of is durable, and removed before that is. What it says is compared with what is there
 * (desktop_suspension_stands()): hostd, or the host, may have ended between any two steps.
 *
 * A guest that runs again makes its files out of date with the first write to its overlay, which nobody can undo. So "resuming"
 * keeps the overlay's size and time: as long as they are the same the files are as good as before. One that enters it again,
 * because the first try failed, keeps those of the first: its machine has perhaps run in between.
 *
 * Unknown is not none: what cannot be read is an error, never "it is not suspended" or "its files are out of date", for
 * either would have a user's work removed.
 *
 * A version is known by the hash of its machine and its files, not by its number: on another host, or sealed again, it
 * may hold another memory.
 */
#include "host/desktop_suspension.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "common/hash.h"

#define BOOT_ID	    "/proc/sys/kernel/random/boot_id"
#define MAX_BYTES   8192
#define MAX_NUMBER  G_GINT64_CONSTANT(0x1fffffffffffff)
#define MAX_VERSION 999999999

static const char *const phase_names[] = { "none", "ending", "whole", "resuming" };
static_assert(G_N_ELEMENTS(phase_names) == SUSPENSION_PHASE_COUNT, "each has a name");

#define ORIGIN_FIELDS                                                                           \
	{ "v", JSON_KIND_INTEGER, 0, 1, 1 },                                                    \
		{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },                          \
		{ "version", JSON_KIND_INTEGER, 0, 1, MAX_VERSION },                            \
		{ "kind", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },                              \
		{ "engine", JSON_KIND_STRING, 0, 1, 8 },                                        \
		{ "template_sha256", JSON_KIND_STRING, 0, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH }, \
		{ "cpu", JSON_KIND_STRING, 0, 1, MANIFEST_MAX_CPU },                            \
		{ "cpuid_sha256", JSON_KIND_STRING, 0, HASH_TEXT_LENGTH, HASH_TEXT_LENGTH },    \
	{                                                                                       \
		"genid", JSON_KIND_STRING, 0, ENGINE_GENID_LENGTH, ENGINE_GENID_LENGTH          \
	}

static const struct json_field origin_fields[] = { ORIGIN_FIELDS };

static const struct json_field mark_fields[] = {
	ORIGIN_FIELDS,
	{ "generation", JSON_KIND_INTEGER, 0, 1, MAX_NUMBER },
	{ "phase", JSON_KIND_STRING, 0, 1, 16 },
	{ "boot", JSON_KIND_STRING, 0, 1, 64 },
	{ "overlay_bytes", JSON_KIND_INTEGER, 0, 0, MAX_NUMBER },
	{ "overlay_ns", JSON_KIND_INTEGER, 0, 0, G_MAXINT64 },
};

static void
suspension_fail(GError **error, const char *path, int code)
{
	g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "'%s': %s", path,
		    g_strerror(code));
}

/* --- the two JSON files --- */

static json_t *
suspension_load(const struct desktop_folder *folder, const char *name,
		const struct json_field *fields, gsize n_fields, GError **error)
{
	g_autofree char *path = g_build_filename(folder->path, name, NULL);
	struct json_problem problem = { "" };
	char *text = NULL;
	size_t size = 0;
	int code = io_read_file(path, MAX_BYTES, &text, &size);
	json_t *object = code < 0 ? NULL : json_parse_strict(text, size, MAX_BYTES, &problem);

	free(text);
	if (object && json_check_object(object, name, fields, n_fields, &problem) == 0)
		return object;
	json_decref(object);
	if (code < 0)
		suspension_fail(error, path, -code);
	else
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "'%s': %s", path,
			    problem.text);
	return NULL;
}

static json_t *
suspension_load_origin(const struct desktop_folder *folder, GError **error)
{
	json_t *origin = suspension_load(folder, DESKTOP_ORIGIN_FILE, origin_fields,
					 G_N_ELEMENTS(origin_fields), error);

	if (!origin)
		g_prefix_error(error, "it is not known what it was forked from: ");
	return origin;
}

static char *
suspension_hash(const struct manifest *manifest)
{
	json_t *whole =
		json_pack("{s:O, s:O, s:O}", "engine", json_object_get(manifest->object, "engine"),
			  "machine", json_object_get(manifest->object, "machine"), "files",
			  json_object_get(manifest->object, "files"));
	char *text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
	char *hash = hash_text(text ? text : "");

	free(text);
	json_decref(whole);
	return hash;
}

static gboolean
suspension_make_genid(char ret_genid[ENGINE_GENID_LENGTH + 1])
{
	guint8 bytes[ENGINE_GENID_LENGTH / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return FALSE;
	for (gsize i = 0; i < sizeof(bytes); i++)
		g_snprintf(ret_genid + 2 * i, 3, "%02x", bytes[i]);
	return TRUE;
}

/* Not durable: after a crash of the host there is no such desktop any more. */
char *
desktop_suspension_note_origin(const struct desktop_folder *folder,
			       const struct engine_template *source,
			       char ret_genid[ENGINE_GENID_LENGTH + 1])
{
	const struct manifest *manifest = source->manifest;
	g_autofree char *path = g_build_filename(folder->path, DESKTOP_ORIGIN_FILE, NULL);
	g_autofree char *hash = suspension_hash(manifest);
	g_autoptr(GError) error = NULL;
	json_t *origin;
	char *text;
	gboolean ok;

	if (!suspension_make_genid(ret_genid))
		return g_strdup("the kernel gave no random numbers for its generation");
	origin =
		json_pack("{s:i, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "v", 1, "template",
			  manifest->name, "version", (int)manifest->version, "kind", source->kind,
			  "engine", manifest->engine, "template_sha256", hash, "cpu", manifest->cpu,
			  "cpuid_sha256", manifest->cpuid_sha256, "genid", ret_genid);
	text = json_dumps(origin, JSON_COMPACT);
	ok = g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
	free(text);
	json_decref(origin);
	return ok ? NULL : g_strdup(error->message);
}

static gboolean
suspension_stat_overlay(const struct desktop_folder *folder, gint64 *ret_bytes, gint64 *ret_ns,
			GError **error)
{
	struct stat about;

	if (stat(folder->overlay, &about) < 0) {
		suspension_fail(error, folder->overlay, errno);
		return FALSE;
	}
	*ret_bytes = about.st_size;
	*ret_ns = (gint64)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
	return TRUE;
}

static char *
suspension_read_boot(GError **error)
{
	char *text = NULL;

	return g_file_get_contents(BOOT_ID, &text, NULL, error) ? g_strchomp(text) : NULL;
}

/* FALSE and an error: that is not known. */
static gboolean
suspension_stands(const struct desktop_folder *folder, const json_t *mark,
		  enum suspension_phase phase, gboolean *ret_stands, GError **error)
{
	gint64 bytes = -1;
	gint64 ns = -1;

	if (phase == SUSPENSION_ENDING) {
		g_autofree char *boot = suspension_read_boot(error);

		*ret_stands = g_strcmp0(json_get_text(mark, "boot", ""), boot) == 0;
		return boot != NULL;
	}
	if (phase == SUSPENSION_RESUMING && !suspension_stat_overlay(folder, &bytes, &ns, error))
		return FALSE;
	*ret_stands = phase == SUSPENSION_WHOLE ||
		      (bytes == json_get_integer(mark, "overlay_bytes", -1) &&
		       ns == json_get_integer(mark, "overlay_ns", -1));
	return TRUE;
}

static gboolean
suspension_understand(const struct desktop_folder *folder, const json_t *mark,
		      struct suspension *ret_suspension, GError **error)
{
	struct suspension found = { .phase = SUSPENSION_NONE };

	for (int i = SUSPENSION_ENDING; i < SUSPENSION_PHASE_COUNT; i++)
		if (strcmp(json_get_text(mark, "phase", ""), phase_names[i]) == 0)
			found.phase = (enum suspension_phase)i;
	if (found.phase == SUSPENSION_NONE) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "'%s/" DESKTOP_MARK_FILE "': its phase '%s' is unknown", folder->path,
			    json_get_text(mark, "phase", ""));
		return FALSE;
	}
	found.generation = (guint64)json_get_integer(mark, "generation", 0);
	g_strlcpy(found.genid, json_get_text(mark, "genid", ""), sizeof(found.genid));
	if (!suspension_stands(folder, mark, found.phase, &found.stands, error))
		return FALSE;
	*ret_suspension = found;
	return TRUE;
}

gboolean
desktop_suspension_read(const struct desktop_folder *folder, struct suspension *ret_suspension,
			GError **error)
{
	g_autoptr(GError) problem = NULL;
	json_t *mark = suspension_load(folder, DESKTOP_MARK_FILE, mark_fields,
				       G_N_ELEMENTS(mark_fields), &problem);
	gboolean ok;

	if (!mark && !g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return FALSE;
	}
	if (!mark) {
		*ret_suspension = (struct suspension){ .phase = SUSPENSION_NONE };
		return TRUE;
	}
	ok = suspension_understand(folder, mark, ret_suspension, error);
	json_decref(mark);
	return ok;
}

/* NULL, or how the version differs from the one of the mark or origin. */
static const char *
suspension_compare(const json_t *mark, const struct engine_template *source)
{
	const struct manifest *manifest = source->manifest;
	g_autofree char *hash = suspension_hash(manifest);

	if (strcmp(json_get_text(mark, "template", ""), manifest->name) != 0 ||
	    json_get_integer(mark, "version", 0) != manifest->version ||
	    strcmp(json_get_text(mark, "kind", ""), source->kind) != 0)
		return "it was forked from another version";
	if (strcmp(json_get_text(mark, "engine", ""), manifest->engine) != 0)
		return "its version is of another engine here";
	if (strcmp(json_get_text(mark, "cpuid_sha256", ""), manifest->cpuid_sha256) != 0)
		return "its version was sealed with another CPU here";
	if (strcmp(json_get_text(mark, "template_sha256", ""), hash) != 0)
		return "its version was sealed again, or is another one here";
	return NULL;
}

gboolean
desktop_suspension_is_of(const struct desktop_folder *folder, const struct engine_template *source)
{
	json_t *mark = suspension_load(folder, DESKTOP_MARK_FILE, mark_fields,
				       G_N_ELEMENTS(mark_fields), NULL);
	gboolean same;

	if (!mark)
		mark = suspension_load_origin(folder, NULL);
	same = !mark || !suspension_compare(mark, source);
	json_decref(mark);
	return same;
}

gboolean
desktop_suspension_check(const struct desktop_folder *folder, const struct engine_template *source,
			 GError **error)
{
	json_t *mark = suspension_load(folder, DESKTOP_MARK_FILE, mark_fields,
				       G_N_ELEMENTS(mark_fields), error);
	const char *differs;

	if (!mark)
		return FALSE;
	differs = suspension_compare(mark, source);
	if (differs)
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			"%s: it was suspended as a fork of '%s@%d' (%s, CPU '%s'), whose files it needs as "
			"they were; put these back, or give it up with 'carrel desktop stop', and its "
			"user gets another",
			differs, json_get_text(mark, "template", ""),
			(int)json_get_integer(mark, "version", 0),
			json_get_text(mark, "engine", ""), json_get_text(mark, "cpu", ""));
	json_decref(mark);
	return differs == NULL;
}

gboolean
desktop_suspension_check_origin(const struct desktop_folder *folder,
				const struct engine_template *source,
				const struct suspension *suspension, GError **error)
{
	json_t *origin = suspension_load_origin(folder, error);
	gboolean same;

	if (!origin)
		return FALSE;
	same = !suspension_compare(origin, source) &&
	       strcmp(json_get_text(origin, "genid", ""), suspension->genid) == 0;
	json_decref(origin);
	if (!same)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "what '%s/" DESKTOP_ORIGIN_FILE "' says is not what '" DESKTOP_MARK_FILE
			    "' says",
			    folder->path);
	return same;
}

/* --- its memory --- */

static int
suspension_open_file(const struct desktop_folder *folder, const char *name, gboolean new,
		     GError **error)
{
	g_autofree char *path = g_build_filename(folder->path, name, NULL);
	int fd;

	if (new &&g_unlink(path) < 0 && errno != ENOENT)
		fd = -1;
	else
		fd = open(path,
			  (new ? O_RDWR | O_CREAT | O_EXCL : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW,
			  0600);
	if (fd < 0)
		suspension_fail(error, path, errno);
	return fd;
}

gboolean
desktop_suspension_open(const struct desktop_folder *folder, gboolean new,
			struct engine_image *ret_image, GError **error)
{
	struct engine_image image = { -1, -1 };

	image.state = suspension_open_file(folder, DESKTOP_STATE_FILE, new, error);
	if (image.state >= 0)
		image.pages = suspension_open_file(folder, DESKTOP_PAGES_FILE, new, error);
	if (image.pages < 0)
		desktop_suspension_close(&image);
	*ret_image = image;
	return image.pages >= 0;
}

void
desktop_suspension_close(struct engine_image *image)
{
	if (image->state >= 0)
		close(image->state);
	if (image->pages >= 0)
		close(image->pages);
	image->state = -1;
	image->pages = -1;
}

guint64
desktop_suspension_measure_pages(const struct desktop_folder *folder)
{
	g_autofree char *path = g_build_filename(folder->path, DESKTOP_PAGES_FILE, NULL);
	struct stat about;

	return lstat(path, &about) == 0 ? (guint64)about.st_blocks * 512 : 0;
}

/* --- phases --- */

struct suspension_entry {
	struct desktop_folder folder;
	enum suspension_phase phase;
	guint64 generation;
};

static void
suspension_entry_free(gpointer data)
{
	struct suspension_entry *entry = data;

	g_free(entry->folder.path);
	g_free(entry->folder.overlay);
	g_free(entry);
}

static gboolean
suspension_sync(const struct desktop_folder *folder, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(folder->path, name, NULL);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && fsync(fd) == 0)
		return TRUE;
	suspension_fail(error, path, errno);
	return FALSE;
}

static gboolean
suspension_sync_files(const struct suspension_entry *entry, GError **error)
{
	g_autofree char *overlay = g_path_get_basename(entry->folder.overlay);

	if (entry->phase == SUSPENSION_ENDING)
		return suspension_sync(&entry->folder, DESKTOP_STATE_FILE, error) &&
		       suspension_sync(&entry->folder, DESKTOP_PAGES_FILE, error);
	return entry->phase != SUSPENSION_WHOLE || suspension_sync(&entry->folder, overlay, error);
}

/* A mark that cannot be read now may be one of a guest that has run. */
static gboolean
suspension_note_overlay(const struct suspension_entry *entry, json_t *mark, GError **error)
{
	g_autoptr(GError) problem = NULL;
	json_t *before = suspension_load(&entry->folder, DESKTOP_MARK_FILE, mark_fields,
					 G_N_ELEMENTS(mark_fields), &problem);
	gint64 bytes = 0;
	gint64 ns = 0;
	gboolean ok = TRUE;

	if (entry->phase == SUSPENSION_RESUMING &&
	    strcmp(json_get_text(before, "phase", ""), phase_names[SUSPENSION_RESUMING]) == 0) {
		bytes = json_get_integer(before, "overlay_bytes", 0);
		ns = json_get_integer(before, "overlay_ns", 0);
	} else if (problem && !g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&problem));
		ok = FALSE;
	} else {
		ok = suspension_stat_overlay(&entry->folder, &bytes, &ns, error);
	}
	json_decref(before);
	json_object_set_new(mark, "overlay_bytes", json_integer(bytes));
	json_object_set_new(mark, "overlay_ns", json_integer(ns));
	return ok;
}

static json_t *
suspension_make_mark(const struct suspension_entry *entry, GError **error)
{
	g_autofree char *boot = suspension_read_boot(error);
	json_t *mark = boot ? suspension_load_origin(&entry->folder, error) : NULL;

	if (!mark || !suspension_note_overlay(entry, mark, error)) {
		json_decref(mark);
		return NULL;
	}
	json_object_set_new(mark, "generation", json_integer((json_int_t)entry->generation));
	json_object_set_new(mark, "phase", json_string(phase_names[entry->phase]));
	json_object_set_new(mark, "boot", json_string(boot));
	return mark;
}

static gboolean
suspension_write_mark(const struct suspension_entry *entry, GError **error)
{
	g_autofree char *path = g_build_filename(entry->folder.path, DESKTOP_MARK_FILE, NULL);
	json_t *mark = suspension_make_mark(entry, error);
	char *text;
	int code;

	if (!mark)
		return FALSE;
	text = json_dumps(mark, JSON_COMPACT);
	json_decref(mark);
	code = text ? io_write_file_durably(path, text, strlen(text), 0600) : -ENOMEM;
	free(text);
	if (code < 0)
		suspension_fail(error, path, -code);
	return code == 0;
}

static void
suspension_run_enter(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	const struct suspension_entry *entry = data;
	GError *error = NULL;

	(void)source, (void)cancellable;
	if (suspension_sync_files(entry, &error) && suspension_write_mark(entry, &error))
		g_task_return_boolean(task, TRUE);
	else
		g_task_return_error(task, error);
}

void
desktop_suspension_enter(const struct desktop_folder *folder, enum suspension_phase phase,
			 guint64 generation, const struct steps_call *call)
{
	struct suspension_entry *entry = g_new0(struct suspension_entry, 1);
	GTask *task = g_task_new(NULL, call->cancellable, call->callback, call->data);

	entry->folder.path = g_strdup(folder->path);
	entry->folder.overlay = g_strdup(folder->overlay);
	entry->phase = phase;
	entry->generation = generation;
	g_task_set_task_data(task, entry, suspension_entry_free);
	g_task_run_in_thread(task, suspension_run_enter);
	g_object_unref(task);
}

void
desktop_suspension_remove(const struct desktop_folder *folder)
{
	/* The mark first: without it the others mean nothing. */
	static const char *const names[] = { DESKTOP_MARK_FILE, DESKTOP_STATE_FILE,
					     DESKTOP_PAGES_FILE };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_build_filename(folder->path, names[i], NULL);

		gboolean removed = g_unlink(path) == 0;

		if (!removed && errno != ENOENT)
			log_warning("'%s' cannot be removed: %s", path, g_strerror(errno));
		if (removed && i == 0)
			io_sync_folder(folder->path);
	}
}
