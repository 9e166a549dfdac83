/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_agent.c - what one desktop has to do with the agent inside (carrel-hostd)
 *
 * How it works: desktop_agent_open() wants a connection to the agent's port; over each new one the agent has to echo a
 * nonce (desktop_agent_resync) before it is heard. An agent that goes away, or was silent and is not freed for that,
 * is asked again after a pause (desktop_agent_handle_again). Each request has its deadline, and its end is either the
 * event of its own or failed().
 *
 * What the guest has got is agent->state: told with the nonce, and followed from there with each request. In a guest that
 * has booted (AGENT_STATE_FRESH) the agent is there long before the desktop: it is heard when it says that this is up, too.
 * That a guest boots is told by its machine (desktop_agent_reopen) or, if that was while nobody listened, by the nonce's
 * answer (the event fresh). Agents of older templates tell no state: of them only the machine tells.
 *
 * Each request holds a reference, so that an answer never meets a freed agent, and the cancellable of its time. That one is
 * cancelled when the owner has let go or the guest begins anew: what was asked before ends in silence.
 */
#include "host/desktop_agent.h"

#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "host/agent_link.h"
#include "host/desktop_identity.h"

struct desktop_agent {
	gint references;
	char desktop[ID_SIZE];
	guint64 generation;
	struct desktop_agent_times times;
	const struct desktop_agent_events *events;
	void *context;
	GCancellable *cancellable;
	struct agent_link *link; /* NULL: it is away */
	gboolean heard;		 /* over this link, since the last nonce */
	enum agent_state state;
	guint again;
	guint clock_again; /* a source, while the clock is not taken; or 0 */
	guint clock_tries;
};

#define CLOCK_TRIES 30
#define CLOCK_MS    30000

/* The agent does one thing at a time; while it is asked nobody gets the desktop. */
static const struct desktop_agent_times default_times = { 60000, AGENT_IDENTIFY_MAX_MS,
							  AGENT_LOGIN_MAX_MS, 1000 };

static void desktop_agent_resync(struct desktop_agent *agent);

static guint
desktop_agent_choose_ms(guint time_ms, guint fallback_ms)
{
	return time_ms ? time_ms : fallback_ms;
}

static struct desktop_agent_times
desktop_agent_choose_times(const struct desktop_agent_times *times)
{
	return (struct desktop_agent_times){
		.resync_ms = desktop_agent_choose_ms(times->resync_ms, default_times.resync_ms),
		.identify_ms =
			desktop_agent_choose_ms(times->identify_ms, default_times.identify_ms),
		.login_ms = desktop_agent_choose_ms(times->login_ms, default_times.login_ms),
		.again_ms = desktop_agent_choose_ms(times->again_ms, default_times.again_ms),
	};
}

struct desktop_agent *
desktop_agent_new(const struct desktop_agent_options *options,
		  const struct desktop_agent_events *events, void *context)
{
	struct desktop_agent *agent = g_new0(struct desktop_agent, 1);

	agent->references = 1;
	g_strlcpy(agent->desktop, options->desktop, sizeof(agent->desktop));
	agent->generation = options->generation;
	agent->times = desktop_agent_choose_times(&options->times);
	agent->events = events;
	agent->context = context;
	agent->cancellable = g_cancellable_new();
	return agent;
}

static struct desktop_agent *
desktop_agent_ref(struct desktop_agent *agent)
{
	agent->references++;
	return agent;
}

static void
desktop_agent_unref(struct desktop_agent *agent)
{
	if (--agent->references > 0)
		return;
	g_object_unref(agent->cancellable);
	g_free(agent);
}

void
desktop_agent_free(struct desktop_agent *agent)
{
	if (!agent)
		return;
	g_cancellable_cancel(agent->cancellable);
	g_clear_handle_id(&agent->again, g_source_remove);
	g_clear_handle_id(&agent->clock_again, g_source_remove);
	g_clear_pointer(&agent->link, agent_link_free);
	desktop_agent_unref(agent);
}

static gboolean
desktop_agent_is_owned(const struct desktop_agent *agent)
{
	return !g_cancellable_is_cancelled(agent->cancellable);
}

/* Whoever asked still wants to know. */
static gboolean
desktop_agent_is_awaited(GAsyncResult *result)
{
	return !g_cancellable_is_cancelled(g_task_get_cancellable(G_TASK(result)));
}

void
desktop_agent_open(struct desktop_agent *agent)
{
	agent->events->need_channel(agent->context);
}

static gboolean
desktop_agent_handle_again(gpointer data)
{
	struct desktop_agent *agent = data;

	agent->again = 0;
	if (agent->link)
		desktop_agent_resync(agent);
	else
		desktop_agent_open(agent);
	return G_SOURCE_REMOVE;
}

static void
desktop_agent_ask_again(struct desktop_agent *agent)
{
	if (agent->again == 0)
		agent->again =
			g_timeout_add(agent->times.again_ms, desktop_agent_handle_again, agent);
}

/* With a reference of the caller's: the event may free the agent. */
static void
desktop_agent_tell_silent(struct desktop_agent *agent, const char *reason)
{
	agent->events->silent(agent->context, reason);
	if (desktop_agent_is_owned(agent))
		desktop_agent_ask_again(agent);
}

/* With a reference of the caller's. */
static void
desktop_agent_tell_heard(struct desktop_agent *agent)
{
	agent->heard = TRUE;
	agent->events->heard(agent->context);
}

static void
desktop_agent_handle_up(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop_agent *agent = data;
	g_autoptr(GError) error = NULL;
	json_t *body = agent_link_finish(result, &error);
	gboolean up = json_get_flag(body, "x", 0);

	(void)object;
	json_decref(body);
	if (desktop_agent_is_awaited(result)) {
		if (up)
			desktop_agent_tell_heard(agent);
		else
			desktop_agent_tell_silent(agent, error ? error->message
							       : "its desktop is not up yet");
	}
	desktop_agent_unref(agent);
}

/* With a reference of the caller's: the event may free the agent. */
static void
desktop_agent_take_state(struct desktop_agent *agent, const json_t *body)
{
	enum agent_state before = agent->state;
	enum agent_state state = agent_state_find(json_get_text(body, "state", ""));

	if (state != AGENT_STATE_UNKNOWN)
		agent->state = state;
	if (agent->state == AGENT_STATE_FRESH && before != AGENT_STATE_FRESH)
		agent->events->fresh(agent->context);
}

static void
desktop_agent_handle_resynced(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop_agent *agent = data;
	g_autoptr(GError) error = NULL;
	json_t *body = agent_link_finish(result, &error);

	(void)object;
	if (body && desktop_agent_is_awaited(result))
		desktop_agent_take_state(agent, body);
	json_decref(body);
	if (desktop_agent_is_awaited(result)) {
		if (error)
			desktop_agent_tell_silent(agent, error->message);
		else if (agent->state == AGENT_STATE_FRESH)
			agent_link_request(agent->link, AGENT_VERB_READY, NULL,
					   agent->times.resync_ms, agent->cancellable,
					   desktop_agent_handle_up, desktop_agent_ref(agent));
		else
			desktop_agent_tell_heard(agent);
	}
	desktop_agent_unref(agent);
}

static void
desktop_agent_resync(struct desktop_agent *agent)
{
	agent->heard = FALSE;
	agent_link_resync(agent->link, agent->times.resync_ms, agent->cancellable,
			  desktop_agent_handle_resynced, desktop_agent_ref(agent));
}

/* The link has ended, and with it all that was asked. */
static void
desktop_agent_lose(struct desktop_agent *agent)
{
	agent->heard = FALSE;
	g_clear_pointer(&agent->link, agent_link_free);
	desktop_agent_ask_again(agent);
}

/* What was asked over the link has no end any more. */
static void
desktop_agent_cut(struct desktop_agent *agent)
{
	agent->heard = FALSE;
	g_cancellable_cancel(agent->cancellable);
	g_object_unref(agent->cancellable);
	agent->cancellable = g_cancellable_new();
	g_clear_pointer(&agent->link, agent_link_free);
}

void
desktop_agent_reopen(struct desktop_agent *agent)
{
	agent->state = AGENT_STATE_FRESH;
	desktop_agent_cut(agent);
	desktop_agent_ask_again(agent);
}

static void
desktop_agent_handle_event(void *context, const char *verb, const json_t *body)
{
	struct desktop_agent *agent = context;

	if (!verb) {
		desktop_agent_lose(agent);
	} else if (strcmp(verb, AGENT_VERB_LOGOFF) == 0) {
		agent->events->logoff(agent->context, json_get_text(body, "reason", ""));
	}
}

void
desktop_agent_take_channel(struct desktop_agent *agent, int fd, const GError *error)
{
	desktop_agent_ref(agent);
	if (fd >= 0) {
		desktop_agent_cut(agent);
		agent->link =
			agent_link_new(fd, agent->generation, desktop_agent_handle_event, agent);
		desktop_agent_resync(agent);
	} else {
		desktop_agent_tell_silent(agent, error->message);
	}
	desktop_agent_unref(agent);
}

gboolean
desktop_agent_is_heard(const struct desktop_agent *agent)
{
	return agent->heard;
}

enum agent_state
desktop_agent_get_state(const struct desktop_agent *agent)
{
	return agent->state;
}

/* The end of a request: the state that the guest has come to and its event, or failed() with what could not be done. */
static void
desktop_agent_end_request(struct desktop_agent *agent, GAsyncResult *result, enum agent_state state,
			  void (*done)(void *context), const char *failure)
{
	g_autoptr(GError) error = NULL;

	json_decref(agent_link_finish(result, &error));
	g_prefix_error(&error, "%s: ", failure);
	if (desktop_agent_is_awaited(result)) {
		if (error) {
			agent->events->failed(agent->context, error->message);
		} else {
			agent->state = state;
			done(agent->context);
		}
	}
	desktop_agent_unref(agent);
}

static void
desktop_agent_handle_identified(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop_agent *agent = data;

	(void)object;
	desktop_agent_end_request(agent, result, AGENT_STATE_IDENTIFIED, agent->events->identified,
				  "the agent could not give the guest its names");
}

void
desktop_agent_identify(struct desktop_agent *agent, gboolean link)
{
	json_t *body =
		desktop_identity_new(agent->desktop, agent->generation, g_get_real_time(), link);

	if (body)
		agent_link_request(agent->link, AGENT_VERB_IDENTIFY, body, agent->times.identify_ms,
				   agent->cancellable, desktop_agent_handle_identified,
				   desktop_agent_ref(agent));
	else
		agent->events->failed(agent->context,
				      "the kernel gave no random numbers for its seed");
}

static void desktop_agent_ask_clock(struct desktop_agent *agent);

/* One that went away meanwhile is asked when it is heard again. */
static gboolean
desktop_agent_handle_clock_again(gpointer data)
{
	struct desktop_agent *agent = data;

	agent->clock_again = 0;
	if (agent->heard)
		desktop_agent_ask_clock(agent);
	return G_SOURCE_REMOVE;
}

/*
 * Agents that were sealed before there was this verb do not know it: their user works on with a clock that is slow. One
 * that goes away is silent, as with the nonce: who hears it again asks again. One that is busy is asked again, for a while.
 */
static void
desktop_agent_handle_clock(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop_agent *agent = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	json_decref(agent_link_finish(result, &error));
	if (desktop_agent_is_awaited(result) &&
	    g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED)) {
		desktop_agent_tell_silent(agent, error->message);
	} else if (desktop_agent_is_awaited(result) && agent->clock_tries < CLOCK_TRIES &&
		   g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY)) {
		agent->clock_again = g_timeout_add(agent->times.again_ms,
						   desktop_agent_handle_clock_again, agent);
	} else if (desktop_agent_is_awaited(result)) {
		if (error)
			log_warning("desktop=%s: its guest's clock is not set: %s", agent->desktop,
				    error->message);
		agent->events->clock_set(agent->context);
	}
	desktop_agent_unref(agent);
}

static void
desktop_agent_ask_clock(struct desktop_agent *agent)
{
	agent->clock_tries++;
	agent_link_request(agent->link, AGENT_VERB_CLOCK,
			   json_pack("{s:I}", "time_us", (json_int_t)g_get_real_time()),
			   MIN(agent->times.identify_ms, CLOCK_MS), agent->cancellable,
			   desktop_agent_handle_clock, desktop_agent_ref(agent));
}

void
desktop_agent_set_clock(struct desktop_agent *agent)
{
	g_clear_handle_id(&agent->clock_again, g_source_remove);
	agent->clock_tries = 0;
	desktop_agent_ask_clock(agent);
}

static void
desktop_agent_handle_logged_in(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop_agent *agent = data;

	(void)object;
	desktop_agent_end_request(agent, result, AGENT_STATE_IN_SESSION, agent->events->logged_in,
				  "the user could not be logged in inside");
}

void
desktop_agent_login(struct desktop_agent *agent, json_t *body)
{
	agent_link_request(agent->link, AGENT_VERB_LOGIN, body, agent->times.login_ms,
			   agent->cancellable, desktop_agent_handle_logged_in,
			   desktop_agent_ref(agent));
}
