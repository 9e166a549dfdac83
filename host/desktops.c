/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops.c - all desktops of this host: the table of them, and what it says (carrel-hostd)
 *
 * How it works: the table begins with what launch and the folders of suspended desktops know (desktops_adopt); from then on
 * desktops_wanted.c makes it equal to what is wanted. What cannot be read is in the table, too, and is left alone until it can
 * (desktops_look_at_unread): what is not there the broker takes for lost, and others would be put in its place. What a desktop tells goes on to hostd.c, after which all are looked at again.
 */
#include "host/desktops.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/vmm_exit.h"
#include "host/desktop_suspension.h"
#include "host/desktops_parts.h"
#include "host/doctor.h"
#include "host/host_room.h"
#include "host/move_clear.h"

struct spawn_closure {
	engine_spawned_callback callback;
	void *data;
};

static void
desktops_handle_spawned(void *data, const struct launch_answer *answer)
{
	g_autofree struct spawn_closure *closure = data;

	closure->callback(closure->data, answer->error ? -1 : g_steal_fd(&answer->fds[0]),
			  answer->error);
}

static void
desktops_spawn(void *context, const char *name, guint64 generation, enum launch_role role,
	       const char *const *argv, const int *fds, const int *targets, gsize n_fds,
	       guint64 memory_max_bytes, engine_spawned_callback callback, void *data)
{
	struct desktops *desktops = context;
	struct spawn_closure *closure = g_new0(struct spawn_closure, 1);
	struct launch_client_spawn spawn = { name, generation, role,  argv,
					     fds,  targets,    n_fds, memory_max_bytes };

	closure->callback = callback;
	closure->data = data;
	launch_client_spawn(desktops->launch, &spawn, desktops_handle_spawned, closure);
}

static void
desktops_handle_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
		      const char *text)
{
	struct desktops *desktops = context;

	desktops->events->event(desktops->context, desktop, kind, value, text);
}

static void
desktops_handle_changed(void *context, struct desktop *desktop)
{
	struct desktops *desktops = context;

	(void)desktop;
	desktops->events->changed(desktops->context);
	desktops_look_again(desktops);
}

static void
desktops_handle_fact(void *context, struct desktop *desktop, const struct display_fact *fact)
{
	struct desktops *desktops = context;

	desktops->events->fact(desktops->context, desktop, fact);
}

static void desktops_set_foreign(struct desktops *desktops, const char *id, const char *reason);

static void
desktops_handle_foreign(void *context, const struct desktop *desktop, const char *reason)
{
	desktops_set_foreign(context, desktop_get_id(desktop), reason);
}

static void
desktops_handle_template(void *context)
{
	desktops_look_again(context);
}

static void
desktops_free_one(gpointer data)
{
	desktop_free(data);
}

struct desktops *
desktops_new(const struct desktops_options *options, const struct desktops_events *events,
	     void *context)
{
	struct desktops *desktops = g_new0(struct desktops, 1);

	desktops->launch = options->launch;
	desktops->run = g_strdup(options->run);
	desktops->lib = g_strdup(options->lib);
	desktops->exchange = g_strdup(options->exchange);
	desktops->ram_reserve_mib = options->ram_reserve_mib;
	desktops->accept_unisolated = options->accept_unisolated;
	desktops->events = events;
	desktops->context = context;
	desktops->spawner = (struct engine_spawner){ desktops, desktops_spawn };
	desktops->host = (struct desktop_host){
		.launch = options->launch,
		.spawner = &desktops->spawner,
		.run = desktops->run,
		.lib = desktops->lib,
		.exchange = desktops->exchange,
		.times = options->times,
		.context = desktops,
		.event = desktops_handle_event,
		.changed = desktops_handle_changed,
		.fact = desktops_handle_fact,
		.foreign = desktops_handle_foreign,
	};
	if (desktops->exchange)
		desktops->host.clear = move_clear_new(desktops->exchange, move_files_discard);
	desktops->templates = template_store_new(desktops->lib, options->templates_in_ram,
						 desktops_handle_template, desktops);
	desktops->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, desktops_free_one);
	return desktops;
}

void
desktops_free(struct desktops *desktops)
{
	g_clear_handle_id(&desktops->idle, g_source_remove);
	g_clear_handle_id(&desktops->again, g_source_remove);
	g_hash_table_unref(desktops->table);
	move_clear_free(desktops->host.clear);
	template_store_free(desktops->templates);
	json_decref(desktops->wanted);
	json_decref(desktops->left);
	g_free(desktops->run);
	g_free(desktops->lib);
	g_free(desktops->exchange);
	g_free(desktops);
}

struct desktop *
desktops_find(struct desktops *desktops, const char *id)
{
	return g_hash_table_lookup(desktops->table, id);
}

struct desktop *
desktops_add(struct desktops *desktops, const char *id, guint64 generation)
{
	struct desktop *desktop = desktop_new(&desktops->host, id, generation);

	g_hash_table_insert(desktops->table, g_strdup(id), desktop);
	return desktop;
}

static gboolean
desktops_read_mark(const struct desktops *desktops, const char *id, struct suspension *ret_found,
		   GError **error)
{
	struct desktop_folder files;
	gboolean ok;

	desktop_folder_init(&files, desktops->lib, id);
	ok = desktop_suspension_read(&files, ret_found, error);
	desktop_folder_done(&files);
	return ok;
}

/* record NULL: launch does not know it; then it is one only if its folder says so, or cannot say it. */
static void
desktops_adopt_one(struct desktops *desktops, const char *id, const struct launch_record *record)
{
	struct suspension found;
	g_autoptr(GError) error = NULL;

	if (!id_valid(ID_KIND_DESKTOP, id) || desktops_find(desktops, id))
		return;
	if (!desktops_read_mark(desktops, id, &found, &error))
		desktop_adopt_unread(desktops_add(desktops, id, record ? record->generation : 1),
				     record, error->message);
	else if (record)
		desktop_adopt(desktops_add(desktops, id, record->generation), record, &found);
	else if (found.phase != SUSPENSION_NONE)
		desktop_adopt(desktops_add(desktops, id, found.generation), NULL, &found);
}

/* Launch forgets what was suspended when the host is started anew: then its folder is all that there is. 0 or an errno. */
static int
desktops_adopt_folders(struct desktops *desktops, const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	int code;

	if (!folder)
		return errno == ENOENT ? 0 : errno;
	errno = 0;
	// cppcheck-suppress readdirCalled ; nobody else reads this folder
	while ((entry = readdir(folder))) {
		desktops_adopt_one(desktops, entry->d_name, NULL);
		errno = 0;
	}
	code = errno;
	closedir(folder);
	return code;
}

gboolean
desktops_adopt(struct desktops *desktops, const struct launch_record *records, gsize n)
{
	g_autofree char *path = g_build_filename(desktops->lib, "desktops", NULL);
	int code;

	for (gsize i = 0; i < n; i++) {
		char id[ID_SIZE];

		g_strlcpy(id, records[i].desktop, sizeof(id));
		desktops_adopt_one(desktops, id, &records[i]);
	}
	code = desktops_adopt_folders(desktops, path);
	if (code != 0)
		log_error("which desktops are suspended here is not known, '%s': %s; looking again",
			  path, g_strerror(code));
	return code == 0;
}

static void
desktops_look_at(struct desktops *desktops, const char *id)
{
	struct desktop *desktop = desktops_find(desktops, id);
	guint64 generation = desktop_get_generation(desktop);
	g_autofree struct launch_record *record = NULL;
	struct suspension found;
	g_autoptr(GError) error = NULL;

	if (!desktops_read_mark(desktops, id, &found, &error)) {
		desktop_note_unread(desktop, error->message);
		desktops_try_later(desktops);
		return;
	}
	record = desktop_take_record(desktop);
	if (!record && found.phase != SUSPENSION_NONE)
		generation = found.generation;
	log_info("desktop=%s can be read now", id);
	g_hash_table_remove(desktops->table, id);
	desktop_adopt(desktops_add(desktops, id, generation), record, &found);
}

void
desktops_look_at_unread(struct desktops *desktops)
{
	g_autoptr(GList) values = g_hash_table_get_values(desktops->table);

	for (GList *link = values; link; link = link->next) {
		char id[ID_SIZE];

		if (desktop_get_state(link->data) != DESKTOP_STATE_UNREAD)
			continue;
		g_strlcpy(id, desktop_get_id(link->data), sizeof(id));
		desktops_look_at(desktops, id);
	}
}

void
desktops_request(struct desktops *desktops, const char *verb, const char *id)
{
	struct desktop *desktop = desktops_find(desktops, id);

	if (!desktop)
		log_warning("desktop=%s is not here: '%s' is not done", id, verb);
	else if (desktop_get_state(desktop) == DESKTOP_STATE_UNREAD)
		log_warning("desktop=%s: '%s' is not done: %s", id, verb,
			    desktop_get_reason(desktop));
	else if (strcmp(verb, "stop") == 0)
		desktop_give_up(desktop, "an operator stopped it");
	else if (strcmp(verb, "powerdown") == 0)
		desktop_powerdown(desktop);
	else
		log_warning("desktop=%s: '%s' is not offered by this host", id, verb);
}

void
desktops_renew_template(struct desktops *desktops, const char *name, guint32 version)
{
	template_store_forget(desktops->templates, name, version);
	desktops_look_again(desktops);
}

const json_t *
desktops_find_want(const struct desktops *desktops, const char *id)
{
	for (gsize i = 0; i < json_array_size(desktops->wanted); i++) {
		const json_t *want = json_array_get(desktops->wanted, i);

		if (strcmp(json_get_text(want, "id", ""), id) == 0)
			return want;
	}
	return NULL;
}

/* It is sealed again at once, and others of it wait for that. */
static void
desktops_set_foreign(struct desktops *desktops, const char *id, const char *reason)
{
	const json_t *want = desktops_find_want(desktops, id);

	if (!want)
		return;
	template_store_set_foreign(desktops->templates, json_get_text(want, "template", ""),
				   (guint32)json_get_integer(want, "version", 0),
				   json_get_text(want, "kind", ""), reason);
	desktops_tell_foreign(desktops, want, reason);
}

void
desktops_handle_exited(struct desktops *desktops, const struct launch_exited *exited)
{
	struct desktop *desktop = desktops_find(desktops, exited->name);
	gboolean foreign = exited->role == LAUNCH_ROLE_VMM && WIFEXITED(exited->wait_status) &&
			   WEXITSTATUS(exited->wait_status) == VMM_EXIT_FOREIGN;

	if (!desktop || !foreign)
		return;
	/*
	 * Of the version only by a new fork: what cannot be restored of a suspended one may be its own files, which would not fit to
	 * a version that is sealed again, and a guest that has taken over its carrel-vmm may have it end with any status.
	 */
	if (desktop_has_run(desktop))
		desktop_set_foreign(desktop);
	else
		desktops_set_foreign(desktops, exited->name,
				     "its state is not one that this carrel-vmm can restore here");
}

json_t *
desktops_list(struct desktops *desktops)
{
	json_t *list = json_array();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:s, s:s, s:s}", "id", desktop_get_id(value),
					"generation", (json_int_t)desktop_get_generation(value),
					"state", desktop_state_name(desktop_get_state(value)),
					"error", desktop_get_reason(value), "session",
					desktop_get_session(value)));
	return list;
}

json_t *
desktops_get_capacity(struct desktops *desktops)
{
	guint total = (guint)doctor_read_memory_mib("", "MemTotal:");

	return json_pack(
		"{s:i, s:i, s:i, s:b}", "ram_mib",
		(int)(total > desktops->ram_reserve_mib ? total - desktops->ram_reserve_mib : 0),
		"ram_free_mib", (int)host_room_get_free_mib(desktops->ram_reserve_mib), "cpus",
		(int)g_get_num_processors(), "exchange", desktops->exchange != NULL);
}

json_t *
desktops_list_templates(struct desktops *desktops)
{
	return template_store_list(desktops->templates);
}
