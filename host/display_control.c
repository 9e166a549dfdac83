/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_control.c - one desktop's carrel-display, from hostd's side (carrel-hostd)
 *
 * How it works: a client waits (host/display_waiting.c) while display_start() asks launch for a process, display_greet() connects to
 * its watch socket and display_handle_hello() sets it up. display_flush() passes clients on as soon as the display has
 * a source. display_move() is the only writer of the state. Whatever ends the process leads to display_handle_end():
 * it tells that its attachment has gone, and starts again, up to DISPLAY_MAX_TRIES times, while clients wait.
 *
 * The heartbeat counts silence only while our own loop is on time: display_handle_beat_due() sees by its own lateness
 * that hostd, not the display, was asleep. A message that breaks the protocol ends the display: it may have been taken.
 */
#include "host/display_control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"
#include "host/cert.h"
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
	struct seq_source *watch;
	struct process_watch process;
	guint timer; /* of the state: greeting, linger, end, retry */
	guint beat_timer;
	guint source_timer; /* a source that was lost at once is not offered again at once */
	gint64 source_us;   /* when the last one was asked for; monotonic */
	guint64 last_tick_ms;
	guint64 last_beat_ms;
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

/* --- talking to it --- */

static int
display_send(struct display_control *control, enum display_type type, const void *payload,
	     gsize size, int fd)
{
	struct seq_header head = { .type = type, .size = (guint32)size };

	if (!control->watch)
		return -ENOTCONN;
	return seq_source_send(control->watch, &head, payload, &fd, fd >= 0 ? 1 : 0);
}

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
display_handle_killed_late(gpointer data)
{
	struct display_control *control = data;

	control->timer = 0;
	display_control_kill(control, "it did not end when it was asked");
	return G_SOURCE_REMOVE;
}

static gboolean
display_handle_linger_over(gpointer data)
{
	struct display_control *control = data;

	control->timer = 0;
	if (display_send(control, DISPLAY_QUIT, NULL, 0, -1) < 0) {
		display_control_kill(control, "it cannot be asked to end");
		return G_SOURCE_REMOVE;
	}
	display_move(control, DISPLAY_CONTROL_ENDING);
	control->timer = g_timeout_add(DISPLAY_END_MS, display_handle_killed_late, control);
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
	return display_send(context, DISPLAY_CLIENT, client, sizeof(*client), fd);
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

static void
display_send_setup(struct display_control *control)
{
	gsize certificate_bytes = strlen(control->cert->certificate);
	gsize key_bytes = strlen(control->cert->key);
	struct display_setup setup = {
		.generation = control->generation,
		.certificate_bytes = (guint32)certificate_bytes,
		.key_bytes = (guint32)key_bytes,
	};
	gsize size = sizeof(setup) + certificate_bytes + key_bytes;
	g_autofree char *payload = g_malloc(size);

	memcpy(payload, &setup, sizeof(setup));
	memcpy(payload + sizeof(setup), control->cert->certificate, certificate_bytes);
	memcpy(payload + sizeof(setup) + certificate_bytes, control->cert->key, key_bytes);
	display_send(control, DISPLAY_SETUP, payload, size, -1);
	explicit_bzero(payload, size);
}

/* Nonblocking: QEMU decides when it accepts, and is not trusted to. */
static void
display_send_vdagent(struct display_control *control)
{
	g_autofree char *path = g_build_filename(control->folder, "vdagent", NULL);
	int fd = -1;
	int error = 0;

	if (control->vdagent_open)
		error = io_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, &fd);
	if (error < 0) {
		log_warning("desktop=%s: no clipboard and resize: cannot connect to '%s': %s",
			    control->desktop, path, strerror(-error));
		return;
	}
	display_send(control, DISPLAY_VDAGENT, NULL, 0, fd);
	if (fd >= 0)
		close(fd);
}

/* --- what it says --- */

static gboolean
display_handle_beat_due(gpointer data)
{
	struct display_control *control = data;
	guint64 now = io_boottime_ms();

	if (now - control->last_tick_ms > 2 * (guint64)control->times.beat_ms)
		control->last_beat_ms = now;
	control->last_tick_ms = now;
	if (now - control->last_beat_ms > control->times.silence_ms) {
		control->beat_timer = 0;
		display_control_kill(control, "its heart does not beat");
		return G_SOURCE_REMOVE;
	}
	display_send(control, DISPLAY_BEAT, NULL, 0, -1);
	return G_SOURCE_CONTINUE;
}

static int
display_handle_hello(void *context, struct seq_message *message)
{
	struct display_control *control = context;
	struct display_hello hello;

	memcpy(&hello, message->payload, sizeof(hello));
	if (hello.version != DISPLAY_PROTOCOL_VERSION ||
	    !seq_text_ok(hello.desktop, sizeof(hello.desktop)) ||
	    strcmp(hello.desktop, control->desktop) != 0)
		return -EPROTO;
	display_move(control, DISPLAY_CONTROL_READY);
	control->tries = 0;
	control->last_tick_ms = control->last_beat_ms = io_boottime_ms();
	control->beat_timer =
		g_timeout_add(control->times.beat_ms, display_handle_beat_due, control);
	display_send_setup(control);
	if (control->vdagent_open || hello.has_vdagent)
		display_send_vdagent(control);
	if (control->attachment && control->attachment != hello.attachment)
		display_tell_fact(control, DISPLAY_FACT_DISCONNECTED, "left unseen");
	if (hello.attachment && control->attachment != hello.attachment) {
		control->attachment = hello.attachment;
		display_tell_fact(control, DISPLAY_FACT_CONNECTED, "taken over");
	}
	control->attachment = hello.attachment;
	control->source = hello.has_source ? DISPLAY_SOURCE_GIVEN : DISPLAY_SOURCE_NONE;
	if (control->attachment)
		display_ask_source(control);
	display_flush(control);
	display_linger(control);
	return 0;
}

static int
display_handle_beat(void *context, G_GNUC_UNUSED struct seq_message *message)
{
	struct display_control *control = context;

	control->last_beat_ms = io_boottime_ms();
	return 0;
}

static int
display_handle_fact(void *context, struct seq_message *message)
{
	struct display_control *control = context;
	struct display_fact fact;

	memcpy(&fact, message->payload, sizeof(fact));
	if (fact.kind >= DISPLAY_FACT_COUNT || !seq_text_ok(fact.text, sizeof(fact.text)))
		return -EPROTO;
	if (fact.kind == DISPLAY_FACT_CONNECTED)
		control->attachment = fact.attachment;
	else if (fact.kind == DISPLAY_FACT_DISCONNECTED && control->attachment == fact.attachment)
		control->attachment = 0;
	if (fact.kind == DISPLAY_FACT_SOURCE_LOST) {
		control->source = DISPLAY_SOURCE_NONE;
		if (control->attachment || display_waiting_count(control->waiting) > 0)
			display_ask_source(control);
	}
	if (fact.kind == DISPLAY_FACT_CONNECTED || fact.kind == DISPLAY_FACT_DISCONNECTED)
		display_linger(control);
	control->events->fact(control->context, &fact);
	return 0;
}

static const struct seq_rule display_rules[] = {
	{ DISPLAY_HELLO, sizeof(struct display_hello), sizeof(struct display_hello), 0, 0,
	  TO(GREETING), display_handle_hello },
	{ DISPLAY_BEAT, 0, 0, 0, 0, TO(READY) | TO(ENDING), display_handle_beat },
	{ DISPLAY_FACT, sizeof(struct display_fact), sizeof(struct display_fact), 0, 0,
	  TO(READY) | TO(ENDING), display_handle_fact },
};

static void
display_handle_message(void *context, struct seq_message *message)
{
	struct display_control *control = context;
	guint32 type = message ? message->head.type : 0;
	int error;

	if (!message) {
		g_clear_handle_id(&control->beat_timer, g_source_remove);
		g_clear_handle_id(&control->source_timer, g_source_remove);
		g_clear_pointer(&control->watch, seq_source_free);
		/* Its end is told by the pidfd; until then it may still be there and only have closed. */
		if (control->state == DISPLAY_CONTROL_READY) {
			display_move(control, DISPLAY_CONTROL_GREETING);
			display_greet(control);
		}
		return;
	}
	error = seq_dispatch(display_rules, G_N_ELEMENTS(display_rules), control->state, control,
			     message);
	if (error == 0)
		return;
	log_warning("desktop=%s: the display sent a wrong message type=%u (%s)", control->desktop,
		    type, strerror(-error));
	display_control_kill(control, "it broke the protocol");
}

/* --- its process --- */

static gboolean
display_handle_greeting_late(gpointer data)
{
	struct display_control *control = data;

	control->timer = 0;
	display_control_kill(control, "it did not say hello");
	return G_SOURCE_REMOVE;
}

/* In state "greeting". */
static void
display_greet(struct display_control *control)
{
	g_autofree char *path = g_build_filename(control->folder, "watch", NULL);
	int fd = -1;
	int error = io_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, &fd);

	if (error < 0) {
		log_warning("desktop=%s: cannot connect to '%s': %s", control->desktop, path,
			    strerror(-error));
		display_control_kill(control, "it cannot be reached");
		return;
	}
	control->watch = seq_source_new(fd, "display", display_handle_message, control);
	control->timer =
		g_timeout_add(control->times.greeting_ms, display_handle_greeting_late, control);
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
	g_clear_handle_id(&control->beat_timer, g_source_remove);
	g_clear_handle_id(&control->source_timer, g_source_remove);
	g_clear_pointer(&control->watch, seq_source_free);
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
	struct display_source_offer offer = { .kind = kind };

	if (fd < 0 || control->source != DISPLAY_SOURCE_ASKED ||
	    display_send(control, DISPLAY_SOURCE, &offer, sizeof(offer), fd) < 0) {
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
		display_send_vdagent(control);
}

void
display_control_drop(struct display_control *control, guint64 attachment)
{
	struct display_drop drop = { .attachment = attachment };

	display_waiting_drop(control->waiting, attachment);
	if (control->state == DISPLAY_CONTROL_READY)
		display_send(control, DISPLAY_DROP, &drop, sizeof(drop), -1);
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
	g_clear_handle_id(&control->beat_timer, g_source_remove);
	g_clear_handle_id(&control->source_timer, g_source_remove);
	launch_client_kill(control->launch, control->desktop, LAUNCH_ROLE_DISPLAY, NULL, NULL);
	g_clear_handle_id(&control->timer, g_source_remove);
	/* Again while launch is away, until the pidfd tells the end. */
	control->timer = g_timeout_add(DISPLAY_END_MS, display_handle_killed_late, control);
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
	if (control->state == DISPLAY_CONTROL_READY)
		display_send_setup(control); /* streams keep theirs, new links get this one */
	return control->cert->certificate;
}

const char *
display_control_get_subject(struct display_control *control)
{
	return display_control_get_certificate(control) ? control->cert->subject : NULL;
}
