/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_drain.c - "carrel up" ends: no new desktops, and those that run are stopped (carrel)
 *
 * How it works: up_drain_begin() drains each host that the broker knows, so that pools make no new desktops, and asks it
 * to stop every desktop; up_drain_look() then counts what is left until nothing is or DRAIN_MAX_POLLS are over. A broker
 * that does not answer, such as one that is being started again, is asked again. It keeps a host drained until
 * up_drain_resume() of the next start. Which hosts that takes back is in a file, a name a line: an operator may have drained others,
 * and they stay so. Each goes out of it when the broker has taken it back, or says that it is not drained; the broker is asked until
 * none is left (up_drain_ask), and what one start does not get to is left to the next. The file is there, and empty, from the first
 * start on; without it the end was an older Carrel's, or could not write it, and all are taken back.
 *
 * Each request holds a reference: its answer comes even when the drain was freed meanwhile.
 */
#include "cli/up_drain.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "common/http_client.h"

#define DRAIN_POLL_MS	300
#define DRAIN_MAX_POLLS 60
#define DRAIN_TIMEOUT_S 5
#define RESUME_POLL_MS	2000

/*
 * idle -> resuming -> idle; idle, resuming -> telling -> stopping -> counting -> idle; any of the last three -> idle when it took too
 * long.
 */
enum up_drain_state {
	UP_DRAIN_IDLE,
	UP_DRAIN_RESUMING, /* what an earlier end has drained is taken back */
	UP_DRAIN_TELLING,  /* the hosts do not know it yet */
	UP_DRAIN_STOPPING, /* they do, the desktops do not */
	UP_DRAIN_COUNTING, /* how many desktops are left */
};

struct up_drain {
	guint references;
	enum up_drain_state state;
	struct http_client *client;
	char *note;
	GPtrArray *left; /* hosts that are to be taken back, while resuming; else NULL */
	guint n_asked;	 /* of them, whose answers have not come */
	up_drain_callback callback;
	void *context;
	guint timer;
	guint n_polls;
};

struct up_drain *
up_drain_new(const char *broker_socket, const char *note)
{
	struct up_drain *drain = g_new0(struct up_drain, 1);

	drain->references = 1;
	drain->client = http_client_new_unix(broker_socket);
	drain->note = g_strdup(note);
	return drain;
}

static struct up_drain *
up_drain_ref(struct up_drain *drain)
{
	drain->references++;
	return drain;
}

static void
up_drain_unref(struct up_drain *drain)
{
	if (--drain->references > 0)
		return;
	g_free(drain->note);
	g_free(drain);
}

void
up_drain_free(struct up_drain *drain)
{
	if (!drain)
		return;
	drain->callback = NULL;
	drain->state = UP_DRAIN_IDLE;
	g_clear_pointer(&drain->left, g_ptr_array_unref);
	g_clear_handle_id(&drain->timer, g_source_remove);
	http_client_free(drain->client);
	up_drain_unref(drain);
}

static void
up_drain_handle_nothing(void *context, const struct http_answer *answer)
{
	(void)context;
	(void)answer;
}

static json_t *
up_drain_get_list(const struct http_answer *answer, const char *name)
{
	if (answer->status != 200 || !answer->body)
		return NULL;
	return json_is_object(answer->body) ? cli_get_list(answer->body, name) : answer->body;
}

static void
up_drain_end(struct up_drain *drain, guint left)
{
	up_drain_callback callback = g_steal_pointer(&drain->callback);

	if (drain->state != UP_DRAIN_COUNTING)
		log_warning(
			"the broker did not answer in time, so no desktop was stopped; the next "
			"'carrel up' looks after them");
	drain->state = UP_DRAIN_IDLE;
	if (left > 0)
		log_warning(
			"%u desktops have not stopped in time; the next 'carrel up' looks after "
			"them",
			left);
	if (callback)
		callback(drain->context);
}

/* What is suspended, or on its way to another host, waits on the disk for the next start. */
static gboolean
up_drain_may_stay(const char *state)
{
	static const char *const states[] = { "gone",	  "failed",   "suspended", "exporting",
					      "exported", "arriving", NULL };

	return g_strv_contains(states, state);
}

static guint
up_drain_stop(struct up_drain *drain, json_t *list)
{
	guint n = 0;
	gsize index;
	json_t *desktop;

	json_array_foreach(list, index, desktop) {
		g_autofree char *path = NULL;
		const char *state = json_get_text(desktop, "state", "");

		if (up_drain_may_stay(state))
			continue;
		n++;
		if (drain->state == UP_DRAIN_COUNTING || g_str_equal(state, "suspending"))
			continue;
		path = g_strdup_printf("/api/v1/desktops/%s/stop",
				       json_get_text(desktop, "id", ""));
		http_client_send(drain->client, "POST", path, NULL, NULL, DRAIN_TIMEOUT_S, NULL,
				 up_drain_handle_nothing, NULL);
	}
	return n;
}

static gboolean up_drain_look(gpointer data);

/* "left" is what may still run. */
static void
up_drain_look_later(struct up_drain *drain, guint left)
{
	if (++drain->n_polls > DRAIN_MAX_POLLS)
		up_drain_end(drain, left);
	else
		drain->timer = g_timeout_add(DRAIN_POLL_MS, up_drain_look, drain);
}

static void
up_drain_take_desktops(struct up_drain *drain, const struct http_answer *answer)
{
	guint n;

	if (answer->status != 200) {
		up_drain_look_later(drain, 0);
		return;
	}
	n = up_drain_stop(drain, up_drain_get_list(answer, "desktops"));
	if (n > 0 && drain->state == UP_DRAIN_STOPPING)
		log_info("stopping %u desktops", n);
	drain->state = UP_DRAIN_COUNTING;
	if (n == 0)
		up_drain_end(drain, 0);
	else
		up_drain_look_later(drain, n);
}

static void
up_drain_handle_desktops(void *context, const struct http_answer *answer)
{
	struct up_drain *drain = context;

	if (drain->callback)
		up_drain_take_desktops(drain, answer);
	up_drain_unref(drain);
}

/* NULL: there is no file. */
static char **
up_drain_read_note(const struct up_drain *drain)
{
	g_autofree char *text = NULL;

	return g_file_get_contents(drain->note, &text, NULL, NULL) ? g_strsplit(text, "\n", -1)
								   : NULL;
}

/* An older note is worse than none: a host that it does not name would stay drained for ever. */
static void
up_drain_write_note(const struct up_drain *drain, const char *text)
{
	g_autoptr(GError) error = NULL;

	if (g_file_set_contents(drain->note, text, -1, &error))
		return;
	if (g_unlink(drain->note) == 0 || errno == ENOENT)
		log_warning(
			"which hosts are drained by us cannot be noted, the next 'carrel up' takes "
			"all back that are drained: %s",
			error->message);
	else
		log_warning(
			"which hosts are drained by us cannot be noted, 'carrel host resume' takes "
			"that back: %s",
			error->message);
}

static void
up_drain_tell_host(struct up_drain *drain, const char *name, gboolean on,
		   http_client_callback callback, void *context)
{
	g_autofree char *path = g_strdup_printf("/api/v1/hosts/%s", name);
	json_t *body = json_pack("{s:b}", "drain", on);

	http_client_send(drain->client, "PATCH", path, body, NULL, DRAIN_TIMEOUT_S, NULL, callback,
			 context);
	json_decref(body);
}

/* Those that are drained already are an operator's, or ours when the start did not get to take them back. */
static void
up_drain_tell_hosts(struct up_drain *drain, const struct http_answer *answer)
{
	json_t *list = up_drain_get_list(answer, "hosts");
	g_auto(GStrv) before = up_drain_read_note(drain);
	g_autoptr(GString) ours = g_string_new(NULL);
	gsize index;
	json_t *host;

	json_array_foreach(list, index, host) {
		const char *name = json_get_text(host, "name", "");

		if (!json_is_true(json_object_get(host, "drain")) ||
		    (before && g_strv_contains((const char *const *)before, name)))
			g_string_append_printf(ours, "%s\n", name);
	}
	up_drain_write_note(drain, ours->str);
	json_array_foreach(list, index, host)
		up_drain_tell_host(drain, json_get_text(host, "name", ""), TRUE,
				   up_drain_handle_nothing, NULL);
}

static void
up_drain_take_hosts(struct up_drain *drain, const struct http_answer *answer)
{
	if (answer->status != 200) {
		up_drain_look_later(drain, 0);
		return;
	}
	up_drain_tell_hosts(drain, answer);
	drain->state = UP_DRAIN_STOPPING;
	up_drain_look(drain);
}

static void
up_drain_handle_hosts(void *context, const struct http_answer *answer)
{
	struct up_drain *drain = context;

	if (drain->callback)
		up_drain_take_hosts(drain, answer);
	up_drain_unref(drain);
}

/* When it cannot be written the next start takes back once more what it says. */
static void
up_drain_note_left(const struct up_drain *drain)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;

	for (guint i = 0; i < drain->left->len; i++)
		g_string_append_printf(text, "%s\n", (const char *)drain->left->pdata[i]);
	if (!g_file_set_contents(drain->note, text->str, -1, &error))
		log_warning("which hosts are not drained by us any more cannot be noted: %s",
			    error->message);
}

struct up_drain_told {
	struct up_drain *drain;
	char *name;
};

static gboolean up_drain_ask(gpointer data);

static void
up_drain_ask_later(struct up_drain *drain)
{
	drain->n_polls++;
	drain->timer = g_timeout_add(RESUME_POLL_MS, up_drain_ask, drain);
}

/* It is told at the first time. */
static void
up_drain_tell_undone(const struct up_drain *drain, const char *what,
		     const struct http_answer *answer)
{
	log_write(drain->n_polls == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
		  "%s still drained, the broker %s: it is asked again; 'carrel host resume' takes "
		  "that back, too",
		  what, answer->status ? "refused a request" : "gave no answer");
}

static void
up_drain_take_told(struct up_drain *drain, const char *name, const struct http_answer *answer)
{
	g_autofree char *what = g_strdup_printf("host '%s' is", name);
	guint index;

	if (answer->status != 200) {
		up_drain_tell_undone(drain, what, answer);
	} else if (g_ptr_array_find_with_equal_func(drain->left, name, g_str_equal, &index)) {
		g_ptr_array_remove_index(drain->left, index);
		up_drain_note_left(drain);
	}
	if (--drain->n_asked > 0)
		return;
	if (drain->left->len > 0)
		up_drain_ask_later(drain);
	else
		drain->state = UP_DRAIN_IDLE;
}

static void
up_drain_handle_told(void *context, const struct http_answer *answer)
{
	struct up_drain_told *told = context;

	if (told->drain->state == UP_DRAIN_RESUMING)
		up_drain_take_told(told->drain, told->name, answer);
	up_drain_unref(told->drain);
	g_free(told->name);
	g_free(told);
}

static void
up_drain_take_back(struct up_drain *drain, const char *name)
{
	struct up_drain_told *told = g_new0(struct up_drain_told, 1);

	told->drain = up_drain_ref(drain);
	told->name = g_strdup(name);
	up_drain_tell_host(drain, name, FALSE, up_drain_handle_told, told);
}

/* What is not drained any more an operator has taken back: should he drain it later, it is his. */
static void
up_drain_take_all_back(struct up_drain *drain, const struct http_answer *answer)
{
	g_auto(GStrv) ours = up_drain_read_note(drain);
	gsize index;
	json_t *host;

	g_ptr_array_set_size(drain->left, 0);
	json_array_foreach(up_drain_get_list(answer, "hosts"), index, host) {
		const char *name = json_get_text(host, "name", "");

		if (json_is_true(json_object_get(host, "drain")) &&
		    (!ours || g_strv_contains((const char *const *)ours, name)))
			g_ptr_array_add(drain->left, g_strdup(name));
	}
	up_drain_note_left(drain);
	drain->n_asked = drain->left->len;
	if (drain->n_asked == 0)
		drain->state = UP_DRAIN_IDLE;
	for (guint i = 0; i < drain->left->len; i++)
		up_drain_take_back(drain, drain->left->pdata[i]);
}

static void
up_drain_handle_resumed(void *context, const struct http_answer *answer)
{
	struct up_drain *drain = context;

	if (drain->state == UP_DRAIN_RESUMING && answer->status == 200) {
		up_drain_take_all_back(drain, answer);
	} else if (drain->state == UP_DRAIN_RESUMING) {
		up_drain_tell_undone(drain, "hosts that the last end has drained are", answer);
		up_drain_ask_later(drain);
	}
	up_drain_unref(drain);
}

static gboolean
up_drain_ask(gpointer data)
{
	struct up_drain *drain = data;

	drain->timer = 0;
	http_client_send(drain->client, "GET", "/api/v1/hosts", NULL, NULL, DRAIN_TIMEOUT_S, NULL,
			 up_drain_handle_resumed, up_drain_ref(drain));
	return G_SOURCE_REMOVE;
}

static gboolean
up_drain_look(gpointer data)
{
	struct up_drain *drain = data;
	gboolean telling = drain->state == UP_DRAIN_TELLING;

	drain->timer = 0;
	http_client_send(drain->client, "GET", telling ? "/api/v1/hosts" : "/api/v1/desktops", NULL,
			 NULL, DRAIN_TIMEOUT_S, NULL,
			 telling ? up_drain_handle_hosts : up_drain_handle_desktops,
			 up_drain_ref(drain));
	return G_SOURCE_REMOVE;
}

void
up_drain_resume(struct up_drain *drain)
{
	drain->left = g_ptr_array_new_with_free_func(g_free);
	drain->state = UP_DRAIN_RESUMING;
	up_drain_ask(drain);
}

void
up_drain_begin(struct up_drain *drain, up_drain_callback callback, void *context)
{
	/* What is not taken back yet is drained anew, and in the note still. */
	g_clear_pointer(&drain->left, g_ptr_array_unref);
	g_clear_handle_id(&drain->timer, g_source_remove);
	drain->n_polls = 0;
	drain->callback = callback;
	drain->context = context;
	drain->state = UP_DRAIN_TELLING;
	up_drain_look(drain);
}
