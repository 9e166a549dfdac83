/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_control.c - one desktop's carrel-display, from hostd's side (carrel-hostd)
 *
 * How it works: a client waits (host/display_waiting.c) while display_start() asks launch for a process, display_greet()
 * connects to it (host/display_link.c) and display_handle_hello() sets it up. display_flush() passes clients on as soon as
 * the display has a source. display_move() is the only writer of the state. Whatever ends the process leads to
 * display_handle_end(): it tells that its attachment has gone, and starts again, up to DISPLAY_MAX_TRIES times, while
 * clients wait.
 */
#include "host/display_control.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "host/cert.h"
#include "host/display_link.h"
#include "host/display_waiting.h"
#include "host/process_watch.h"

#define DISPLAY_BEAT_MS		500
#define DISPLAY_SILENCE_MS	2000
#define DISPLAY_LINGER_MS	60000
#define DISPLAY_GREETING_MS	5000
#define DISPLAY_CLIENT_MS	8000
#define DISPLAY_RETRY_MS	200
#define DISPLAY_SOURCE_AGAIN_MS 500
#define DISPLAY_END_MS		3000 /* from QUIT to the kill */
#define DISPLAY_STAYS		"it did not end when it was asked"
#define DISPLAY_MAX_TRIES	3
#define DISPLAY_MEMORY_MAX	(G_GUINT64_CONSTANT(512) << 20)

enum display_source_state {
	DISPLAY_SOURCE_NONE,
	DISPLAY_SOURCE_ASKED,
	DISPLAY_SOURCE_GIVEN,
};

struct display_control {
	char desktop[ID_SIZE];
	guint64 generation;
	char *folder;
	int watch_fd;
	struct launch_client *launch;
	struct display_control_times times;
	const struct display_control_events *events;
	void *context;
	enum display_control_state state;
	enum display_source_state source;
	struct display_link *link;
	struct process_watch process;
	guint timer;		 /* of the state: greeting, linger, end, retry */
	const char *kill_reason; /* of display_kill_after() */
	guint source_timer;	 /* a source that was lost at once is not offered again at once */
	gint64 source_us;	 /* when the last one was asked for; monotonic */
	guint tries;
	guint64 attachment; /* whose main channel lives */
	gboolean vdagent_open;
	struct cert *cert;
	struct display_waiting *waiting;
};

static const char *const state_names[] = { "idle", "starting", "greeting", "ready", "ending" };

G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == DISPLAY_CONTROL_COUNT);

#define TO(state) (1U << DISPLAY_CONTROL_##state)

static const guint legal_moves[DISPLAY_CONTROL_COUNT] = {
	[DISPLAY_CONTROL_IDLE] = TO(STARTING) | TO(GREETING),
	[DISPLAY_CONTROL_STARTING] = TO(GREETING) | TO(ENDING) | TO(IDLE),
	[DISPLAY_CONTROL_GREETING] = TO(READY) | TO(ENDING) | TO(IDLE),
	[DISPLAY_CONTROL_READY] = TO(GREETING) | TO(ENDING) | TO(IDLE),
	[DISPLAY_CONTROL_ENDING] = TO(IDLE),
};

static void display_start(struct display_control *control);
static void display_greet(struct display_control *control);
static void display_handle_end(void *context);

static void
display_move(struct display_control *control, enum display_control_state state)
{
	if (!(legal_moves[control->state] & 1U << state)) {
		log_error("desktop=%s: the display cannot go from '%s' to '%s'", control->desktop,
			  state_names[control->state], state_names[state]);
		return;
	}
	log_debug("desktop=%s: display '%s' -> '%s'", control->desktop, state_names[control->state],
		  state_names[state]);
	control->state = state;
	g_clear_handle_id(&control->timer, g_source_remove);
}

static void
display_handle_late(void *context)
{
	const struct display_control *control = context;

	log_warning("desktop=%s: no display for a client in time (display is '%s')",
		    control->desktop, state_names[control->state]);
}

/* --- what it has to do --- */

static void
display_tell_fact(struct display_control *control, enum display_fact_kind kind, const char *text)
{
	struct display_fact fact = {
		.attachment = control->attachment,
		.boottime_ms = io_boottime_ms(),
		.kind = kind,
	};

	g_strlcpy(fact.text, text, sizeof(fact.text));
	control->events->fact(control->context, &fact);
}

static gboolean
display_handle_kill_due(gpointer data)
{
	struct display_control *control = data;

	control->timer = 0;
	display_control_kill(control, control->kill_reason);
	return G_SOURCE_REMOVE;
}

static void
display_kill_after(struct display_control *control, guint after_ms, const char *reason)
{
	g_clear_handle_id(&control->timer, g_source_remove);
	control->kill_reason = reason;
	control->timer = g_timeout_add(after_ms, display_handle_kill_due, control);
}

static gboolean
display_handle_linger_over(gpointer data)
{
	struct display_control *control = data;

	control->timer = 0;
	if (display_link_send_quit(control->link) < 0) {
		display_control_kill(control, "it cannot be asked to end");
		return G_SOURCE_REMOVE;
	}
	display_move(control, DISPLAY_CONTROL_ENDING);
	display_kill_after(control, DISPLAY_END_MS, DISPLAY_STAYS);
	return G_SOURCE_REMOVE;
}

static void
display_linger(struct display_control *control)
{
	if (control->state != DISPLAY_CONTROL_READY)
		return;
	g_clear_handle_id(&control->timer, g_source_remove);
	if (control->attachment == 0 && display_waiting_count(control->waiting) == 0)
		control->timer = g_timeout_add(control->times.linger_ms, display_handle_linger_over,
					       control);
}

static gboolean
display_handle_ask_source(gpointer data)
{
	struct display_control *control = data;

	control->source_timer = 0;
	control->source_us = g_get_monotonic_time();
	control->events->need_source(control->context);
	return G_SOURCE_REMOVE;
}

static void
display_ask_source(struct display_control *control)
{
	gint64 age_ms = (g_get_monotonic_time() - control->source_us) / 1000;

	if (control->source != DISPLAY_SOURCE_NONE)
		return;
	control->source = DISPLAY_SOURCE_ASKED;
	if (control->source_us == 0 || age_ms >= DISPLAY_SOURCE_AGAIN_MS)
		display_handle_ask_source(control);
	else
		control->source_timer = g_timeout_add((guint)(DISPLAY_SOURCE_AGAIN_MS - age_ms),
						      display_handle_ask_source, control);
}

static int
display_pass_client(void *context, const struct display_client *client, int fd)
{
	struct display_control *control = context;

	return display_link_send_client(control->link, client, fd);
}

static void
display_flush(struct display_control *control)
{
	if (control->state != DISPLAY_CONTROL_READY)
		return;
	if (display_waiting_count(control->waiting) > 0)
		display_ask_source(control);
	if (control->source != DISPLAY_SOURCE_GIVEN)
		return;
	display_waiting_pass_all(control->waiting, display_pass_client, control);
	display_linger(control);
}

/* --- what it says --- */

static void
display_handle_hello(void *context, const struct display_hello *hello)
{
	struct display_control *control = context;

	display_move(control, DISPLAY_CONTROL_READY);
	control->tries = 0;
	display_link_send_setup(control->link, control->generation, control->cert);
	if (control->vdagent_open || hello->has_vdagent)
		display_link_send_vdagent(control->link, control->vdagent_open);
	if (control->attachment && control->attachment != hello->attachment)
		display_tell_fact(control, DISPLAY_FACT_DISCONNECTED, "left unseen");
	if (hello->attachment && control->attachment != hello->attachment) {
		control->attachment = hello->attachment;
		display_tell_fact(control, DISPLAY_FACT_CONNECTED, "taken over");
	}
	control->attachment = hello->attachment;
	control->source = hello->has_source ? DISPLAY_SOURCE_GIVEN : DISPLAY_SOURCE_NONE;
	if (control->attachment)
		display_ask_source(control);
	display_flush(control);
	display_linger(control);
}

static void
display_handle_fact(void *context, const struct display_fact *fact)
{
	struct display_control *control = context;

	if (fact->kind == DISPLAY_FACT_CONNECTED)
		control->attachment = fact->attachment;
	else if (fact->kind == DISPLAY_FACT_DISCONNECTED && control->attachment == fact->attachment)
		control->attachment = 0;
	if (fact->kind == DISPLAY_FACT_SOURCE_LOST) {
		control->source = DISPLAY_SOURCE_NONE;
		if (control->attachment || display_waiting_count(control->waiting) > 0)
			display_ask_source(control);
	}
	if (fact->kind == DISPLAY_FACT_CONNECTED || fact->kind == DISPLAY_FACT_DISCONNECTED)
		display_linger(control);
	control->events->fact(control->context, fact);
}

/* Its end is told by its process; until then it may still be there and only have closed. */
static void
display_handle_closed(void *context)
{
	struct display_control *control = context;

	g_clear_handle_id(&control->source_timer, g_source_remove);
	g_clear_pointer(&control->link, display_link_free);
	if (control->state == DISPLAY_CONTROL_READY) {
		display_move(control, DISPLAY_CONTROL_GREETING);
		display_greet(control);
	}
}

static void
display_handle_failed(void *context, const char *reason)
{
	display_control_kill(context, reason);
}

static const struct display_link_events link_events = {
	.hello = display_handle_hello,
	.fact = display_handle_fact,
	.closed = display_handle_closed,
	.failed = display_handle_failed,
};

/* --- its process --- */

/* In state "greeting". */
static void
display_greet(struct display_control *control)
{
	const struct display_link_options options = { .desktop = control->desktop,
						      .folder = control->folder,
						      .beat_ms = control->times.beat_ms,
						      .silence_ms = control->times.silence_ms };

	control->link = display_link_open(&options, &link_events, control);
	if (control->link)
		display_kill_after(control, control->times.greeting_ms, "it did not say hello");
	else
		display_control_kill(control, "it cannot be reached");
}

static gboolean
display_handle_retry(gpointer data)
{
	struct display_control *control = data;

	control->timer = 0;
	if (display_waiting_count(control->waiting) > 0)
		display_start(control);
	return G_SOURCE_REMOVE;
}

static void
display_forget_process(struct display_control *control)
{
	process_watch_stop(&control->process);
	g_clear_handle_id(&control->source_timer, g_source_remove);
	g_clear_pointer(&control->link, display_link_free);
	control->source = DISPLAY_SOURCE_NONE;
}

/* The process is no more, or was never made. */
static void
display_handle_end(void *context)
{
	struct display_control *control = context;

	display_forget_process(control);
	display_move(control, DISPLAY_CONTROL_IDLE);
	if (control->attachment) {
		display_tell_fact(control, DISPLAY_FACT_DISCONNECTED, "the display ended");
		control->attachment = 0;
	}
	display_waiting_fail_orphans(control->waiting);
	if (display_waiting_count(control->waiting) == 0)
		return;
	if (++control->tries > DISPLAY_MAX_TRIES) {
		log_error("desktop=%s: no display after %d tries; see display.log of the desktop",
			  control->desktop, DISPLAY_MAX_TRIES);
		control->tries = 0;
		display_waiting_fail_all(control->waiting, -EIO);
		return;
	}
	control->timer = g_timeout_add(control->times.retry_ms * control->tries,
				       display_handle_retry, control);
}

static void
display_handle_spawned(void *data, const struct launch_answer *answer)
{
	struct display_control *control = data;

	if (control->state != DISPLAY_CONTROL_STARTING)
		return;
	if (answer->error) {
		log_warning("desktop=%s: %s", control->desktop, answer->error->message);
		display_handle_end(control);
		return;
	}
	process_watch_begin(&control->process, g_steal_fd(&answer->fds[0]));
	display_move(control, DISPLAY_CONTROL_GREETING);
	display_greet(control);
}

static void
display_spawn(struct display_control *control)
{
	const char *const argv[] = { "--desktop", control->desktop, NULL };
	const int target = DISPLAY_WATCH_FD;
	const struct launch_client_spawn spawn = {
		.name = control->desktop,
		.generation = control->generation,
		.role = LAUNCH_ROLE_DISPLAY,
		.argv = argv,
		.fds = &control->watch_fd,
		.targets = &target,
		.n_fds = 1,
		.memory_max_bytes = DISPLAY_MEMORY_MAX,
	};

	launch_client_spawn(control->launch, &spawn, display_handle_spawned, control);
}

static void
display_handle_sockets(void *data, const struct launch_answer *answer)
{
	struct display_control *control = data;

	if (control->state != DISPLAY_CONTROL_STARTING)
		return;
	if (answer->error) {
		log_warning("desktop=%s: %s", control->desktop, answer->error->message);
		display_handle_end(control);
		return;
	}
	if (answer->fds[LAUNCH_SOCKET_WATCH] < 0) {
		log_warning("desktop=%s: an earlier display has not ended yet", control->desktop);
		display_handle_end(control);
		return;
	}
	control->watch_fd = g_steal_fd(&answer->fds[LAUNCH_SOCKET_WATCH]);
	display_spawn(control);
}

static void
display_start(struct display_control *control)
{
	display_move(control, DISPLAY_CONTROL_STARTING);
	if (!display_control_get_certificate(control)) {
		display_handle_end(control);
		return;
	}
	if (control->watch_fd >= 0)
		display_spawn(control);
	else
		launch_client_make_desktop(control->launch, control->desktop, control->generation,
					   display_handle_sockets, control);
}

/* --- the owner's side --- */

static void
display_default(guint *time_ms, guint fallback_ms)
{
	if (*time_ms == 0)
		*time_ms = fallback_ms;
}

struct display_control *
display_control_new(const struct display_control_options *options,
		    const struct display_control_events *events, void *context)
{
	struct display_control *control = g_new0(struct display_control, 1);

	g_strlcpy(control->desktop, options->desktop, sizeof(control->desktop));
	control->generation = options->generation;
	control->folder = g_strdup(options->folder);
	control->watch_fd = options->watch_fd;
	control->launch = options->launch;
	control->times = options->times;
	display_default(&control->times.beat_ms, DISPLAY_BEAT_MS);
	display_default(&control->times.silence_ms, DISPLAY_SILENCE_MS);
	display_default(&control->times.linger_ms, DISPLAY_LINGER_MS);
	display_default(&control->times.greeting_ms, DISPLAY_GREETING_MS);
	display_default(&control->times.client_ms, DISPLAY_CLIENT_MS);
	display_default(&control->times.retry_ms, DISPLAY_RETRY_MS);
	control->events = events;
	control->context = context;
	process_watch_init(&control->process, display_handle_end, control);
	control->waiting =
		display_waiting_new(control->times.client_ms, display_handle_late, control);
	return control;
}

void
display_control_leave(struct display_control *control)
{
	if (!control)
		return;
	display_waiting_free(control->waiting);
	display_forget_process(control);
	g_clear_handle_id(&control->timer, g_source_remove);
	launch_client_forget(control->launch, control);
	if (control->watch_fd >= 0)
		close(control->watch_fd);
	cert_free(control->cert);
	g_free(control->folder);
	g_free(control);
}

void
display_control_free(struct display_control *control)
{
	if (control && process_watch_is_on(&control->process))
		launch_client_kill(control->launch, control->desktop, LAUNCH_ROLE_DISPLAY, NULL,
				   NULL);
	display_control_leave(control);
}

gboolean
display_control_adopt(struct display_control *control, const struct launch_process *process)
{
	int pidfd;

	if (control->state != DISPLAY_CONTROL_IDLE || !display_control_get_certificate(control))
		return FALSE;
	pidfd = process_watch_open(process);
	if (pidfd < 0)
		return FALSE;
	display_move(control, DISPLAY_CONTROL_GREETING);
	process_watch_begin(&control->process, pidfd);
	display_greet(control);
	return TRUE;
}

void
display_control_add_client(struct display_control *control, int fd, const struct ticket_pass *pass,
			   display_control_callback callback, void *data)
{
	guint waiting = display_waiting_count(control->waiting);
	int error = 0;

	if (waiting >= DISPLAY_CONTROL_MAX_PENDING)
		error = -EBUSY;
	else if (control->state == DISPLAY_CONTROL_IDLE && !pass->password[0] && waiting == 0)
		error = -ENOTCONN; /* a later channel of a display that has gone */
	if (error < 0) {
		display_waiting_refuse(fd, error, callback, data);
		return;
	}
	display_waiting_add(control->waiting, fd, pass, callback, data);
	if (control->state == DISPLAY_CONTROL_READY)
		g_clear_handle_id(&control->timer, g_source_remove);
	if (control->state == DISPLAY_CONTROL_IDLE && control->timer == 0)
		display_start(control);
	else
		display_flush(control);
}

void
display_control_give_source(struct display_control *control, int fd, enum display_source_kind kind)
{
	if (fd < 0 || control->source != DISPLAY_SOURCE_ASKED || !control->link ||
	    display_link_send_source(control->link, kind, fd) < 0) {
		if (control->source == DISPLAY_SOURCE_ASKED) {
			control->source = DISPLAY_SOURCE_NONE;
			display_waiting_fail_all(control->waiting, -EIO);
			display_linger(control);
		}
	} else {
		control->source = DISPLAY_SOURCE_GIVEN;
		display_flush(control);
	}
	if (fd >= 0)
		close(fd);
}

void
display_control_set_vdagent(struct display_control *control, gboolean open)
{
	if (control->vdagent_open == open)
		return;
	control->vdagent_open = open;
	if (control->state == DISPLAY_CONTROL_READY)
		display_link_send_vdagent(control->link, open);
}

void
display_control_drop(struct display_control *control, guint64 attachment)
{
	display_waiting_drop(control->waiting, attachment);
	if (control->state == DISPLAY_CONTROL_READY)
		display_link_send_drop(control->link, attachment);
	display_linger(control);
}

void
display_control_kill(struct display_control *control, const char *reason)
{
	if (control->state == DISPLAY_CONTROL_IDLE || !process_watch_is_on(&control->process))
		return;
	log_warning("desktop=%s: killing the display: %s", control->desktop, reason);
	if (control->state != DISPLAY_CONTROL_ENDING)
		display_move(control, DISPLAY_CONTROL_ENDING);
	if (control->link)
		display_link_expect_end(control->link);
	g_clear_handle_id(&control->source_timer, g_source_remove);
	launch_client_kill(control->launch, control->desktop, LAUNCH_ROLE_DISPLAY, NULL, NULL);
	/* Again while launch is away, until its process tells the end. */
	display_kill_after(control, DISPLAY_END_MS, DISPLAY_STAYS);
}

enum display_control_state
display_control_get_state(const struct display_control *control)
{
	return control->state;
}

gboolean
display_control_is_watched(const struct display_control *control)
{
	return control->attachment != 0;
}

const char *
display_control_get_certificate(struct display_control *control)
{
	gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
	g_autoptr(GError) error = NULL;

	if (control->cert && control->cert->not_after - now_s > CERT_LIFE_S / 2)
		return control->cert->certificate;
	g_clear_pointer(&control->cert, cert_free);
	control->cert = cert_new(control->desktop, now_s, &error);
	if (!control->cert) {
		log_error("%s", error->message);
		return NULL;
	}
	/* Streams keep theirs, new links get this one. */
	if (control->state == DISPLAY_CONTROL_READY)
		display_link_send_setup(control->link, control->generation, control->cert);
	return control->cert->certificate;
}

const char *
display_control_get_subject(struct display_control *control)
{
	return display_control_get_certificate(control) ? control->cert->subject : NULL;
}
