/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop.c - one desktop of this host, from its fork to its end (carrel-hostd)
 *
 * How it works: desktop_fork() asks launch for the folder (desktop_handle_made), lets the engine fork
 * (desktop_handle_forked), looks for the agent (desktop_agent.c) and lets it give the guest its identity
 * (desktop_handle_heard); then the desktop is ready. desktop_adopt() enters at the agent. desktop_set_state() is the only
 * place where the state changes. Each step's deadline is that of launch_client, the engine's steps, or the agent's request,
 * and each failure ends in desktop_fail() with its text.
 *
 * A desktop with a network is ready when its link is up (desktop_network.c). What a later hostd must know to adopt it is in
 * its folder (desktop_folder.c).
 *
 * Each asynchronous call holds a reference, so that an answer never meets a freed desktop.
 */
#include "host/desktop.h"

#include <unistd.h>

#include "base/log.h"
#include "host/desktop_folder.h"
#include "host/desktop_network.h"
#include "host/engine_list.h"
#include "host/process_log.h"
#include "host/process_watch.h"

/* Killed processes take some milliseconds to end. */
#define REMOVE_AGAIN_MS 200
/* A carrel-vmm waits for its display and grows no queue behind it, as a QEMU does (display_control.c): there is time. */
#define VMM_SILENCE_MS 10000
#define NO_SPACE_TEXT                                                                                            \
	"the guest stands still because the host's disk (or its memory) is full: make room there, then it goes " \
	"on by itself"
#define NO_MEMORY_TEXT \
	"out of memory: the kernel ended its machine; the host has too little for its desktops, or the machine took more than its limit"

struct desktop {
	gint references;
	const struct desktop_host *host;
	char id[ID_SIZE];
	guint64 generation;
	enum desktop_state state;
	char *reason;
	gboolean lacks_space; /* its machine waits for room on the host's disk */
	char *session;	      /* whose login was asked for */
	json_t *login;	      /* until it is sent */
	char *run_folder;
	struct desktop_folder folder;
	gint64 since_us; /* of the step that events measure */
	GCancellable *cancellable;
	struct engine_vm *vm;
	struct manifest *manifest; /* of the template, until the fork */
	char *template_folder;
	char *kind;
	int memory;
	struct desktop_agent *agent; /* from identifying on, while it lives */
	struct display_control *display;
	gboolean wants_network;
	struct launch_process passt; /* of an adopted one; pid 0: none */
	struct desktop_network *network;
	guint remove_again;
};

static void desktop_remove(struct desktop *desktop);

static void
desktop_drop_template(struct desktop *desktop)
{
	g_clear_pointer(&desktop->manifest, manifest_free);
	g_clear_pointer(&desktop->template_folder, g_free);
	g_clear_pointer(&desktop->kind, g_free);
	if (desktop->memory >= 0)
		close(desktop->memory);
	desktop->memory = -1;
}

static void
desktop_unref(struct desktop *desktop)
{
	if (--desktop->references > 0)
		return;
	if (desktop->vm)
		desktop->vm->ops->vm_free(desktop->vm);
	desktop_drop_template(desktop);
	json_decref(desktop->login);
	g_object_unref(desktop->cancellable);
	g_free(desktop->reason);
	g_free(desktop->session);
	g_free(desktop->run_folder);
	desktop_folder_done(&desktop->folder);
	g_free(desktop);
}

static struct desktop *
desktop_ref(struct desktop *desktop)
{
	desktop->references++;
	return desktop;
}

struct desktop *
desktop_new(const struct desktop_host *host, const char *id, guint64 generation)
{
	struct desktop *desktop = g_new0(struct desktop, 1);

	desktop->references = 1;
	desktop->host = host;
	g_strlcpy(desktop->id, id, sizeof(desktop->id));
	desktop->generation = generation;
	desktop->reason = g_strdup("");
	desktop->session = g_strdup("");
	desktop->run_folder = g_build_filename(host->run, "desktops", id, NULL);
	desktop_folder_init(&desktop->folder, host->lib, id);
	desktop->cancellable = g_cancellable_new();
	desktop->memory = -1;
	return desktop;
}

static void
desktop_quiet(struct desktop *desktop)
{
	g_cancellable_cancel(desktop->cancellable);
	g_clear_handle_id(&desktop->remove_again, g_source_remove);
	g_clear_pointer(&desktop->agent, desktop_agent_free);
	g_clear_pointer(&desktop->network, desktop_network_free);
}

void
desktop_free(struct desktop *desktop)
{
	desktop_quiet(desktop);
	launch_client_forget(desktop->host->launch, desktop);
	if (desktop->display)
		display_control_leave(desktop->display);
	desktop->display = NULL;
	desktop_unref(desktop);
}

static gboolean
desktop_set_state(struct desktop *desktop, enum desktop_state state)
{
	if (!desktop_state_may_change(desktop->state, state)) {
		log_debug("desktop=%s stays %s: it cannot become %s", desktop->id,
			  desktop_state_name(desktop->state), desktop_state_name(state));
		return FALSE;
	}
	log_info("desktop=%s generation=%" G_GUINT64_FORMAT " %s -> %s%s%s", desktop->id,
		 desktop->generation, desktop_state_name(desktop->state), desktop_state_name(state),
		 desktop->reason[0] ? ": " : "", desktop->reason);
	desktop->state = state;
	desktop->host->changed(desktop->host->context, desktop);
	return TRUE;
}

/* Reports how long the step took that ends now. */
static void
desktop_end_step(struct desktop *desktop, const char *kind)
{
	gint64 now_us = g_get_monotonic_time();
	gint64 took_ms = (now_us - desktop->since_us) / 1000;

	log_info("desktop=%s step=%s ms=%" G_GINT64_FORMAT, desktop->id, kind, took_ms);
	desktop->host->event(desktop->host->context, desktop, kind, took_ms, "");
	desktop->since_us = now_us;
}

/* For JSON: a guest or QEMU may have had a part in it, and it may be cut in the middle of a character. */
static char *
desktop_cut_reason(const char *reason)
{
	g_autofree char *cut = g_strndup(reason, DESKTOP_MAX_REASON);

	return g_utf8_make_valid(cut, -1);
}

static void
desktop_end_machine(struct desktop *desktop, const char *reason)
{
	char *old = desktop->reason;

	desktop->reason = desktop_cut_reason(reason);
	g_free(old);
	desktop_quiet(desktop);
	g_clear_pointer(&desktop->display, display_control_free);
	launch_client_kill(desktop->host->launch, desktop->id, LAUNCH_ROLE_COUNT, NULL, NULL);
}

void
desktop_fail(struct desktop *desktop, const char *reason)
{
	/* What was cancelled by us is no failure. */
	if (g_cancellable_is_cancelled(desktop->cancellable) ||
	    !desktop_state_may_change(desktop->state, DESKTOP_STATE_FAILED))
		return;
	desktop_end_machine(desktop, reason);
	desktop->host->event(desktop->host->context, desktop, "failed", 0, desktop->reason);
	desktop_set_state(desktop, DESKTOP_STATE_FAILED);
}

static gboolean
desktop_handle_remove_again(gpointer data)
{
	struct desktop *desktop = data;

	desktop->remove_again = 0;
	launch_client_kill(desktop->host->launch, desktop->id, LAUNCH_ROLE_COUNT, NULL, NULL);
	desktop_remove(desktop);
	return G_SOURCE_REMOVE;
}

static void
desktop_handle_removed(void *data, const struct launch_answer *answer)
{
	struct desktop *desktop = data;

	if (answer->error && !g_error_matches(answer->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
		log_debug("desktop=%s: %s; trying again", desktop->id, answer->error->message);
		desktop->remove_again =
			g_timeout_add(REMOVE_AGAIN_MS, desktop_handle_remove_again, desktop);
		return;
	}
	desktop_folder_remove(&desktop->folder);
	desktop_set_state(desktop, DESKTOP_STATE_GONE);
}

static void
desktop_remove(struct desktop *desktop)
{
	launch_client_remove_desktop(desktop->host->launch, desktop->id, desktop->generation,
				     desktop_handle_removed, desktop);
}

void
desktop_retire(struct desktop *desktop, const char *reason)
{
	if (!desktop_state_may_change(desktop->state, DESKTOP_STATE_RETIRING))
		return;
	desktop_end_machine(desktop, reason);
	if (desktop_set_state(desktop, DESKTOP_STATE_RETIRING))
		desktop_remove(desktop);
}

/* Its user is logged in inside. A display that outlived hostd may have told of its client before that was known. */
static void
desktop_set_assigned(struct desktop *desktop)
{
	if (desktop_set_state(desktop, DESKTOP_STATE_ASSIGNED) && desktop->display &&
	    display_control_is_watched(desktop->display))
		desktop_set_state(desktop, DESKTOP_STATE_ACTIVE);
}

static void
desktop_send_login(struct desktop *desktop)
{
	if (desktop->state != DESKTOP_STATE_READY || !desktop_agent_is_heard(desktop->agent) ||
	    !desktop->login)
		return;
	desktop->since_us = g_get_monotonic_time();
	desktop_agent_login(desktop->agent, g_steal_pointer(&desktop->login));
}

void
desktop_login(struct desktop *desktop, const char *session, json_t *body)
{
	if (desktop->session[0] != '\0' || !desktop_state_lives(desktop->state)) {
		json_decref(body);
		return;
	}
	g_free(desktop->session);
	desktop->session = g_strdup(session);
	desktop->login = body;
	desktop_send_login(desktop);
}

static void
desktop_handle_source(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (!ok)
		log_warning("desktop=%s gives its display no picture: %s", desktop->id,
			    error->message);
	/* QEMU waits for a display that registers and then stands still: that one must go. */
	if (!ok && desktop->display && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
		display_control_kill(desktop->display, "its machine could not attach it in time");
	if (desktop->display)
		display_control_give_source(desktop->display, ok ? steps_take_fd(result) : -1,
					    desktop->vm->ops->source);
	desktop_unref(desktop);
}

static void
desktop_handle_need_source(void *context)
{
	struct desktop *desktop = context;
	struct steps_call call = { desktop->cancellable, desktop_handle_source,
				   desktop_ref(desktop) };

	desktop->vm->ops->display_source(desktop->vm, &call);
}

static void
desktop_handle_fact(void *context, const struct display_fact *fact)
{
	struct desktop *desktop = context;

	desktop->host->fact(desktop->host->context, desktop, fact);
	if (fact->kind == DISPLAY_FACT_CONNECTED)
		desktop_set_state(desktop, DESKTOP_STATE_ACTIVE);
	else if (fact->kind == DISPLAY_FACT_DISCONNECTED)
		desktop_set_state(desktop, DESKTOP_STATE_DISCONNECTED);
}

static const struct display_control_events display_events = { desktop_handle_need_source,
							      desktop_handle_fact };

static void
desktop_make_display(struct desktop *desktop, int watch_fd)
{
	struct display_control_options options = {
		.desktop = desktop->id,
		.generation = desktop->generation,
		.folder = desktop->run_folder,
		.watch_fd = watch_fd,
		.launch = desktop->host->launch,
	};

	if (desktop->vm->ops->source == DISPLAY_SOURCE_VMM)
		options.times.silence_ms = VMM_SILENCE_MS;
	desktop->display = display_control_new(&options, &display_events, desktop);
}

/* It has all that it shall have; the user's log-in may begin. */
static void
desktop_become_ready(struct desktop *desktop)
{
	if (!desktop_set_state(desktop, DESKTOP_STATE_READY))
		return;
	desktop_end_step(desktop, "identified");
	desktop_send_login(desktop);
}

static void
desktop_handle_plugged(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	steps_finish(result, &error);
	if (desktop->network)
		desktop_network_take_plugged(desktop->network, error);
	desktop_unref(desktop);
}

static void
desktop_handle_plug(void *context, int peer)
{
	struct desktop *desktop = context;
	struct steps_call call = { desktop->cancellable, desktop_handle_plugged,
				   desktop_ref(desktop) };

	desktop->vm->ops->set_link(desktop->vm, TRUE, peer, &call);
}

static void
desktop_handle_network_up(void *context)
{
	struct desktop *desktop = context;

	if (desktop->state == DESKTOP_STATE_IDENTIFYING)
		desktop_become_ready(desktop);
}

static void
desktop_handle_network_failed(void *context, const char *reason)
{
	struct desktop *desktop = context;
	g_autofree char *words = g_strdup_printf("it gets no network: %s", reason);

	desktop_fail(desktop, words);
}

static const struct desktop_network_events network_events = { desktop_handle_plug,
							      desktop_handle_network_up,
							      desktop_handle_network_failed };

/* From here on it has one, which is perhaps up at once. The agent has done its part. */
static void
desktop_start_network(struct desktop *desktop)
{
	const struct desktop_network_options options = { .desktop = desktop->id,
							 .generation = desktop->generation,
							 .launch = desktop->host->launch };

	if (desktop->network)
		return;
	desktop->network = desktop_network_new(&options, &network_events, desktop);
	desktop_network_adopt(desktop->network, &desktop->passt);
}

/* --- the agent --- */

static void
desktop_handle_channel(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (desktop->agent)
		desktop_agent_take_channel(desktop->agent, ok ? steps_take_fd(result) : -1, error);
	desktop_unref(desktop);
}

static void
desktop_handle_need_channel(void *context)
{
	struct desktop *desktop = context;
	struct steps_call call = { desktop->cancellable, desktop_handle_channel,
				   desktop_ref(desktop) };

	desktop->vm->ops->agent_channel(desktop->vm, FALSE, &call);
}

/* A user is logged in inside, perhaps since before this hostd was started. */
static gboolean
desktop_has_user(const struct desktop *desktop)
{
	return desktop->state >= DESKTOP_STATE_ASSIGNED ||
	       (desktop->state == DESKTOP_STATE_IDENTIFYING && desktop->session[0] != '\0' &&
		!desktop->login);
}

static void
desktop_keep_user(struct desktop *desktop)
{
	if (desktop->state != DESKTOP_STATE_IDENTIFYING ||
	    !desktop_set_state(desktop, DESKTOP_STATE_READY))
		return;
	desktop_set_assigned(desktop);
	if (desktop->wants_network)
		desktop_start_network(desktop);
}

static void
desktop_handle_heard(void *context)
{
	struct desktop *desktop = context;

	if (desktop_has_user(desktop)) {
		desktop_keep_user(desktop);
	} else if (desktop->state == DESKTOP_STATE_IDENTIFYING) {
		desktop_end_step(desktop, "agent");
		desktop_agent_identify(desktop->agent, desktop->wants_network);
	} else {
		desktop_send_login(desktop);
	}
}

/* Who works on a desktop does not lose it because its agent has died or is slow. */
static void
desktop_handle_silent(void *context, const char *reason)
{
	struct desktop *desktop = context;

	if (desktop_has_user(desktop)) {
		log_warning("desktop=%s: the agent inside gave no sign of life: %s; its user works "
			    "on, asking again",
			    desktop->id, reason);
		desktop_keep_user(desktop);
	} else {
		g_autofree char *words =
			g_strconcat("the agent inside gave no sign of life: ", reason, NULL);

		desktop_fail(desktop, words);
	}
}

static void
desktop_handle_identified(void *context)
{
	struct desktop *desktop = context;

	if (desktop->wants_network && desktop->state == DESKTOP_STATE_IDENTIFYING)
		desktop_start_network(desktop);
	else
		desktop_become_ready(desktop);
}

static void
desktop_handle_logged_in(void *context)
{
	struct desktop *desktop = context;

	if (desktop->state != DESKTOP_STATE_READY)
		return;
	if (!desktop_folder_write_session(&desktop->folder, desktop->session))
		log_warning("desktop=%s: after a restart its user is logged in again", desktop->id);
	desktop_end_step(desktop, "logged_in");
	desktop_set_assigned(desktop);
}

static void
desktop_handle_agent_failed(void *context, const char *reason)
{
	desktop_fail(context, reason);
}

static void
desktop_handle_logoff(void *context, const char *reason)
{
	struct desktop *desktop = context;

	desktop->host->event(desktop->host->context, desktop, "logoff", 0, reason);
	desktop_retire(desktop, "its user logged off");
}

static const struct desktop_agent_events agent_events = {
	.need_channel = desktop_handle_need_channel,
	.heard = desktop_handle_heard,
	.silent = desktop_handle_silent,
	.identified = desktop_handle_identified,
	.logged_in = desktop_handle_logged_in,
	.failed = desktop_handle_agent_failed,
	.logoff = desktop_handle_logoff,
};

static void
desktop_open_agent(struct desktop *desktop)
{
	const struct desktop_agent_options options = { .desktop = desktop->id,
						       .generation = desktop->generation,
						       .times = desktop->host->times };

	desktop->agent = desktop_agent_new(&options, &agent_events, desktop);
	desktop_agent_open(desktop->agent);
}

/* --- the machine --- */

/* With what the process said: its log goes with the desktop. */
static void
desktop_fail_machine(struct desktop *desktop, const char *reason)
{
	g_autofree char *words =
		process_log_explain(desktop->folder.path, desktop->vm->ops->process, reason);

	desktop_fail(desktop, words);
}

/* It lives on: the admin is told, by the list of desktops and by events, when it stands and when it goes on. */
static void
desktop_set_lack(struct desktop *desktop, gboolean lacks_space)
{
	const char *words = lacks_space ? NO_SPACE_TEXT : "there is room again: the guest goes on";

	if (desktop->lacks_space == lacks_space)
		return;
	desktop->lacks_space = lacks_space;
	if (lacks_space)
		log_warning("desktop=%s: %s", desktop->id, words);
	else
		log_info("desktop=%s: %s", desktop->id, words);
	desktop->host->event(desktop->host->context, desktop, lacks_space ? "no_space" : "space", 0,
			     words);
	desktop->host->changed(desktop->host->context, desktop);
}

static void
desktop_handle_machine(void *context, enum engine_event event, gint64 value)
{
	struct desktop *desktop = context;

	if (event == ENGINE_EVENT_GONE)
		desktop_fail_machine(desktop,
				     value ? NO_MEMORY_TEXT : "its machine ended by itself");
	else if (event == ENGINE_EVENT_POWERDOWN)
		desktop_retire(desktop, "the guest switched itself off");
	else if (event == ENGINE_EVENT_PANICKED)
		desktop_fail_machine(desktop, "the guest's kernel panicked");
	else if (event == ENGINE_EVENT_STOPPED || event == ENGINE_EVENT_RUNNING)
		desktop_set_lack(desktop, event == ENGINE_EVENT_STOPPED && value);
	else if (event == ENGINE_EVENT_VDAGENT_PORT && desktop->display)
		display_control_set_vdagent(desktop->display, value != 0);
}

static void
desktop_handle_forked(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	if (!steps_finish(result, &error)) {
		g_prefix_error(&error, "the fork failed: ");
		desktop_fail_machine(desktop, error->message);
	} else if (desktop_set_state(desktop, DESKTOP_STATE_IDENTIFYING)) {
		desktop_end_step(desktop, "forked");
		desktop_open_agent(desktop);
	}
	desktop_unref(desktop);
}

static void
desktop_make_machine(struct desktop *desktop, const struct engine_ops *engine, const int *sockets)
{
	struct engine_place place = { .spawner = desktop->host->spawner,
				      .folder = desktop->run_folder,
				      .kvm = -1 };

	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		place.sockets[i] = sockets ? sockets[i] : -1;
	desktop->vm = engine->vm_new(desktop->id, desktop->generation, &place,
				     desktop_handle_machine, desktop);
}

/* NULL, or why it cannot be forked. */
static const char *
desktop_find_obstacle(const struct desktop *desktop, const struct engine_ops *engine,
		      const struct launch_answer *answer)
{
	if (answer->error)
		return answer->error->message;
	if (!engine)
		return "this host has no engine for its template";
	if (answer->fds[engine->control] < 0)
		return "an earlier machine of it still runs";
	return desktop_folder_make(&desktop->folder, desktop->wants_network);
}

static void
desktop_handle_made(void *data, const struct launch_answer *answer)
{
	struct desktop *desktop = data;
	struct engine_template source = { desktop->manifest, desktop->template_folder,
					  desktop->kind, desktop->memory };
	struct steps_call call = { desktop->cancellable, desktop_handle_forked, desktop };
	const struct engine_ops *engine;
	const char *obstacle;

	if (desktop->state != DESKTOP_STATE_FORKING)
		return;
	engine = engine_list_find(desktop->manifest->engine);
	obstacle = desktop_find_obstacle(desktop, engine, answer);
	if (obstacle) {
		desktop_fail(desktop, obstacle);
		return;
	}
	desktop_make_machine(desktop, engine, answer->fds);
	desktop_make_display(desktop, answer->fds[LAUNCH_SOCKET_WATCH]);
	answer->fds[LAUNCH_SOCKET_WATCH] = -1;
	desktop_ref(desktop);
	desktop->vm->ops->fork(desktop->vm, &source, desktop->folder.overlay, &call);
	desktop_drop_template(desktop);
}

void
desktop_fork(struct desktop *desktop, const struct engine_template *source, gboolean network)
{
	desktop->wants_network = network;
	desktop->manifest = manifest_new(json_deep_copy(source->manifest->object), NULL);
	desktop->template_folder = g_strdup(source->folder);
	desktop->kind = g_strdup(source->kind);
	desktop->memory = source->memory >= 0 ? dup(source->memory) : -1;
	desktop->since_us = g_get_monotonic_time();
	launch_client_make_desktop(desktop->host->launch, desktop->id, desktop->generation,
				   desktop_handle_made, desktop);
}

void
desktop_adopt(struct desktop *desktop, const struct launch_record *record)
{
	const struct engine_ops *engine = engine_list_find_running(record);
	int pidfd = engine ? process_watch_open(&record->processes[engine->role]) : -1;
	struct steps_call call = { desktop->cancellable, desktop_handle_forked, desktop };
	g_autofree char *session = desktop_folder_read_session(&desktop->folder);

	if (pidfd < 0) {
		desktop_retire(desktop, "its machine does not run any more");
		return;
	}
	if (session) {
		g_free(desktop->session);
		desktop->session = g_steal_pointer(&session);
	}
	desktop->wants_network = desktop_folder_has_network(&desktop->folder);
	desktop->passt = record->processes[LAUNCH_ROLE_NET];
	desktop->since_us = g_get_monotonic_time();
	desktop_make_machine(desktop, engine, NULL);
	desktop_make_display(desktop, -1);
	if (record->processes[LAUNCH_ROLE_DISPLAY].pid > 0)
		display_control_adopt(desktop->display, &record->processes[LAUNCH_ROLE_DISPLAY]);
	desktop_ref(desktop);
	desktop->vm->ops->adopt(desktop->vm, pidfd, &call);
}

static void
desktop_handle_powerdown(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	if (!steps_finish(result, &error))
		log_warning("desktop=%s could not be asked to power down: %s", desktop->id,
			    error->message);
	desktop_unref(desktop);
}

void
desktop_powerdown(struct desktop *desktop)
{
	struct steps_call call = { desktop->cancellable, desktop_handle_powerdown, desktop };

	if (!desktop->vm || !desktop_state_lives(desktop->state))
		return;
	desktop_ref(desktop);
	desktop->vm->ops->powerdown(desktop->vm, &call);
}

gboolean
desktop_screenshot(struct desktop *desktop, int file, const struct steps_call *call)
{
	if (!desktop->vm || !desktop_state_lives(desktop->state) ||
	    desktop->state == DESKTOP_STATE_FORKING)
		return FALSE;
	desktop->vm->ops->screenshot(desktop->vm, file, call);
	return TRUE;
}

const char *
desktop_get_id(const struct desktop *desktop)
{
	return desktop->id;
}

guint64
desktop_get_generation(const struct desktop *desktop)
{
	return desktop->generation;
}

enum desktop_state
desktop_get_state(const struct desktop *desktop)
{
	return desktop->state;
}

const char *
desktop_get_reason(const struct desktop *desktop)
{
	if (desktop->reason[0] == '\0' && desktop->lacks_space)
		return NO_SPACE_TEXT;
	return desktop->reason;
}

const char *
desktop_get_session(const struct desktop *desktop)
{
	return desktop->session;
}

struct display_control *
desktop_get_display(const struct desktop *desktop)
{
	return desktop->display;
}
