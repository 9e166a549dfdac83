/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_machine.c - a desktop's machine and display: made, forked or adopted, and what they tell (carrel-hostd)
 *
 * How it works: desktop_fork() and desktop_adopt() both end in desktop_handle_forked(), from where desktop_guest.c goes on.
 * desktop_handle_machine() hears the engine, display_events the display.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "host/desktop_parts.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/process_log.h"
#include "host/process_watch.h"

/* A carrel-vmm waits for its display and grows no queue behind it, as a QEMU does (display_control.c): there is time. */
#define VMM_SILENCE_MS 10000
#define NO_MEMORY_TEXT \
	"out of memory: the kernel ended its machine; the host has too little for its desktops, or the machine took more than its limit"

void
desktop_drop_template(struct desktop *desktop)
{
	g_clear_pointer(&desktop->manifest, manifest_free);
	g_clear_pointer(&desktop->kind, g_free);
	if (desktop->template_folder >= 0)
		close(desktop->template_folder);
	if (desktop->memory >= 0)
		close(desktop->memory);
	desktop->template_folder = -1;
	desktop->memory = -1;
}

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
	const char *words =
		lacks_space ? DESKTOP_NO_SPACE_TEXT : "there is room again: the guest goes on";

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
desktop_handle_gone(struct desktop *desktop, const char *reason)
{
	if (desktop->state == DESKTOP_STATE_RESUMING)
		desktop_fail_resume(desktop, reason);
	else
		desktop_fail_machine(desktop, reason);
}

static void
desktop_handle_machine(void *context, enum engine_event event, gint64 value)
{
	struct desktop *desktop = context;
	gboolean ending = desktop->state == DESKTOP_STATE_SUSPENDING &&
			  desktop->suspension == SUSPENSION_ENDING;

	/* It does what it was told to, and whoever told it waits for that. */
	if (ending)
		log_debug("desktop=%s: its machine ends", desktop->id);
	else if (event == ENGINE_EVENT_GONE)
		desktop_handle_gone(desktop,
				    value ? NO_MEMORY_TEXT : "its machine ended by itself");
	else if (event == ENGINE_EVENT_POWERDOWN)
		desktop_retire(desktop, "the guest switched itself off");
	else if (event == ENGINE_EVENT_REBOOTED)
		desktop_handle_reboot(desktop);
	else if (event == ENGINE_EVENT_PANICKED)
		desktop_fail_machine(desktop, "the guest's kernel panicked");
	else if (event == ENGINE_EVENT_FAILED)
		desktop_fail_machine(desktop, "its machine failed");
	else if (event == ENGINE_EVENT_STOPPED || event == ENGINE_EVENT_RUNNING)
		desktop_set_lack(desktop, event == ENGINE_EVENT_STOPPED && value);
	else if (event == ENGINE_EVENT_VDAGENT_PORT && desktop->display)
		display_control_set_vdagent(desktop->display, value != 0);
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

void
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

static void
desktop_handle_forked(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	if (!steps_finish(result, &error)) {
		if (g_error_matches(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN))
			desktop->host->foreign(desktop->host->context, desktop, error->message);
		g_prefix_error(&error, "the fork failed: ");
		desktop_fail_machine(desktop, error->message);
	} else if (desktop_set_state(desktop, DESKTOP_STATE_IDENTIFYING)) {
		desktop->has_run = TRUE;
		desktop_end_step(desktop, "forked");
		desktop_open_agent(desktop);
	}
	desktop_unref(desktop);
}

void
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

/* NULL, or why it cannot be forked, for g_free(). */
static char *
desktop_find_obstacle(const struct desktop *desktop, const struct engine_ops *engine,
		      const struct launch_answer *answer)
{
	if (answer->error)
		return g_strdup(answer->error->message);
	if (!engine)
		return g_strdup("this host has no engine for its template");
	if (answer->fds[engine->control] < 0)
		return g_strdup("an earlier machine of it still runs");
	return desktop_folder_make(&desktop->folder, desktop->wants_network);
}

/* The fork is known by this for as long as it lives. NULL, or why it cannot be, for g_free(). */
static char *
desktop_begin_fork(struct desktop *desktop, const struct launch_answer *answer,
		   const struct engine_ops *engine, char ret_genid[ENGINE_GENID_LENGTH + 1])
{
	const struct engine_template source = { desktop->manifest,
						desktop->template_folder,
						desktop->kind,
						desktop->memory,
						NULL,
						FALSE };
	char *obstacle = desktop_find_obstacle(desktop, engine, answer);

	return obstacle ? obstacle
			: desktop_suspension_note_origin(&desktop->folder, &source, ret_genid);
}

static void
desktop_handle_made(void *data, const struct launch_answer *answer)
{
	struct desktop *desktop = data;
	char genid[ENGINE_GENID_LENGTH + 1];
	struct engine_template source = { desktop->manifest,
					  desktop->template_folder,
					  desktop->kind,
					  desktop->memory,
					  genid,
					  FALSE };
	struct steps_call call = { desktop->cancellable, desktop_handle_forked, desktop };
	const struct engine_ops *engine;
	g_autofree char *obstacle = NULL;

	if (desktop->state != DESKTOP_STATE_FORKING)
		return;
	engine = engine_list_find(desktop->manifest->engine);
	obstacle = desktop_begin_fork(desktop, answer, engine, genid);
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
desktop_take_template(struct desktop *desktop, const struct engine_template *source)
{
	desktop_drop_template(desktop);
	desktop->manifest = manifest_new(json_deep_copy(source->manifest->object), NULL);
	desktop->template_folder = fcntl(source->folder, F_DUPFD_CLOEXEC, 3);
	desktop->kind = g_strdup(source->kind);
	desktop->memory = source->memory >= 0 ? fcntl(source->memory, F_DUPFD_CLOEXEC, 3) : -1;
}

void
desktop_fork(struct desktop *desktop, const struct engine_template *source, gboolean network)
{
	desktop->wants_network = network;
	desktop_take_template(desktop, source);
	desktop->since_us = g_get_monotonic_time();
	launch_client_make_desktop(desktop->host->launch, desktop->id, desktop->generation,
				   desktop_handle_made, desktop);
}

void
desktop_recall(struct desktop *desktop)
{
	g_autofree char *session = desktop_folder_read_session(&desktop->folder);

	if (session) {
		g_free(desktop->session);
		desktop->session = g_steal_pointer(&session);
	}
	desktop->wants_network = desktop_folder_has_network(&desktop->folder);
}

/* The clock of one that had just been resumed is perhaps not set yet. */
static void
desktop_adopt_machine(struct desktop *desktop, const struct launch_record *record,
		      const struct engine_ops *engine, int pidfd)
{
	struct steps_call call = { desktop->cancellable, desktop_handle_forked, desktop };

	desktop_recall(desktop);
	desktop->clock_stood = TRUE;
	desktop->passt = record->processes[LAUNCH_ROLE_NET];
	desktop->since_us = g_get_monotonic_time();
	desktop_make_machine(desktop, engine, NULL);
	desktop_make_display(desktop, -1);
	if (record->processes[LAUNCH_ROLE_DISPLAY].pid > 0)
		display_control_adopt(desktop->display, &record->processes[LAUNCH_ROLE_DISPLAY]);
	desktop_ref(desktop);
	desktop->vm->ops->adopt(desktop->vm, pidfd, &call);
}

void
desktop_adopt(struct desktop *desktop, const struct launch_record *record,
	      const struct suspension *found)
{
	const struct engine_ops *engine;
	int pidfd;

	desktop->has_run = TRUE;
	if (desktop_adopt_suspended(desktop, record, found))
		return;
	engine = record ? engine_list_find_running(record) : NULL;
	pidfd = engine ? process_watch_open(&record->processes[engine->role]) : -1;
	if (pidfd >= 0) {
		desktop_adopt_machine(desktop, record, engine, pidfd);
		return;
	}
	/* What launch knows is perhaps left of one that an earlier hostd has exported. */
	desktop->may_have_copy = TRUE;
	desktop_retire(desktop, "its machine does not run any more");
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
