/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_suspend.c - a desktop is suspended to its folder and goes on from there (carrel-hostd)
 *
 * How it works: desktop_suspend() ends what belongs to the running desktop (agent, network, display), takes the link down, has the
 * engine write the machine (desktop_handle_written), makes that durable (desktop_handle_kept), ends the process
 * (desktop_handle_ended) and makes its disk durable (desktop_handle_whole). Until its memory is durable a failure lets the
 * guest run on (desktop_run_on). desktop_resume() is the way back: desktop_handle_marked, desktop_handle_remade,
 * desktop_handle_restored; a failure there leaves it suspended, unless its guest has run already.
 *
 * From desktop_return() on it is as a desktop that was adopted: the agent is looked for, then comes the clock, then the network.
 *
 * What hostd finds when it was restarted in between is said by desktop_suspension.c; desktop_adopt_suspended() acts on it. Of
 * one whose files do not say what it is nothing is known, not that it is none: desktop_adopt_unread() keeps it.
 */
#include <unistd.h>

#include "base/log.h"
#include "host/desktop_parts.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/host_room.h"
#include "host/process_log.h"
#include "host/process_watch.h"

/* A full disk, or a template that is missing: somebody has to do something first. */
#define SUSPEND_AGAIN_US (60 * G_USEC_PER_SEC)
#define RESUME_AGAIN_US	 (10 * G_USEC_PER_SEC)

static void desktop_run_on(struct desktop *desktop, const char *reason);
static void desktop_stay_suspended(struct desktop *desktop, const char *reason);

/* It is told once, and stands in the list of desktops until that has changed: no figures, which change by themselves, are in it. */
static void
desktop_set_obstacle(struct desktop *desktop, const char *kind, const char *reason, gint64 again_us)
{
	g_autofree char *words = desktop_cut_reason(reason);

	desktop->again_us = g_get_monotonic_time() + again_us;
	if (g_strcmp0(desktop->obstacle, words) == 0)
		return;
	g_free(desktop->obstacle);
	desktop->obstacle = g_steal_pointer(&words);
	log_warning("desktop=%s: %s", desktop->id, desktop->obstacle);
	desktop->host->event(desktop->host->context, desktop, kind, 0, desktop->obstacle);
	desktop->host->changed(desktop->host->context, desktop);
}

static gboolean
desktop_may_try(const struct desktop *desktop)
{
	return g_get_monotonic_time() >= desktop->again_us;
}

/* Its guest goes on, though nobody has looked at it yet. */
static void
desktop_return(struct desktop *desktop)
{
	desktop->suspension = SUSPENSION_NONE;
	desktop->clock_stood = TRUE;
	desktop->has_names = TRUE;
	if (desktop_set_state(desktop, DESKTOP_STATE_IDENTIFYING))
		desktop_open_agent(desktop);
}

/* What was begun for the machine that is no more ends without a word. */
static void
desktop_drop_machine(struct desktop *desktop)
{
	g_cancellable_cancel(desktop->cancellable);
	g_object_unref(desktop->cancellable);
	desktop->cancellable = g_cancellable_new();
	g_clear_pointer(&desktop->display, display_control_free);
	if (desktop->vm)
		desktop->vm->ops->vm_free(desktop->vm);
	desktop->vm = NULL;
	desktop->lacks_space = FALSE; /* the next one tells it again */
	launch_client_kill(desktop->host->launch, desktop->id, LAUNCH_ROLE_COUNT, NULL, NULL);
}

/* --- to the folder --- */

gboolean
desktop_may_suspend(const struct desktop *desktop)
{
	gboolean logging_in = desktop->state == DESKTOP_STATE_READY && desktop->session[0] != '\0';

	return desktop_state_may_change(desktop->state, DESKTOP_STATE_SUSPENDING) &&
	       desktop->state != DESKTOP_STATE_FORKING && !logging_in &&
	       !desktop_is_fresh(desktop) && !desktop->lacks_space && desktop_may_try(desktop);
}

static void
desktop_handle_whole(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	if (!steps_finish(result, &error))
		log_warning("desktop=%s: it would not outlive a crash of the host now: %s",
			    desktop->id, error->message);
	if (desktop->state == DESKTOP_STATE_SUSPENDING) {
		desktop_drop_machine(desktop);
		desktop->suspension = SUSPENSION_WHOLE;
		g_clear_pointer(&desktop->obstacle, g_free);
		desktop->again_us = 0;
		desktop_end_step(desktop, "suspended");
		desktop_set_state(desktop, DESKTOP_STATE_SUSPENDED);
	}
	desktop_unref(desktop);
}

static void
desktop_handle_ended(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	struct steps_call call = { NULL, desktop_handle_whole, desktop };
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (ok && desktop->state == DESKTOP_STATE_SUSPENDING) {
		desktop_suspension_enter(&desktop->folder, SUSPENSION_WHOLE, desktop->generation,
					 &call);
		return;
	}
	if (!ok && desktop->state == DESKTOP_STATE_SUSPENDING) {
		g_prefix_error(&error, "its machine did not end with all that its guest wrote: ");
		desktop_fail(desktop, error->message);
	}
	desktop_unref(desktop);
}

static void
desktop_handle_kept(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	struct steps_call call = { desktop->cancellable, desktop_handle_ended, desktop };
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (ok && desktop->state == DESKTOP_STATE_SUSPENDING) {
		desktop->suspension = SUSPENSION_ENDING;
		desktop->vm->ops->end(desktop->vm, -1, &call);
		return;
	}
	if (!ok && desktop->state == DESKTOP_STATE_SUSPENDING)
		desktop_run_on(desktop, error->message);
	desktop_unref(desktop);
}

static void
desktop_handle_written(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	struct steps_call call = { NULL, desktop_handle_kept, desktop };
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (ok && desktop->state == DESKTOP_STATE_SUSPENDING) {
		desktop_suspension_enter(&desktop->folder, SUSPENSION_ENDING, desktop->generation,
					 &call);
		return;
	}
	if (!ok && desktop->state == DESKTOP_STATE_SUSPENDING)
		desktop_run_on(desktop, error->message);
	desktop_unref(desktop);
}

static void
desktop_handle_unplugged(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	struct steps_call call = { desktop->cancellable, desktop_handle_written, desktop };
	struct engine_image image = { -1, -1 };
	g_autoptr(GError) error = NULL;

	(void)object;
	if (desktop->state == DESKTOP_STATE_SUSPENDING && steps_finish(result, &error) &&
	    desktop_suspension_open(&desktop->folder, TRUE, &image, &error)) {
		desktop->vm->ops->suspend(desktop->vm, &image, &call);
		desktop_suspension_close(&image);
		return;
	}
	if (error && desktop->state == DESKTOP_STATE_SUSPENDING)
		desktop_run_on(desktop, error->message);
	desktop_unref(desktop);
}

/* FALSE: it runs on untouched, and that is said. */
static gboolean
desktop_find_disk(struct desktop *desktop, guint64 ram_bytes, guint64 others_bytes)
{
	guint64 bytes = desktop->vm->ops->measure(desktop->vm, ram_bytes);
	g_autofree char *words = NULL;

	desktop->suspend_bytes = bytes;
	if (host_room_has_disk(desktop->host->lib, bytes + others_bytes))
		return TRUE;
	log_debug("desktop=%s: its memory may take %" G_GUINT64_FORMAT
		  " MiB, that of others %" G_GUINT64_FORMAT " MiB",
		  desktop->id, bytes >> 20, others_bytes >> 20);
	words = g_strdup_printf("it cannot be suspended: the disk of '%s' has too little room for "
				"its memory: make room there",
				desktop->host->lib);
	desktop_set_obstacle(desktop, "suspend_failed", words, SUSPEND_AGAIN_US);
	return FALSE;
}

void
desktop_refuse_suspend(struct desktop *desktop, const char *reason)
{
	g_autofree char *words = g_strdup_printf("it cannot be suspended: %s", reason);

	if (desktop_may_suspend(desktop))
		desktop_set_obstacle(desktop, "suspend_failed", words, SUSPEND_AGAIN_US);
}

gboolean
desktop_is_of(const struct desktop *desktop, const struct engine_template *source)
{
	return desktop_suspension_is_of(&desktop->folder, source);
}

guint64
desktop_get_suspend_bytes(const struct desktop *desktop)
{
	return desktop->state == DESKTOP_STATE_SUSPENDING ? desktop->suspend_bytes : 0;
}

void
desktop_suspend(struct desktop *desktop, guint64 ram_bytes, guint64 others_bytes)
{
	struct steps_call call = { desktop->cancellable, desktop_handle_unplugged, desktop };

	if (!desktop_may_suspend(desktop) || !desktop_find_disk(desktop, ram_bytes, others_bytes) ||
	    !desktop_set_state(desktop, DESKTOP_STATE_SUSPENDING))
		return;
	desktop->since_us = g_get_monotonic_time();
	g_clear_pointer(&desktop->agent, desktop_agent_free);
	g_clear_pointer(&desktop->network, desktop_network_free);
	desktop->passt = (struct launch_process){ 0 };
	launch_client_kill(desktop->host->launch, desktop->id, LAUNCH_ROLE_NET, NULL, NULL);
	if (desktop->display)
		display_control_kill(desktop->display, "its desktop is suspended");
	desktop_ref(desktop);
	desktop->vm->ops->set_link(desktop->vm, FALSE, -1, &call);
}

void
desktop_keep_running(struct desktop *desktop)
{
	if (!desktop->obstacle || desktop->state == DESKTOP_STATE_SUSPENDING ||
	    desktop->state == DESKTOP_STATE_RESUMING)
		return;
	g_clear_pointer(&desktop->obstacle, g_free);
	desktop->again_us = 0;
	desktop->host->changed(desktop->host->context, desktop);
}

static void
desktop_handle_runs_on(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (desktop->state != DESKTOP_STATE_SUSPENDING)
		log_debug("desktop=%s: its guest need not go on any more", desktop->id);
	else if (ok)
		desktop_return(desktop);
	else
		desktop_fail(desktop, error->message);
	desktop_unref(desktop);
}

static void
desktop_run_on(struct desktop *desktop, const char *reason)
{
	struct steps_call call = { desktop->cancellable, desktop_handle_runs_on, desktop };
	g_autofree char *words = g_strdup_printf("it cannot be suspended: %s", reason);

	desktop_suspension_remove(&desktop->folder);
	desktop_set_obstacle(desktop, "suspend_failed", words, SUSPEND_AGAIN_US);
	desktop_ref(desktop);
	desktop->vm->ops->resume(desktop->vm, &call);
}

/* --- from the folder --- */

static void
desktop_stay_suspended(struct desktop *desktop, const char *reason)
{
	g_autofree char *words = g_strdup_printf("it cannot be resumed: %s", reason);

	desktop_drop_template(desktop);
	if (desktop->state == DESKTOP_STATE_RESUMING) {
		desktop_drop_machine(desktop);
		desktop_set_state(desktop, DESKTOP_STATE_SUSPENDED);
	}
	desktop_set_obstacle(desktop, "resume_failed", words, RESUME_AGAIN_US);
}

gboolean
desktop_may_resume(const struct desktop *desktop)
{
	return desktop->state == DESKTOP_STATE_SUSPENDED && desktop_may_try(desktop);
}

void
desktop_refuse_resume(struct desktop *desktop, const char *reason)
{
	if (desktop->state == DESKTOP_STATE_SUSPENDED)
		desktop_stay_suspended(desktop, reason);
}

/* Its guest may have run, and then its files are worth nothing any more. When that is not known the next try finds out. */
void
desktop_fail_resume(struct desktop *desktop, const char *reason)
{
	struct suspension found = { .phase = SUSPENSION_NONE };

	if (!desktop_suspension_read(&desktop->folder, &found, NULL) || found.stands)
		desktop_stay_suspended(desktop, reason);
	else
		desktop_fail(desktop, reason);
}

static void
desktop_handle_restored(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (desktop->state == DESKTOP_STATE_RESUMING && ok) {
		desktop_suspension_remove(&desktop->folder);
		desktop->is_foreign = FALSE;
		g_clear_pointer(&desktop->obstacle, g_free);
		desktop_end_step(desktop, "resumed");
		desktop_return(desktop);
	} else if (desktop->state == DESKTOP_STATE_RESUMING) {
		g_autofree char *words = process_log_explain(
			desktop->folder.path, desktop->vm->ops->process, error->message);

		if (g_error_matches(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN))
			desktop_set_foreign(desktop);
		desktop_fail_resume(desktop, words);
	}
	desktop_unref(desktop);
}

guint
desktop_get_resume_mib(const struct desktop *desktop, const struct engine_ops *engine,
		       guint ram_mib)
{
	return host_room_get_resume_mib(engine, ram_mib,
					desktop_suspension_measure_pages(&desktop->folder));
}

gboolean
desktop_needs_template(const struct desktop *desktop, const struct engine_template *source)
{
	gboolean away = desktop->state == DESKTOP_STATE_SUSPENDING ||
			desktop->state == DESKTOP_STATE_SUSPENDED ||
			desktop->state == DESKTOP_STATE_RESUMING ||
			desktop->state == DESKTOP_STATE_UNREAD ||
			desktop->state == DESKTOP_STATE_EXPORTING; /* it may come back */

	return away && !desktop->is_foreign && desktop_suspension_is_of(&desktop->folder, source);
}

void
desktop_set_foreign(struct desktop *desktop)
{
	if (desktop->state == DESKTOP_STATE_SUSPENDED || desktop->state == DESKTOP_STATE_RESUMING)
		desktop->is_foreign = TRUE;
}

/* FALSE and an error, or the restore has begun. */
static gboolean
desktop_restore(struct desktop *desktop, const struct engine_ops *engine,
		const struct suspension *suspension, int *sockets, GError **error)
{
	const struct engine_template source = { desktop->manifest, desktop->template_folder,
						desktop->kind,	   desktop->memory,
						suspension->genid, FALSE };
	const struct steps_call call = { desktop->cancellable, desktop_handle_restored, desktop };
	struct engine_image image;

	if (!desktop_suspension_open(&desktop->folder, FALSE, &image, error))
		return FALSE;
	desktop_make_machine(desktop, engine, sockets);
	desktop_make_display(desktop, sockets[LAUNCH_SOCKET_WATCH]);
	sockets[LAUNCH_SOCKET_WATCH] = -1;
	desktop_ref(desktop);
	desktop->vm->ops->restore(desktop->vm, &source, desktop->folder.overlay, &image, &call);
	desktop_suspension_close(&image);
	desktop_drop_template(desktop);
	return TRUE;
}

static void
desktop_handle_remade(void *data, const struct launch_answer *answer)
{
	struct desktop *desktop = data;
	const struct engine_ops *engine;
	struct suspension suspension = { .phase = SUSPENSION_NONE };
	g_autoptr(GError) error = NULL;

	if (desktop->state != DESKTOP_STATE_RESUMING)
		return;
	engine = engine_list_find(desktop->manifest->engine);
	if (answer->error)
		desktop_stay_suspended(desktop, answer->error->message);
	else if (!engine || answer->fds[engine->control] < 0 ||
		 answer->fds[LAUNCH_SOCKET_WATCH] < 0)
		desktop_stay_suspended(desktop, "processes of its machine have not ended yet");
	else if (!desktop_suspension_read(&desktop->folder, &suspension, &error))
		desktop_stay_suspended(desktop, error->message);
	else if (!suspension.stands)
		desktop_fail(desktop,
			     "it cannot be resumed: when that was tried before its guest has "
			     "run, and its memory does not fit to its disk any more");
	else if (!desktop_restore(desktop, engine, &suspension, answer->fds, &error))
		desktop_stay_suspended(desktop, error->message);
}

static void
desktop_handle_marked(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;
	gboolean ok = steps_finish(result, &error);

	(void)object;
	if (desktop->state == DESKTOP_STATE_RESUMING && ok)
		launch_client_make_desktop(desktop->host->launch, desktop->id, desktop->generation,
					   desktop_handle_remade, desktop);
	else if (desktop->state == DESKTOP_STATE_RESUMING)
		desktop_stay_suspended(desktop, error->message);
	desktop_unref(desktop);
}

void
desktop_resume(struct desktop *desktop, const struct engine_template *source)
{
	struct steps_call call = { NULL, desktop_handle_marked, desktop };
	g_autoptr(GError) error = NULL;

	if (!desktop_may_resume(desktop))
		return;
	if (!desktop_suspension_check(&desktop->folder, source, &error)) {
		desktop_stay_suspended(desktop, error->message);
		return;
	}
	desktop->since_us = g_get_monotonic_time();
	desktop_take_template(desktop, source);
	if (!desktop_set_state(desktop, DESKTOP_STATE_RESUMING))
		return;
	desktop->suspension = SUSPENSION_RESUMING;
	desktop_ref(desktop);
	desktop_suspension_enter(&desktop->folder, SUSPENSION_RESUMING, desktop->generation, &call);
}

/* --- found --- */

/* Its process was being ended when hostd did, and has not ended yet. */
static void
desktop_adopt_ending(struct desktop *desktop, const struct engine_ops *engine, int pidfd)
{
	struct steps_call call = { desktop->cancellable, desktop_handle_ended, desktop };

	desktop_make_machine(desktop, engine, NULL);
	if (!desktop_set_state(desktop, DESKTOP_STATE_SUSPENDING)) {
		close(pidfd);
		return;
	}
	desktop->since_us = g_get_monotonic_time();
	desktop->suspension = SUSPENSION_ENDING;
	desktop_ref(desktop);
	desktop->vm->ops->end(desktop->vm, pidfd, &call);
}

/* Its process has ended meanwhile, in whatever way: suspend() had written all. Only the phase is still to be told. */
static void
desktop_adopt_ended(struct desktop *desktop)
{
	const struct steps_call call = { NULL, desktop_handle_whole, desktop };

	if (!desktop_set_state(desktop, DESKTOP_STATE_SUSPENDING))
		return;
	desktop->since_us = g_get_monotonic_time();
	desktop->suspension = SUSPENSION_ENDING;
	desktop_ref(desktop);
	desktop_suspension_enter(&desktop->folder, SUSPENSION_WHOLE, desktop->generation, &call);
}

gboolean
desktop_adopt_suspended(struct desktop *desktop, const struct launch_record *record,
			const struct suspension *found)
{
	const struct engine_ops *engine = record ? engine_list_find_running(record) : NULL;
	int pidfd = engine ? process_watch_open(&record->processes[engine->role]) : -1;

	if (found->phase == SUSPENSION_NONE || !found->stands ||
	    found->generation != desktop->generation) {
		/* Its guest runs, or has run, since: what was kept of it, or half written, is out of date. */
		desktop_suspension_remove(&desktop->folder);
		if (pidfd >= 0)
			close(pidfd);
		return FALSE;
	}
	desktop_recall(desktop);
	if (found->phase == SUSPENSION_ENDING && pidfd >= 0) {
		desktop_adopt_ending(desktop, engine, pidfd);
		return TRUE;
	}
	if (found->phase == SUSPENSION_ENDING) {
		desktop_adopt_ended(desktop);
		return TRUE;
	}
	if (pidfd >= 0)
		close(pidfd);
	desktop->suspension = SUSPENSION_WHOLE;
	launch_client_kill(desktop->host->launch, desktop->id, LAUNCH_ROLE_COUNT, NULL, NULL);
	desktop_set_state(desktop, DESKTOP_STATE_SUSPENDED);
	desktop->may_have_copy = TRUE;
	return TRUE;
}

void
desktop_note_unread(struct desktop *desktop, const char *reason)
{
	g_autofree char *words = g_strdup_printf(
		"it is not known whether it is suspended, and nothing is done with it: %s; mend "
		"that, or remove '%s' to give it up",
		reason, desktop->folder.path);

	desktop_set_obstacle(desktop, "resume_failed", words, 0);
}

/* A machine of it that lives is not touched either: it may be the one that was being ended, and must not run on then. */
void
desktop_adopt_unread(struct desktop *desktop, const struct launch_record *record,
		     const char *reason)
{
	if (!desktop_set_state(desktop, DESKTOP_STATE_UNREAD))
		return;
	desktop->has_run = TRUE;
	if (record) {
		desktop->record = g_new(struct launch_record, 1);
		*desktop->record = *record;
	}
	desktop_recall(desktop);
	desktop_note_unread(desktop, reason);
}

struct launch_record *
desktop_take_record(struct desktop *desktop)
{
	return g_steal_pointer(&desktop->record);
}

void
desktop_learn_generation(struct desktop *desktop, guint64 generation)
{
	if (desktop->state == DESKTOP_STATE_UNREAD && !desktop->record)
		desktop->generation = generation;
}
