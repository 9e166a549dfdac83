/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_drain.c - "carrel up" ends: no new desktops, and those that run are stopped (carrel)
 *
 * How it works: up_drain_begin() drains each host that the broker knows, so that pools make no new desktops, and asks it
 * to stop every desktop; up_drain_look() then counts what is left until nothing is or DRAIN_MAX_POLLS are over. A broker
 * that does not answer, such as one that is being started again, is asked again. It keeps a host drained until
 * up_drain_resume() of the next start. Which hosts that takes back is in a file, a name a line: an operator may have drained others,
 * and they stay so. It is there, and empty, from the first start on; without it the end was an older Carrel's, which
 * drained them all.
 */
#include "cli/up_drain.h"

#include <gio/gio.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "common/http_client.h"

#define DRAIN_POLL_MS	300
#define DRAIN_MAX_POLLS 60
#define DRAIN_TIMEOUT_S 5

/* idle -> telling -> stopping -> counting -> idle; any of the three -> idle when it took too long. */
enum up_drain_state {
	UP_DRAIN_IDLE,
	UP_DRAIN_TELLING,  /* the hosts do not know it yet */
	UP_DRAIN_STOPPING, /* they do, the desktops do not */
	UP_DRAIN_COUNTING, /* how many desktops are left */
};

struct up_drain {
	enum up_drain_state state;
	struct http_client *client;
	char *note;
	up_drain_callback callback;
	void *context;
	guint timer;
	guint n_polls;
};

struct up_drain *
up_drain_new(const char *broker_socket, const char *note)
{
	struct up_drain *drain = g_new0(struct up_drain, 1);

	drain->client = http_client_new_unix(broker_socket);
	drain->note = g_strdup(note);
	return drain;
}

void
up_drain_free(struct up_drain *drain)
{
	if (!drain)
		return;
	drain->callback = NULL;
	g_clear_handle_id(&drain->timer, g_source_remove);
	http_client_free(drain->client);
	g_free(drain->note);
	g_free(drain);
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

static guint
up_drain_stop(struct up_drain *drain, json_t *list)
{
	guint n = 0;
	gsize index;
	json_t *desktop;

	json_array_foreach(list, index, desktop) {
		g_autofree char *path = NULL;
		const char *state = json_get_text(desktop, "state", "");

		/* What is suspended waits on the disk for the next start. */
		if (g_str_equal(state, "gone") || g_str_equal(state, "failed") ||
		    g_str_equal(state, "suspended"))
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
up_drain_handle_desktops(void *context, const struct http_answer *answer)
{
	struct up_drain *drain = context;
	guint n;

	if (!drain->callback)
		return;
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

/* NULL: there is no file. */
static char **
up_drain_read_note(const struct up_drain *drain)
{
	g_autofree char *text = NULL;

	return g_file_get_contents(drain->note, &text, NULL, NULL) ? g_strsplit(text, "\n", -1)
								   : NULL;
}

static void
up_drain_write_note(const struct up_drain *drain, const char *text)
{
	g_autoptr(GError) error = NULL;

	if (!g_file_set_contents(drain->note, text, -1, &error))
		log_warning(
			"which hosts are drained by us is not noted, 'carrel host resume' takes "
			"that back: %s",
			error->message);
}

static void
up_drain_tell_host(struct up_drain *drain, const char *name, gboolean on)
{
	g_autofree char *path = g_strdup_printf("/api/v1/hosts/%s", name);
	json_t *body = json_pack("{s:b}", "drain", on);

	http_client_send(drain->client, "PATCH", path, body, NULL, DRAIN_TIMEOUT_S, NULL,
			 up_drain_handle_nothing, NULL);
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
		up_drain_tell_host(drain, json_get_text(host, "name", ""), TRUE);
}

static void
up_drain_handle_hosts(void *context, const struct http_answer *answer)
{
	struct up_drain *drain = context;

	if (!drain->callback)
		return;
	if (answer->status != 200) {
		up_drain_look_later(drain, 0);
		return;
	}
	up_drain_tell_hosts(drain, answer);
	drain->state = UP_DRAIN_STOPPING;
	up_drain_look(drain);
}

static void
up_drain_handle_resumed(void *context, const struct http_answer *answer)
{
	struct up_drain *drain = context;
	g_auto(GStrv) ours = up_drain_read_note(drain);
	gsize index;
	json_t *host;

	if (answer->status != 200)
		return;
	json_array_foreach(up_drain_get_list(answer, "hosts"), index, host) {
		const char *name = json_get_text(host, "name", "");

		if (!ours || g_strv_contains((const char *const *)ours, name))
			up_drain_tell_host(drain, name, FALSE);
	}
	up_drain_write_note(drain, "");
}

static gboolean
up_drain_look(gpointer data)
{
	struct up_drain *drain = data;
	gboolean telling = drain->state == UP_DRAIN_TELLING;

	drain->timer = 0;
	http_client_send(drain->client, "GET", telling ? "/api/v1/hosts" : "/api/v1/desktops", NULL,
			 NULL, DRAIN_TIMEOUT_S, NULL,
			 telling ? up_drain_handle_hosts : up_drain_handle_desktops, drain);
	return G_SOURCE_REMOVE;
}

void
up_drain_resume(struct up_drain *drain)
{
	http_client_send(drain->client, "GET", "/api/v1/hosts", NULL, NULL, DRAIN_TIMEOUT_S, NULL,
			 up_drain_handle_resumed, drain);
}

void
up_drain_begin(struct up_drain *drain, up_drain_callback callback, void *context)
{
	drain->callback = callback;
	drain->context = context;
	drain->state = UP_DRAIN_TELLING;
	up_drain_look(drain);
}
