/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops.c - all desktops of this host: what runs is made equal to what is wanted (carrel-hostd)
 *
 * How it works: desktops_want() keeps the broker's list; desktops_reconcile() compares it with the table, again after each
 * change (from an idle source, so that no desktop is freed inside its own call). Nothing is retired before the first
 * list came, and a generation older than the one that exists is refused: that is the fence. A newer one waits until the
 * older has gone. New forks wait while MAX_FORKING are on their way or memory is short, and so do desktops that are resumed; those
 * that are to be suspended wait while MAX_SUSPENDING are being written.
 */
#include "host/desktops.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/vmm_exit.h"
#include "host/desktop_suspension.h"
#include "host/doctor.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/host_room.h"

#define MAX_FORKING	 4
#define MAX_SUSPENDING	 4 /* each has its deadline: all at once would be too slow for any */
#define AGAIN_MS	 2000
#define MAX_HOLDERS_TOLD 3
#define GUEST_USER_UID	 5000

struct desktops {
	struct desktop_host host;
	struct engine_spawner spawner;
	struct launch_client *launch;
	const struct desktops_events *events;
	void *context;
	char *run;
	char *lib;
	guint ram_reserve_mib;
	gboolean accept_unisolated;
	struct template_store *templates;
	GHashTable *table; /* id -> struct desktop */
	json_t *wanted;	   /* NULL before the first answer */
	guint idle;
	guint again;
	gboolean full; /* said already */
};

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

static gboolean desktops_handle_idle(gpointer data);

static void
desktops_look_again(struct desktops *desktops)
{
	if (desktops->idle == 0)
		desktops->idle = g_idle_add(desktops_handle_idle, desktops);
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
		.times = options->times,
		.context = desktops,
		.event = desktops_handle_event,
		.changed = desktops_handle_changed,
		.fact = desktops_handle_fact,
		.foreign = desktops_handle_foreign,
	};
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
	template_store_free(desktops->templates);
	json_decref(desktops->wanted);
	g_free(desktops->run);
	g_free(desktops->lib);
	g_free(desktops);
}

struct desktop *
desktops_find(struct desktops *desktops, const char *id)
{
	return g_hash_table_lookup(desktops->table, id);
}

static struct desktop *
desktops_add(struct desktops *desktops, const char *id, guint64 generation)
{
	struct desktop *desktop = desktop_new(&desktops->host, id, generation);

	g_hash_table_insert(desktops->table, g_strdup(id), desktop);
	return desktop;
}

/*
 * Launch forgets what was suspended when the host is started anew: then its folder is all that there is. One whose mark cannot be
 * read is no desktop of ours now, and the broker hears that it is lost; but it is a user's work, which an operator
 * may know to save.
 */
static void
desktops_adopt_suspended(struct desktops *desktops)
{
	g_autofree char *path = g_build_filename(desktops->lib, "desktops", NULL);
	g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
	const char *id;

	while (folder && (id = g_dir_read_name(folder))) {
		struct desktop_folder files;
		struct suspension found;
		g_autoptr(GError) error = NULL;

		if (!id_valid(ID_KIND_DESKTOP, id) || desktops_find(desktops, id))
			continue;
		desktop_folder_init(&files, desktops->lib, id);
		if (!desktop_suspension_read(&files, &found, &error))
			log_warning(
				"desktop=%s was suspended and cannot be taken over, its folder '%s' "
				"is left for you to mend or to remove: %s",
				id, files.path, error->message);
		else if (found.phase != SUSPENSION_NONE)
			desktop_adopt(desktops_add(desktops, id, found.generation), NULL);
		desktop_folder_done(&files);
	}
}

void
desktops_adopt(struct desktops *desktops, const struct launch_record *records, gsize n)
{
	for (gsize i = 0; i < n; i++) {
		char id[ID_SIZE];

		g_strlcpy(id, records[i].desktop, sizeof(id));
		if (!id_valid(ID_KIND_DESKTOP, id) || desktops_find(desktops, id))
			continue;
		desktop_adopt(desktops_add(desktops, id, records[i].generation), &records[i]);
	}
	desktops_adopt_suspended(desktops);
}

/* states: a bit set. */
static guint
desktops_count(const struct desktops *desktops, guint states)
{
	GHashTableIter iter;
	gpointer value;
	guint n = 0;

	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		n += states >> desktop_get_state(value) & 1;
	return n;
}

static guint64
desktops_count_suspend_bytes(const struct desktops *desktops)
{
	GHashTableIter iter;
	gpointer value;
	guint64 bytes = 0;

	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		bytes += desktop_get_suspend_bytes(value);
	return bytes;
}

static gboolean
desktops_has_room(const struct desktops *desktops, guint mib)
{
	return host_room_get_free_mib(desktops->ram_reserve_mib) >= mib &&
	       host_room_has_disk(desktops->lib, 0);
}

static gboolean
desktops_may_start(const struct desktops *desktops)
{
	const guint starting = 1u << DESKTOP_STATE_FORKING | 1u << DESKTOP_STATE_IDENTIFYING |
			       1u << DESKTOP_STATE_RESUMING;

	return desktops_count(desktops, starting) < MAX_FORKING;
}

static gboolean
desktops_may_fork(struct desktops *desktops, guint ram_mib)
{
	gboolean full = g_hash_table_size(desktops->table) >= LAUNCH_MAX_RECORDS ||
			!desktops_has_room(desktops, host_room_get_fork_mib(ram_mib));

	if (full && !desktops->full)
		log_warning(
			"this host is full: new desktops wait until there is memory, and space on the "
			"disk of '%s'; or lower the pools' sizes",
			desktops->lib);
	desktops->full = full;
	return !full && desktops_may_start(desktops);
}

/*
 * It has its place among the desktops already, and launch's, if that has lost it, is launch's to give. Those that are being resumed have
 * not taken all of their memory yet; they are as large, or nearly so.
 */
static gboolean
desktops_may_resume(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	const struct engine_ops *engine = engine_list_find(json_get_text(want, "engine", ""));
	guint n = 1 + desktops_count(desktops, 1u << DESKTOP_STATE_RESUMING);
	guint mib = engine ? n * desktop_get_resume_mib(desktop, engine,
							(guint)json_get_integer(want, "ram_mib", 0))
			   : 0;

	if (!desktops_has_room(desktops, mib)) {
		g_autofree char *reason = g_strdup_printf(
			"this host is full: it needs %u MiB of memory and some of the disk; make "
			"room there",
			mib);

		desktop_refuse_resume(desktop, reason);
		return FALSE;
	}
	return desktops_may_start(desktops);
}

static gboolean
desktops_handle_again(gpointer data)
{
	struct desktops *desktops = data;

	desktops->again = 0;
	desktops_look_again(desktops);
	return G_SOURCE_REMOVE;
}

/* NULL, or why this host cannot run what the template was published for. */
static char *
desktops_find_refusal(const struct desktops *desktops, const json_t *want)
{
	const char *engine = json_get_text(want, "engine", "");
	g_autofree char *reason = engine_list_refuse(engine, desktops->accept_unisolated);

	if (!reason)
		return NULL;
	return g_strdup_printf("'%s@%d' was published for engine '%s', which cannot run here: %s; "
			       "or publish it for another engine",
			       json_get_text(want, "template", ""),
			       (int)json_get_integer(want, "version", 0), engine, reason);
}

/*
 * The suspended desktops that could not go on if the version were sealed again: some of their names. NULL: none. One that this host
 * cannot restore is none of them, nor is any when the host's own check refuses the version.
 */
static char *
desktops_list_holders(struct desktops *desktops, const json_t *want)
{
	struct engine_template source;
	GHashTableIter iter;
	gpointer value;
	GString *list;
	guint n = 0;

	if (!template_store_find_suspended(desktops->templates, json_get_text(want, "template", ""),
					   (guint32)json_get_integer(want, "version", 0),
					   json_get_text(want, "kind", ""), &source, NULL))
		return NULL;
	list = g_string_new(NULL);
	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		if (!desktop_needs_template(value, &source))
			continue;
		if (n++ < MAX_HOLDERS_TOLD)
			g_string_append_printf(list, "%s%s", n > 1 ? ", " : "",
					       desktop_get_id(value));
	}
	if (n > MAX_HOLDERS_TOLD)
		g_string_append_printf(list, " and %u more", n - MAX_HOLDERS_TOLD);
	return g_string_free(list, n == 0);
}

static void
desktops_tell_foreign(struct desktops *desktops, const json_t *want, const char *reason)
{
	g_autofree char *holders = desktops_list_holders(desktops, want);

	desktops->events->foreign(desktops->context, json_get_text(want, "template", ""),
				  (guint32)json_get_integer(want, "version", 0),
				  json_get_text(want, "engine", ""), reason, holders);
}

static void
desktops_try_later(struct desktops *desktops)
{
	if (desktops->again == 0)
		desktops->again = g_timeout_add(AGAIN_MS, desktops_handle_again, desktops);
}

/* Asked again while it is wanted: whoever hears of it may have to wait before it does something. */
static void
desktops_await_seal(struct desktops *desktops, const json_t *want, const GError *error)
{
	desktops_tell_foreign(desktops, want, error->message);
	desktops_try_later(desktops);
}

static gboolean
desktops_find_template(struct desktops *desktops, const json_t *want,
		       struct engine_template *ret_source, GError **error)
{
	return template_store_find(desktops->templates, json_get_text(want, "template", ""),
				   (guint32)json_get_integer(want, "version", 0),
				   json_get_text(want, "kind", ""), ret_source, error);
}

static void
desktops_create(struct desktops *desktops, const json_t *want)
{
	struct engine_template source;
	g_autoptr(GError) error = NULL;
	g_autofree char *refusal = NULL;
	struct desktop *desktop;
	gboolean found;

	if (!launch_client_is_up(desktops->launch) ||
	    !desktops_may_fork(desktops, (guint)json_get_integer(want, "ram_mib", 0))) {
		desktops_try_later(desktops);
		return;
	}
	refusal = desktops_find_refusal(desktops, want);
	found = !refusal && desktops_find_template(desktops, want, &source, &error);
	if (!found && !error && !refusal)
		return;
	if (g_error_matches(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN)) {
		desktops_await_seal(desktops, want, error);
		return;
	}
	desktop = desktops_add(desktops, json_get_text(want, "id", ""),
			       (guint64)json_get_integer(want, "generation", 0));
	if (!found)
		desktop_fail(desktop, refusal ? refusal : error->message);
	else
		desktop_fork(desktop, &source,
			     strcmp(json_get_text(want, "network", ""), "passt") == 0);
}

static void
desktops_log_in(struct desktop *desktop, const json_t *session)
{
	const char *timezone = json_get_text(session, "timezone", "");
	json_t *body = json_pack(
		"{s:s, s:i, s:O, s:O, s:s, s:s}", "user", json_get_text(session, "user", ""), "uid",
		GUEST_USER_UID, "groups", json_object_get(session, "groups"), "keyboard",
		json_object_get(session, "keyboard"), "locale",
		json_get_text(session, "locale", ""), "timezone", timezone[0] ? timezone : "UTC");

	desktop_login(desktop, json_get_text(session, "id", ""), body);
}

/* Nothing is sealed again for it: that would not be the version that its memory is over. */
static void
desktops_resume(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	struct engine_template source;
	g_autoptr(GError) error = NULL;
	g_autofree char *refusal = NULL;

	desktops_try_later(desktops);
	if (!launch_client_is_up(desktops->launch) || !desktops_may_resume(desktops, desktop, want))
		return;
	refusal = desktops_find_refusal(desktops, want);
	if (refusal)
		desktop_refuse_resume(desktop, refusal);
	else if (template_store_find_suspended(desktops->templates,
					       json_get_text(want, "template", ""),
					       (guint32)json_get_integer(want, "version", 0),
					       json_get_text(want, "kind", ""), &source, &error))
		desktop_resume(desktop, &source);
	else if (error)
		desktop_refuse_resume(desktop, error->message);
}

/* It has a session, or needs none. */
static void
desktops_apply_rest(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	enum desktop_state state = desktop_get_state(desktop);
	gboolean suspended = strcmp(json_get_text(want, "want", ""), "suspended") == 0;

	if (suspended && desktop_state_lives(state) && state != DESKTOP_STATE_SUSPENDED) {
		if (desktops_count(desktops, 1u << DESKTOP_STATE_SUSPENDING) < MAX_SUSPENDING)
			desktop_suspend(desktop,
					(guint64)json_get_integer(want, "ram_mib", 0) << 20,
					desktops_count_suspend_bytes(desktops));
		desktops_try_later(desktops);
	} else if (!suspended && state == DESKTOP_STATE_SUSPENDED) {
		desktops_resume(desktops, desktop, want);
	} else if (!suspended) {
		desktop_keep_running(desktop);
	}
}

static void
desktops_apply(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	guint64 generation = (guint64)json_get_integer(want, "generation", 0);
	const json_t *session = json_object_get(want, "session");

	if (generation < desktop_get_generation(desktop)) {
		log_debug("desktop=%s: work for an older generation is refused",
			  desktop_get_id(desktop));
	} else if (strcmp(json_get_text(want, "want", ""), "gone") == 0) {
		desktop_retire(desktop, "the broker wants it gone");
	} else if (generation > desktop_get_generation(desktop)) {
		desktop_retire(desktop, "the broker wants a newer generation of it");
		if (desktop_get_state(desktop) == DESKTOP_STATE_GONE) {
			g_hash_table_remove(desktops->table, json_get_text(want, "id", ""));
			desktops_create(desktops, want);
		}
	} else if (!json_is_object(session) && desktop_get_session(desktop)[0] != '\0') {
		desktop_retire(desktop, "its session has ended");
	} else {
		if (json_is_object(session))
			desktops_log_in(desktop, session);
		desktops_apply_rest(desktops, desktop, want);
	}
}

static void
desktops_retire_unwanted(struct desktops *desktops, GHashTable *named)
{
	GHashTableIter iter;
	gpointer key;
	gpointer value;

	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		if (g_hash_table_contains(named, key))
			continue;
		desktop_retire(value, "the broker does not want it");
		if (desktop_get_state(value) == DESKTOP_STATE_GONE)
			g_hash_table_iter_remove(&iter);
	}
}

static void
desktops_reconcile(struct desktops *desktops)
{
	g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);

	for (gsize i = 0; i < json_array_size(desktops->wanted); i++) {
		const json_t *want = json_array_get(desktops->wanted, i);
		const char *id = json_get_text(want, "id", "");
		struct desktop *desktop = desktops_find(desktops, id);

		g_hash_table_add(named, (gpointer)(guintptr)id);
		if (desktop)
			desktops_apply(desktops, desktop, want);
		else if (strcmp(json_get_text(want, "want", ""), "ready") == 0)
			desktops_create(desktops, want);
	}
	desktops_retire_unwanted(desktops, named);
}

static gboolean
desktops_handle_idle(gpointer data)
{
	struct desktops *desktops = data;

	desktops->idle = 0;
	if (desktops->wanted)
		desktops_reconcile(desktops);
	return G_SOURCE_REMOVE;
}

static void
desktops_mark_templates(struct desktops *desktops)
{
	template_store_sweep(desktops->templates);
	for (gsize i = 0; i < json_array_size(desktops->wanted); i++) {
		const json_t *want = json_array_get(desktops->wanted, i);
		struct engine_template source;
		g_autoptr(GError) error = NULL;

		if (strcmp(json_get_text(want, "want", ""), "ready") == 0)
			desktops_find_template(desktops, want, &source, &error);
	}
}

void
desktops_want(struct desktops *desktops, json_t *list)
{
	json_decref(desktops->wanted);
	desktops->wanted = json_incref(list);
	desktops_mark_templates(desktops);
	desktops_look_again(desktops);
}

void
desktops_request(struct desktops *desktops, const char *verb, const char *id)
{
	struct desktop *desktop = desktops_find(desktops, id);

	if (!desktop)
		log_warning("desktop=%s is not here: '%s' is not done", id, verb);
	else if (strcmp(verb, "stop") == 0)
		desktop_retire(desktop, "an operator stopped it");
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

/* What the broker wanted of this desktop; NULL: nothing any more. */
static const json_t *
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
		"{s:i, s:i, s:i}", "ram_mib",
		(int)(total > desktops->ram_reserve_mib ? total - desktops->ram_reserve_mib : 0),
		"ram_free_mib", (int)host_room_get_free_mib(desktops->ram_reserve_mib), "cpus",
		(int)g_get_num_processors());
}

json_t *
desktops_list_templates(struct desktops *desktops)
{
	return template_store_list(desktops->templates);
}
