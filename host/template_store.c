/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template_store.c - the template versions on this host's disk, and the memory of those in use (carrel-hostd)
 *
 * How it works: forks are made from one descriptor of a version's memory. Where the engine can map the file that is the
 * file's, of which what forks touch first is read ahead (host/template_touched.h); where it cannot, or this host shall keep templates in RAM, the memory is read once, in a worker thread, into a sealed
 * memfd (template_store_start_load). template_store_find() marks what is wanted; a sweep closes the rest. Forks keep
 * their own mappings, so a closed descriptor harms none of them. A version that this host cannot restore has no entry, or one
 * with that error (template_store_set_foreign).
 *
 * When a version is sealed again another folder takes its place, at any moment. So all files of one are opened below the same
 * descriptor of its folder (struct engine_template), that of the manifest (template_store_read).
 */
#include "host/template_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/template_memory.h"
#include "host/template_touched.h"

struct template_entry {
	struct template_store *store; /* NULL: swept while it was loading */
	char *folder;
	char *kind;
	struct manifest *manifest;
	int root;   /* the folder, as it was found */
	char *path; /* of the memory, below it */
	int memory;
	GError *error;
	GError *foreign; /* what a fork has found out */
	gboolean loading;
	gboolean wanted;
};

struct template_store {
	char *folder;
	gboolean in_ram;
	GHashTable *entries; /* "name@version/kind" -> struct template_entry */
	GHashTable *refused; /* folder -> why it is no version: said once, not with each report */
	template_store_callback callback;
	void *context;
};

static void
template_store_free_entry(struct template_entry *entry)
{
	if (entry->memory >= 0)
		close(entry->memory);
	close(entry->root);
	g_clear_error(&entry->error);
	g_clear_error(&entry->foreign);
	manifest_free(entry->manifest);
	g_free(entry->folder);
	g_free(entry->kind);
	g_free(entry->path);
	g_free(entry);
}

static void
template_store_drop_entry(gpointer data)
{
	struct template_entry *entry = data;

	entry->store = NULL;
	if (!entry->loading)
		template_store_free_entry(entry);
}

struct template_store *
template_store_new(const char *lib, gboolean in_ram, template_store_callback callback,
		   void *context)
{
	struct template_store *store = g_new0(struct template_store, 1);

	store->folder = g_build_filename(lib, "templates", NULL);
	store->entries =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, template_store_drop_entry);
	store->refused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	store->in_ram = in_ram;
	store->callback = callback;
	store->context = context;
	return store;
}

void
template_store_free(struct template_store *store)
{
	g_hash_table_unref(store->entries);
	g_hash_table_unref(store->refused);
	g_free(store->folder);
	g_free(store);
}

static void
template_store_run_load(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	struct template_entry *entry = data;
	CLEANUP_CLOSE int memfd = -1;
	GError *error = NULL;

	(void)source;
	memfd = template_memory_load(entry->root, entry->path,
				     (guint64)entry->manifest->ram_mib << 20, cancellable, &error);
	if (memfd >= 0)
		entry->memory = engine_list_find(entry->manifest->engine)->loads_memory
					? take_fd(&memfd)
					: template_memory_share(memfd, &error);
	if (error)
		g_task_return_error(task, error);
	else
		g_task_return_boolean(task, TRUE);
}

static void
template_store_handle_loaded(GObject *object, GAsyncResult *result, gpointer data)
{
	struct template_entry *entry = data;

	(void)object;
	entry->loading = FALSE;
	if (g_task_propagate_boolean(G_TASK(result), &entry->error))
		log_info("the memory of '%s' is loaded", entry->folder);
	else
		log_error("the memory of '%s' cannot be loaded: %s", entry->folder,
			  entry->error->message);
	if (!entry->store)
		template_store_free_entry(entry);
	else
		entry->store->callback(entry->store->context);
}

static void
template_store_start_load(struct template_entry *entry)
{
	GTask *task = g_task_new(NULL, NULL, template_store_handle_loaded, entry);

	entry->loading = TRUE;
	g_task_set_task_data(task, entry, NULL);
	g_task_run_in_thread(task, template_store_run_load);
	g_object_unref(task);
}

/* The file itself; what forks touch of it first is read ahead, so that they need not wait for the disk page by page. */
static void
template_store_open_file(struct template_entry *entry)
{
	g_autofree char *touched = template_touched_make_path(entry->path);

	entry->memory = template_memory_open(
		entry->root, entry->path, (guint64)entry->manifest->ram_mib << 20, &entry->error);
	if (entry->memory >= 0)
		template_touched_start_read(entry->root, touched, entry->memory, entry->folder);
}

static void
template_store_open_memory(struct template_entry *entry)
{
	if (entry->store->in_ram || engine_list_find(entry->manifest->engine)->loads_memory)
		template_store_start_load(entry);
	else
		template_store_open_file(entry);
	if (entry->error)
		g_prefix_error(&entry->error, "'%s': ", entry->folder);
}

static int
template_store_open_root(const char *folder, GError **error)
{
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = errno;

	if (root < 0)
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "'%s': %s", folder,
			    g_strerror(code));
	return root;
}

static gboolean
template_store_is_root(int root, const char *folder)
{
	struct stat held;
	struct stat named;

	return fstat(root, &held) == 0 && stat(folder, &named) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Its files must be what the manifest says. One that is exchanged while it is looked at is looked at once more. */
static struct manifest *
template_store_read(const char *folder, const char *kind, int *ret_root, GError **error)
{
	for (;;) {
		CLEANUP_CLOSE int root = template_store_open_root(folder, error);
		struct manifest *manifest = root < 0 ? NULL : manifest_read(folder, error);
		gboolean good = manifest && manifest_check_sizes(manifest, folder, error) &&
				engine_list_check(manifest, kind, -1, error);
		gboolean exchanged = root >= 0 && !template_store_is_root(root, folder);

		if (good && !exchanged) {
			*ret_root = take_fd(&root);
			return manifest;
		}
		manifest_free(manifest);
		if (!exchanged)
			return NULL;
		g_clear_error(error);
	}
}

static char *
template_store_get_folder(const struct template_store *store, const char *name, guint32 version)
{
	g_autofree char *number = g_strdup_printf("%u", version);

	return g_build_filename(store->folder, name, number, NULL);
}

struct manifest *
template_store_check(const struct template_store *store, const char *name, guint32 version,
		     const char *kind, GError **error)
{
	g_autofree char *folder = template_store_get_folder(store, name, version);
	CLEANUP_CLOSE int root = -1;

	return template_store_read(folder, kind, &root, error);
}

static struct template_entry *
template_store_open(struct template_store *store, const char *name, guint32 version,
		    const char *kind, GError **error)
{
	g_autofree char *folder = template_store_get_folder(store, name, version);
	int root = -1;
	struct manifest *manifest = template_store_read(folder, kind, &root, error);
	struct template_entry *entry;

	if (!manifest)
		return NULL;
	entry = g_new0(struct template_entry, 1);
	entry->store = store;
	entry->memory = -1;
	entry->root = root;
	entry->manifest = manifest;
	entry->kind = g_strdup(kind);
	entry->path = g_build_filename(manifest->engine, kind, "memory", NULL);
	entry->folder = g_steal_pointer(&folder);
	template_store_open_memory(entry);
	return entry;
}

static char *
template_store_make_key(const char *name, guint32 version, const char *kind)
{
	return g_strdup_printf("%s@%u/%s", name, version, kind);
}

gboolean
template_store_find_suspended(struct template_store *store, const char *name, guint32 version,
			      const char *kind, struct engine_template *ret_template,
			      GError **error)
{
	g_autofree char *key = template_store_make_key(name, version, kind);
	struct template_entry *entry = g_hash_table_lookup(store->entries, key);

	if (!entry) {
		entry = template_store_open(store, name, version, kind, error);
		if (!entry)
			return FALSE;
		g_hash_table_insert(store->entries, g_steal_pointer(&key), entry);
	}
	entry->wanted = TRUE;
	if (entry->error)
		g_propagate_error(error, g_error_copy(entry->error));
	if (entry->loading || entry->error)
		return FALSE;
	*ret_template = (struct engine_template){ entry->manifest, entry->root, entry->kind,
						  entry->memory,   NULL,	FALSE };
	return TRUE;
}

gboolean
template_store_is_foreign(struct template_store *store, const char *name, guint32 version,
			  const char *kind, GError **error)
{
	g_autofree char *key = template_store_make_key(name, version, kind);
	struct template_entry *entry = g_hash_table_lookup(store->entries, key);

	if (!entry)
		return FALSE;
	entry->wanted = TRUE;
	if (entry->foreign)
		g_propagate_error(error, g_error_copy(entry->foreign));
	return entry->foreign != NULL;
}

gboolean
template_store_find(struct template_store *store, const char *name, guint32 version,
		    const char *kind, struct engine_template *ret_template, GError **error)
{
	return template_store_find_suspended(store, name, version, kind, ret_template, error) &&
	       !template_store_is_foreign(store, name, version, kind, error);
}

void
template_store_set_foreign(struct template_store *store, const char *name, guint32 version,
			   const char *kind, const char *reason)
{
	g_autofree char *key = template_store_make_key(name, version, kind);
	struct template_entry *entry = g_hash_table_lookup(store->entries, key);

	if (entry && !entry->foreign)
		entry->foreign = g_error_new_literal(ENGINE_ERROR, ENGINE_ERROR_FOREIGN, reason);
}

void
template_store_forget(struct template_store *store, const char *name, guint32 version)
{
	g_autofree char *prefix = template_store_make_key(name, version, "");
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, store->entries);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		if (g_str_has_prefix(key, prefix))
			g_hash_table_iter_remove(&iter);
}

void
template_store_sweep(struct template_store *store)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, store->entries);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct template_entry *entry = value;

		if (!entry->wanted)
			g_hash_table_iter_remove(&iter);
		else
			entry->wanted = FALSE;
	}
}

static void
template_store_refuse(const struct template_store *store, const char *folder, const char *why)
{
	if (g_strcmp0(g_hash_table_lookup(store->refused, folder), why) == 0)
		return;
	log_warning(
		"'%s' is no template version and is not offered: %s; publish the template again, "
		"or remove that folder",
		folder, why);
	g_hash_table_replace(store->refused, g_strdup(folder), g_strdup(why));
}

static void
template_store_add_version(const struct template_store *store, json_t *list, const char *folder,
			   const char *name, const char *version)
{
	g_autoptr(GError) error = NULL;
	struct manifest *manifest = manifest_read(folder, &error);

	/* A worker wrote it: it speaks for the place that launch gave it, and for no other. */
	if (manifest && (strcmp(manifest->name, name) != 0 ||
			 manifest->version != g_ascii_strtoull(version, NULL, 10))) {
		g_set_error(&error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "its manifest is that of '%s' version %u", manifest->name,
			    manifest->version);
		g_clear_pointer(&manifest, manifest_free);
	}
	if (!manifest) {
		template_store_refuse(store, folder, error->message);
		return;
	}
	g_hash_table_remove(store->refused, folder);
	json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:O, s:i, s:I, s:s}", "name",
					      manifest->name, "version", (int)manifest->version,
					      "engine", manifest->engine, "kinds", manifest->kinds,
					      "ram_mib", (int)manifest->ram_mib, "created_ms",
					      (json_int_t)manifest->created_ms, "author",
					      manifest->author));
	manifest_free(manifest);
}

json_t *
template_store_list(const struct template_store *store)
{
	g_autoptr(GDir) names = g_dir_open(store->folder, 0, NULL);
	json_t *list = json_array();
	const char *name;

	while (names && (name = g_dir_read_name(names))) {
		g_autofree char *folder = g_build_filename(store->folder, name, NULL);
		g_autoptr(GDir) versions = g_dir_open(folder, 0, NULL);
		const char *version;

		while (versions && (version = g_dir_read_name(versions)) &&
		       json_array_size(list) < TEMPLATE_STORE_MAX) {
			g_autofree char *path = g_build_filename(folder, version, NULL);

			template_store_add_version(store, list, path, name, version);
		}
	}
	return list;
}
