/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktops_wanted.c - what runs on this host is made equal to what is wanted (carrel-hostd)
 *
 * How it works: desktops_want() keeps the broker's list; desktops_reconcile() compares it with the table, again after each
 * change (from an idle source, so that no desktop is freed inside its own call). Nothing is retired before the first
 * list came, and a generation older than the one that exists is refused: that is the fence. A newer one waits until the
 * older has gone. New forks wait while MAX_FORKING are on their way or memory is short, and so do desktops that are resumed; those
 * that are to be suspended wait while MAX_SUSPENDING are being written, and run on if their version is not what they need
 * any more. What moves to another host, or comes from one, is up to
 * desktops_apply_move(), and has neither session nor machine here until it has come.
 */
#include <string.h>

#include "base/log.h"
#include "host/desktop_move.h"
#include "host/desktops_parts.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/host_room.h"

#define MAX_FORKING	 4
#define MAX_SUSPENDING	 4 /* each has its deadline: all at once would be too slow for any */
#define AGAIN_MS	 2000
#define MAX_HOLDERS_TOLD 3
#define GUEST_USER_UID	 5000

static gboolean desktops_handle_idle(gpointer data);

void
desktops_look_again(struct desktops *desktops)
{
	if (desktops->idle == 0)
		desktops->idle = g_idle_add(desktops_handle_idle, desktops);
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
		log_debug("desktop=%s: to be resumed it needs %u MiB with the others that are",
			  desktop_get_id(desktop), mib);
		desktop_refuse_resume(desktop, "this host is full: it has too little memory for "
					       "it, or no room on the disk; make room there");
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

char *
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

/* Both as they are wanted, or have left. */
static gboolean
desktops_is_same_version(const json_t *one, const json_t *other)
{
	return strcmp(json_get_text(one, "template", ""), json_get_text(other, "template", "")) ==
		       0 &&
	       json_get_integer(one, "version", 0) == json_get_integer(other, "version", 0) &&
	       strcmp(json_get_text(one, "kind", ""), json_get_text(other, "kind", "")) == 0;
}

/* It comes, or goes and may come back: its folder says nothing of its version now. */
static gboolean
desktops_is_on_its_way(struct desktops *desktops, const struct desktop *desktop, const json_t *want)
{
	enum desktop_state state = desktop_get_state(desktop);
	const json_t *own = desktops_find_want(desktops, desktop_get_id(desktop));

	return (state == DESKTOP_STATE_ARRIVING || state == DESKTOP_STATE_EXPORTED) && own &&
	       desktops_is_same_version(own, want);
}

/* Names of them, and how many there are. */
struct holders {
	GString *names;
	guint n;
};

static void
desktops_add_holder(struct holders *holders, const char *id)
{
	if (holders->n++ < MAX_HOLDERS_TOLD)
		g_string_append_printf(holders->names, "%s%s", holders->n > 1 ? ", " : "", id);
}

/* What waits for its turn to come, and what has left and may come back. */
static void
desktops_add_absent(struct desktops *desktops, const json_t *want, struct holders *holders)
{
	for (gsize i = 0; i < json_array_size(desktops->wanted); i++) {
		const json_t *own = json_array_get(desktops->wanted, i);
		const char *id = json_get_text(own, "id", "");

		if (desktops_is_move(own) && !desktops_find(desktops, id) &&
		    desktops_is_same_version(own, want))
			desktops_add_holder(holders, id);
	}
	for (gsize i = 0; i < json_array_size(desktops->left); i++) {
		const json_t *own = json_array_get(desktops->left, i);

		if (desktops_is_same_version(own, want))
			desktops_add_holder(holders, json_get_text(own, "id", ""));
	}
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
	struct holders holders = { NULL, 0 };

	if (!template_store_find_suspended(desktops->templates, json_get_text(want, "template", ""),
					   (guint32)json_get_integer(want, "version", 0),
					   json_get_text(want, "kind", ""), &source, NULL))
		return NULL;
	holders.names = g_string_new(NULL);
	g_hash_table_iter_init(&iter, desktops->table);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		if (desktop_needs_template(value, &source) ||
		    desktops_is_on_its_way(desktops, value, want))
			desktops_add_holder(&holders, desktop_get_id(value));
	}
	desktops_add_absent(desktops, want, &holders);
	if (holders.n > MAX_HOLDERS_TOLD)
		g_string_append_printf(holders.names, " and %u more", holders.n - MAX_HOLDERS_TOLD);
	return g_string_free(holders.names, holders.n == 0);
}

void
desktops_tell_foreign(struct desktops *desktops, const json_t *want, const char *reason)
{
	g_autofree char *holders = desktops_list_holders(desktops, want);

	desktops->events->foreign(desktops->context, json_get_text(want, "template", ""),
				  (guint32)json_get_integer(want, "version", 0),
				  json_get_text(want, "engine", ""), reason, holders);
}

void
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
	if (!launch_client_is_up(desktops->launch) || !desktop_may_resume(desktop) ||
	    !desktops_may_resume(desktops, desktop, want))
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

static gboolean
desktops_is_foreign(struct desktops *desktops, const json_t *want, GError **error)
{
	return template_store_is_foreign(desktops->templates, json_get_text(want, "template", ""),
					 (guint32)json_get_integer(want, "version", 0),
					 json_get_text(want, "kind", ""), error);
}

/* Is its version still the one that it was forked from? Its memory is not needed for that. An error, if there is more to say. */
static gboolean
desktops_has_its_version(struct desktops *desktops, const struct desktop *desktop,
			 const json_t *want, GError **error)
{
	struct engine_template source = { .kind = json_get_text(want, "kind", ""),
					  .folder = -1,
					  .memory = -1 };
	struct manifest *manifest;
	gboolean same;

	if (desktops_is_foreign(desktops, want, error))
		return FALSE;
	manifest = template_store_check(desktops->templates, json_get_text(want, "template", ""),
					(guint32)json_get_integer(want, "version", 0), source.kind,
					error);
	source.manifest = manifest;
	same = manifest && desktop_is_of(desktop, &source);
	manifest_free(manifest);
	return same;
}

/* Of a version that is not the one any more which it was forked from, or is about to be sealed again, nothing could be resumed. */
static void
desktops_suspend(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *reason = NULL;

	desktops_try_later(desktops);
	if (desktops_count(desktops, 1u << DESKTOP_STATE_SUSPENDING) >= MAX_SUSPENDING ||
	    !desktop_may_suspend(desktop))
		return;
	if (desktops_has_its_version(desktops, desktop, want, &error)) {
		desktop_suspend(desktop, (guint64)json_get_integer(want, "ram_mib", 0) << 20,
				desktops_count_suspend_bytes(desktops));
		return;
	}
	reason = g_strdup_printf(
		"it could not go on from its version, '%s@%d': %s; it runs on: have its session "
		"ended, or give it up with 'carrel desktop stop'",
		json_get_text(want, "template", ""), (int)json_get_integer(want, "version", 0),
		error ? error->message : "that was sealed again, or is another one here");
	desktop_refuse_suspend(desktop, reason);
}

/* It has a session, or needs none. */
static void
desktops_apply_rest(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	enum desktop_state state = desktop_get_state(desktop);
	gboolean suspended = strcmp(json_get_text(want, "want", ""), "suspended") == 0;

	if (suspended && desktop_state_lives(state) && state != DESKTOP_STATE_SUSPENDED) {
		desktops_suspend(desktops, desktop, want);
	} else if (!suspended && state == DESKTOP_STATE_SUSPENDED) {
		desktops_resume(desktops, desktop, want);
	} else if (!suspended) {
		desktop_keep_running(desktop);
	}
}

/* It waits until it can be read, and so does what is wanted of it. */
static void
desktops_apply_unread(struct desktop *desktop, const json_t *want)
{
	desktop_learn_generation(desktop, (guint64)json_get_integer(want, "generation", 0));
	if (desktops_is_move(want))
		desktop_refuse_move(desktop, desktop_get_reason(desktop));
}

static void
desktops_apply(struct desktops *desktops, struct desktop *desktop, const json_t *want)
{
	guint64 generation = (guint64)json_get_integer(want, "generation", 0);
	const json_t *session = json_object_get(want, "session");

	if (desktop_get_state(desktop) == DESKTOP_STATE_UNREAD) {
		desktops_apply_unread(desktop, want);
	} else if (generation < desktop_get_generation(desktop)) {
		log_debug("desktop=%s: work for an older generation is refused",
			  desktop_get_id(desktop));
	} else if (strcmp(json_get_text(want, "want", ""), "gone") == 0) {
		desktop_give_up(desktop, "the broker wants it gone");
	} else if (desktops_is_move(want) && desktop_get_state(desktop) == DESKTOP_STATE_GONE) {
		/* It was here before, and what is left of that is cleared away now. */
		g_hash_table_remove(desktops->table, json_get_text(want, "id", ""));
		desktops_begin_move(desktops, want);
	} else if (generation > desktop_get_generation(desktop)) {
		desktop_give_up(desktop, "the broker wants a newer generation of it");
		if (desktop_get_state(desktop) == DESKTOP_STATE_GONE) {
			g_hash_table_remove(desktops->table, json_get_text(want, "id", ""));
			desktops_create(desktops, want);
		}
	} else if (desktops_apply_move(desktops, desktop, want)) {
		log_debug("desktop=%s moves: '%s'", desktop_get_id(desktop),
			  json_get_text(want, "want", ""));
	} else if (!json_is_object(session) && desktop_get_session(desktop)[0] != '\0') {
		desktop_give_up(desktop, "its session has ended");
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

	desktops_look_at_unread(desktops);
	for (gsize i = 0; i < json_array_size(desktops->wanted); i++) {
		const json_t *want = json_array_get(desktops->wanted, i);
		const char *id = json_get_text(want, "id", "");
		struct desktop *desktop = desktops_find(desktops, id);

		g_hash_table_add(named, (gpointer)(guintptr)id);
		if (desktop)
			desktops_apply(desktops, desktop, want);
		else if (strcmp(json_get_text(want, "want", ""), "ready") == 0)
			desktops_create(desktops, want);
		else if (desktops_is_move(want))
			desktops_begin_move(desktops, want);
		else if (strcmp(json_get_text(want, "want", ""), "gone") == 0)
			desktops_give_up_unknown(desktops, want);
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

/* It runs: what is known of its version must not be forgotten before it is suspended. */
static gboolean
desktops_will_suspend(struct desktops *desktops, const json_t *want)
{
	const struct desktop *desktop = desktops_find(desktops, json_get_text(want, "id", ""));

	return desktop && desktop_get_state(desktop) < DESKTOP_STATE_SUSPENDING &&
	       strcmp(json_get_text(want, "want", ""), "suspended") == 0;
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
		else if (desktops_will_suspend(desktops, want))
			desktops_is_foreign(desktops, want, &error);
	}
}

void
desktops_note_left(struct desktops *desktops, json_t *list)
{
	json_decref(desktops->left);
	desktops->left = json_incref(list);
}

void
desktops_want(struct desktops *desktops, json_t *list)
{
	json_decref(desktops->wanted);
	desktops->wanted = json_incref(list);
	desktops_mark_templates(desktops);
	desktops_look_again(desktops);
}
