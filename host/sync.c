/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sync.c - the one conversation with the broker: what exists here, what shall exist (carrel-hostd)
 *
 * How it works: one request is always under way (sync_ask). The broker holds it back until it wants something else of this
 * host than the number it has seen, or for 20 s. sync_tell() gives a request up that has waited for SYNC_MIN_AGE_MS, so
 * that any number of news cannot keep answers from arriving; younger ones are given up when they have reached that age.
 * sync_handle_answer() is the only end of a request: applied, or sync_pause() with a growing time.
 *
 * Everything is idempotent on both sides, so that a request that was given up may have been applied or not.
 */
#include "host/sync.h"

#include <gio/gio.h>

#include "base/log.h"
#include "common/http_client.h"
#include "host/sync_answer.h"

#define SYNC_TIMEOUT_S	  40 /* twice what the broker waits */
#define SYNC_MIN_AGE_MS	  20
#define SYNC_PAUSE_MIN_MS 250
#define SYNC_PAUSE_MAX_MS 10000

/* Its answer may come when the sync has been freed. */
struct sync_request {
	struct sync *sync; /* NULL: given up by sync_stop() */
	GCancellable *cancellable;
};

struct sync {
	struct http_client *client;
	char *socket;
	char *path;
	char *instance;
	const struct sync_events *events;
	void *context;
	enum sync_state state;
	gint64 seen;
	gint64 asked_us;	      /* monotonic */
	struct sync_request *request; /* under way, or NULL */
	guint timer;		      /* the pause, or until the request may be given up */
	guint pause_ms;
	gboolean lost; /* said that the broker does not answer */
};

static const char *const state_names[] = {
	[SYNC_STATE_IDLE] = "idle",
	[SYNC_STATE_ASKING] = "asking",
	[SYNC_STATE_PAUSING] = "pausing",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == SYNC_STATE_COUNT);

static void
sync_move(struct sync *sync, enum sync_state state)
{
	if (sync->state != state)
		log_debug("sync: %s -> %s", state_names[sync->state], state_names[state]);
	sync->state = state;
}

struct sync *
sync_new(const char *broker_socket, const char *host, const struct sync_events *events,
	 void *context)
{
	struct sync *sync = g_new0(struct sync, 1);

	sync->client = http_client_new_unix(broker_socket);
	sync->socket = g_strdup(broker_socket);
	sync->path = g_strdup_printf("/api/v1/hosts/%s/sync", host);
	sync->instance = g_uuid_string_random();
	sync->events = events;
	sync->context = context;
	return sync;
}

static void sync_ask(struct sync *sync);

static gboolean
sync_handle_pause_over(gpointer data)
{
	struct sync *sync = data;

	sync->timer = 0;
	sync_ask(sync);
	return G_SOURCE_REMOVE;
}

static void
sync_pause(struct sync *sync, const char *reason)
{
	if (!sync->lost)
		log_warning("the broker does not answer on '%s': %s; desktops run on, asking "
			    "again until it does",
			    sync->socket, reason);
	sync->lost = TRUE;
	sync->pause_ms = CLAMP(sync->pause_ms * 2, SYNC_PAUSE_MIN_MS, SYNC_PAUSE_MAX_MS);
	sync_move(sync, SYNC_STATE_PAUSING);
	/* The half of it is chance, so that hosts of one broker do not all come back together. */
	sync->timer = g_timeout_add(sync->pause_ms / 2 +
					    (guint)g_random_int_range(0, (gint)sync->pause_ms / 2),
				    sync_handle_pause_over, sync);
}

static void
sync_take(struct sync *sync, const struct http_answer *answer)
{
	struct json_problem problem = { "" };

	if (answer->status != 200) {
		sync_pause(sync, answer->error ? answer->error->message : answer->title);
		return;
	}
	if (!answer->body || sync_answer_check(answer->body, &problem) < 0) {
		sync_pause(sync, answer->body ? problem.text : "its answer is empty");
		return;
	}
	if (sync->lost)
		log_info("the broker answers on '%s'", sync->socket);
	sync->lost = FALSE;
	sync->pause_ms = 0;
	sync->events->apply(sync->context, answer->body);
	sync->seen = json_get_integer(answer->body, "number", 0);
	sync_ask(sync);
}

static void
sync_handle_answer(void *context, const struct http_answer *answer)
{
	g_autofree struct sync_request *request = context;
	g_autoptr(GCancellable) cancellable = request->cancellable;
	struct sync *sync = request->sync;

	if (!sync)
		return;
	sync->request = NULL;
	g_clear_handle_id(&sync->timer, g_source_remove);
	if (g_cancellable_is_cancelled(cancellable))
		sync_ask(sync);
	else
		sync_take(sync, answer);
}

static void
sync_ask(struct sync *sync)
{
	struct sync_request *request = g_new0(struct sync_request, 1);
	json_t *report = sync->events->describe(sync->context);

	json_object_set_new(report, "v", json_integer(1));
	json_object_set_new(report, "instance", json_string(sync->instance));
	json_object_set_new(report, "seen", json_integer(sync->seen));
	request->sync = sync;
	request->cancellable = g_cancellable_new();
	sync->request = request;
	sync->asked_us = g_get_monotonic_time();
	sync_move(sync, SYNC_STATE_ASKING);
	http_client_send(sync->client, "POST", sync->path, report, NULL, SYNC_TIMEOUT_S,
			 request->cancellable, sync_handle_answer, request);
	json_decref(report);
}

void
sync_start(struct sync *sync)
{
	if (sync->state == SYNC_STATE_IDLE)
		sync_ask(sync);
}

void
sync_stop(struct sync *sync)
{
	struct sync_request *request = g_steal_pointer(&sync->request);

	g_clear_handle_id(&sync->timer, g_source_remove);
	sync_move(sync, SYNC_STATE_IDLE);
	if (!request)
		return;
	request->sync = NULL;
	g_cancellable_cancel(request->cancellable);
}

static gboolean
sync_handle_old_enough(gpointer data)
{
	struct sync *sync = data;

	sync->timer = 0;
	g_cancellable_cancel(sync->request->cancellable);
	return G_SOURCE_REMOVE;
}

void
sync_tell(struct sync *sync)
{
	gint64 age_ms = (g_get_monotonic_time() - sync->asked_us) / 1000;

	/* While it pauses, the next report carries the news anyway. */
	if (sync->state == SYNC_STATE_ASKING && sync->timer == 0)
		sync->timer = g_timeout_add((guint)MAX(SYNC_MIN_AGE_MS - age_ms, 0),
					    sync_handle_old_enough, sync);
}

enum sync_state
sync_get_state(const struct sync *sync)
{
	return sync->state;
}

void
sync_free(struct sync *sync)
{
	if (!sync)
		return;
	sync_stop(sync);
	http_client_free(sync->client);
	g_free(sync->socket);
	g_free(sync->path);
	g_free(sync->instance);
	g_free(sync);
}
