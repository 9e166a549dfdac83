/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_move.c - a suspended desktop goes to the folder that hosts share, and comes from there (carrel-hostd)
 *
 * How it works: what is done with files is done in a thread (move_files.c), one at a time of a desktop: DESKTOP_HOLD_MOVE says that one
 * is under way, and until its end nothing else begins with this desktop. desktop_export() makes sure that no process of it is left
 * (desktop_handle_unused), that its files are as good as when it was suspended (desktop_handle_settled), and lets them go
 * (desktop_handle_exported). desktop_arrive() takes them in when launch has made their folder (desktop_handle_housed,
 * desktop_handle_arrived). What is just being removed from the exchange folder (desktop_copy.c) is waited for (desktop_claim_copy).
 *
 * A failure is told as the event move_failed, upon which the broker decides who has the desktop from then on. So a host that was to
 * have it and has refused it never tries again by itself: it may be another's by then.
 */
#include "base/log.h"
#include "host/desktop_move.h"
#include "host/desktop_parts.h"
#include "host/move_files.h"

/* Somebody has to do something first. */
#define MOVE_AGAIN_US (60 * G_USEC_PER_SEC)
/* Processes of a machine that could not be resumed end within milliseconds. */
#define UNUSED_AGAIN_US (G_USEC_PER_SEC / 2)

struct desktop_move {
	struct move_files files;
	struct manifest *manifest; /* of an arrival: the version that it shall be of */
	char *kind;
	gboolean network;
	guint64 generation;
	gboolean (*work)(const struct desktop_move *move, GError **error);
};

/* --- the thread --- */

void
desktop_move_free(gpointer data)
{
	struct desktop_move *move = data;

	if (!move)
		return;
	g_clear_pointer(&move->manifest, manifest_free);
	g_free(move->kind);
	g_free(move->files.lib);
	g_free(move->files.exchange);
	g_free(move->files.id);
	g_free(move);
}

static gboolean
desktop_move_check(const struct desktop_folder *folder, const void *context, GError **error)
{
	const struct desktop_move *move = context;
	const struct engine_template source = {
		.manifest = move->manifest, .folder = -1, .kind = move->kind, .memory = -1
	};
	struct suspension found;

	if (!desktop_suspension_read(folder, &found, error) ||
	    !desktop_suspension_check(folder, &source, error))
		return FALSE;
	if (!desktop_suspension_check_origin(folder, &source, &found, error))
		return FALSE;
	if (found.phase == SUSPENSION_WHOLE && found.generation == move->generation &&
	    desktop_folder_has_network(folder) == move->network)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "what lies there is not whole, or is of another generation or network");
	return FALSE;
}

static gboolean
desktop_move_export(const struct desktop_move *move, GError **error)
{
	return move_files_export(&move->files, error);
}

static gboolean
desktop_move_import(const struct desktop_move *move, GError **error)
{
	return move_files_import(&move->files, desktop_move_check, move, error);
}

static void
desktop_move_run(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	const struct desktop_move *move = data;
	GError *error = NULL;

	(void)source, (void)cancellable;
	if (move->work(move, &error))
		g_task_return_boolean(task, TRUE);
	else
		g_task_return_error(task, error);
}

static struct desktop_move *
desktop_move_new(const struct desktop *desktop,
		 gboolean (*work)(const struct desktop_move *move, GError **error))
{
	struct desktop_move *move = g_new0(struct desktop_move, 1);

	move->files.lib = g_strdup(desktop->host->lib);
	move->files.exchange = g_strdup(desktop->host->exchange);
	move->files.id = g_strdup(desktop->id);
	move->generation = desktop->generation;
	move->work = work;
	return move;
}

gboolean
desktop_move_is_orphan(struct desktop *desktop)
{
	if (!desktop->is_let_go)
		return FALSE;
	desktop_unref(desktop);
	return TRUE;
}

/* Takes the move over; the desktop is busy until its end. */
static void
desktop_move_start(struct desktop *desktop, struct desktop_move *move, GAsyncReadyCallback callback)
{
	GTask *task = g_task_new(NULL, NULL, callback, desktop_ref(desktop));

	desktop->hold = DESKTOP_HOLD_MOVE;
	g_task_set_task_data(task, move, desktop_move_free);
	g_task_run_in_thread(task, desktop_move_run);
	g_object_unref(task);
}

/* --- its ends --- */

static gboolean
desktop_move_may_try(const struct desktop *desktop)
{
	return !desktop_is_held(desktop) && g_get_monotonic_time() >= desktop->move_again_us;
}

static void
desktop_move_set_obstacle(struct desktop *desktop, char *words)
{
	g_free(desktop->obstacle);
	desktop->obstacle = desktop_cut_reason(words);
	g_free(words);
}

/* Somebody has given it up meanwhile, who could not have it then. */
static void
desktop_move_end(struct desktop *desktop)
{
	desktop->hold = DESKTOP_HOLD_NONE;
	desktop->host->changed(desktop->host->context, desktop);
	if (desktop->is_given_up)
		desktop_give_up(desktop, "an operator stopped it");
}

void
desktop_refuse_move(struct desktop *desktop, const char *reason)
{
	if (!desktop_move_may_try(desktop))
		return;
	desktop->move_again_us = g_get_monotonic_time() + MOVE_AGAIN_US;
	log_warning("desktop=%s cannot be moved: %s", desktop->id, reason);
	desktop->host->event(desktop->host->context, desktop, "move_failed", 0, reason);
}

static char *
desktop_move_describe(const struct desktop *desktop, const char *reason)
{
	if (desktop->state == DESKTOP_STATE_EXPORTING)
		return g_strdup_printf("it was to be moved, and it is not known where it is: %s; "
				       "when it is lost, 'carrel desktop stop' gives it up",
				       reason);
	return g_strdup_printf(
		"it is in '%s/%s' and is not taken from there: %s; when that is mended it "
		"is, and 'carrel desktop stop' gives it up",
		desktop->host->exchange ? desktop->host->exchange : "(no folder)", desktop->id,
		reason);
}

/* --- to the folder --- */

/* Whether it is still here is seen from what is here: it may have been exported by an earlier hostd. */
static void
desktop_handle_exported(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	struct suspension found = { .phase = SUSPENSION_NONE };
	g_autoptr(GError) error = NULL;

	(void)object;
	if (desktop_move_is_orphan(desktop))
		return;
	if (g_task_propagate_boolean(G_TASK(result), &error)) {
		g_clear_pointer(&desktop->obstacle, g_free);
		desktop->may_have_copy = TRUE; /* also when what is left here goes */
		desktop_end_step(desktop, "exported");
		desktop_set_state(desktop, DESKTOP_STATE_EXPORTED);
	} else if (desktop_suspension_read(&desktop->folder, &found, NULL) &&
		   found.phase == SUSPENSION_NONE) {
		desktop_move_set_obstacle(desktop, desktop_move_describe(desktop, error->message));
		desktop->move_again_us = g_get_monotonic_time() + MOVE_AGAIN_US;
	} else {
		desktop->hold = DESKTOP_HOLD_NONE;
		desktop->may_have_copy = TRUE; /* kept, or not to be removed */
		desktop_set_state(desktop, DESKTOP_STATE_SUSPENDED);
		desktop_refuse_move(desktop, error->message);
	}
	desktop_move_end(desktop);
	desktop_unref(desktop);
}

static void
desktop_export_refuse(struct desktop *desktop, const char *reason)
{
	desktop->hold = DESKTOP_HOLD_NONE;
	if (desktop->state == DESKTOP_STATE_EXPORTING)
		desktop_set_state(desktop, DESKTOP_STATE_SUSPENDED);
	desktop_refuse_move(desktop, reason);
	desktop_move_end(desktop);
}

/*
 * A machine of it lives, which may write to its files: launch gives its sockets to nobody else. Told at the first time; nothing has
 * changed with each later one.
 */
static void
desktop_export_wait(struct desktop *desktop)
{
	log_write(
		desktop->move_again_us == 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
		"desktop=%s is not moved yet: a machine of it has not ended; it is killed, and then "
		"it is tried again",
		desktop->id);
	launch_client_kill(desktop->host->launch, desktop->id, LAUNCH_ROLE_COUNT, NULL, NULL);
	desktop->hold = DESKTOP_HOLD_NONE;
	desktop->move_again_us = g_get_monotonic_time() + UNUSED_AGAIN_US;
	if (desktop->is_given_up)
		desktop_move_end(desktop);
}

static void
desktop_handle_settled(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	if (desktop_move_is_orphan(desktop))
		return;
	if (steps_finish(result, &error))
		desktop_move_start(desktop, desktop_move_new(desktop, desktop_move_export),
				   desktop_handle_exported);
	else
		desktop_export_refuse(desktop, error->message);
	desktop_unref(desktop);
}

static void
desktop_handle_unused(void *data, const struct launch_answer *answer)
{
	struct desktop *desktop = data;
	struct steps_call call = { NULL, desktop_handle_settled, desktop };
	struct suspension found = { .phase = SUSPENSION_NONE };
	g_autoptr(GError) error = NULL;

	if (answer->error) {
		desktop_export_refuse(desktop, answer->error->message);
	} else if (answer->fds[LAUNCH_SOCKET_CONTROL] < 0) {
		desktop_export_wait(desktop);
	} else if (!desktop_suspension_read(&desktop->folder, &found, &error)) {
		desktop_export_refuse(desktop, error->message);
	} else if (!found.stands) {
		desktop_export_refuse(desktop,
				      "when it was to be resumed its guest has run, and its "
				      "memory does not fit to its disk any more");
	} else {
		desktop_set_state(desktop, DESKTOP_STATE_EXPORTING);
		desktop_ref(desktop);
		desktop_suspension_enter(&desktop->folder, SUSPENSION_WHOLE, desktop->generation,
					 &call);
	}
}

void
desktop_export(struct desktop *desktop)
{
	enum desktop_state before = desktop->state;

	/* What is being cleared away is what is left of one that was exported. */
	if (!desktop_move_may_try(desktop) || !desktop_state_lives(before) ||
	    before == DESKTOP_STATE_EXPORTED || before == DESKTOP_STATE_ARRIVING ||
	    !desktop_claim_copy(desktop))
		return;
	if (before != DESKTOP_STATE_EXPORTING &&
	    !desktop_state_may_change(before, DESKTOP_STATE_EXPORTING)) {
		desktop_refuse_move(desktop, "it is not suspended any more");
		return;
	}
	desktop->since_us = g_get_monotonic_time();
	if (before == DESKTOP_STATE_SUSPENDED) {
		desktop->hold = DESKTOP_HOLD_MOVE;
		launch_client_make_desktop(desktop->host->launch, desktop->id, desktop->generation,
					   desktop_handle_unused, desktop);
	} else {
		if (before != DESKTOP_STATE_EXPORTING)
			desktop_set_state(desktop, DESKTOP_STATE_EXPORTING);
		desktop_move_start(desktop, desktop_move_new(desktop, desktop_move_export),
				   desktop_handle_exported);
	}
}

/* --- from the folder --- */

/* doubt: why it may not be able to go on, though it is here and nowhere else; NULL: nothing. */
static void
desktop_settle_here(struct desktop *desktop, const char *doubt)
{
	g_clear_pointer(&desktop->obstacle, g_free);
	g_clear_pointer(&desktop->refusal, g_free);
	if (doubt) {
		log_warning("desktop=%s: what is here of it is all that there is, and is kept: %s",
			    desktop->id, doubt);
		desktop_move_set_obstacle(
			desktop,
			g_strdup_printf("what is here of it is all that there is: %s", doubt));
	}
	desktop->has_run = TRUE;
	desktop->suspension = SUSPENSION_WHOLE;
	desktop->may_have_copy = doubt == NULL; /* that could not be removed, perhaps */
	desktop_recall(desktop);
	desktop_end_step(desktop, "arrived");
	desktop_set_state(desktop, DESKTOP_STATE_SUSPENDED);
}

static void
desktop_handle_arrived(GObject *object, GAsyncResult *result, gpointer data)
{
	struct desktop *desktop = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	if (desktop_move_is_orphan(desktop))
		return;
	desktop->hold = DESKTOP_HOLD_NONE;
	if (g_task_propagate_boolean(G_TASK(result), &error)) {
		desktop_settle_here(desktop, NULL);
	} else if (g_error_matches(error, MOVE_FILES_ERROR, MOVE_FILES_ERROR_DOUBTFUL)) {
		desktop_settle_here(desktop, error->message);
	} else {
		desktop_refuse_arrival(desktop, error->message);
	}
	desktop_move_end(desktop);
	desktop_unref(desktop);
}

/* Launch has made the folder that its files come to. */
static void
desktop_handle_housed(void *data, const struct launch_answer *answer)
{
	struct desktop *desktop = data;
	struct desktop_move *move = g_steal_pointer(&desktop->arrival);

	desktop->hold = DESKTOP_HOLD_NONE;
	if (!answer->error) {
		desktop_move_start(desktop, move, desktop_handle_arrived);
		return;
	}
	desktop_move_free(move);
	desktop_refuse_arrival(desktop, answer->error->message);
	desktop_move_end(desktop);
}

void
desktop_arrive(struct desktop *desktop, const struct engine_template *source, gboolean network,
	       guint64 reserve_bytes)
{
	struct desktop_move *move;

	if (!desktop_move_may_try(desktop) || !desktop_claim_copy(desktop) ||
	    !desktop_set_state(desktop, DESKTOP_STATE_ARRIVING))
		return;
	desktop->since_us = g_get_monotonic_time();
	move = desktop_move_new(desktop, desktop_move_import);
	move->files.reserve_bytes = reserve_bytes;
	move->manifest = manifest_new(json_deep_copy(source->manifest->object), NULL);
	move->kind = g_strdup(source->kind);
	move->network = network;
	desktop->arrival = move;
	desktop->hold = DESKTOP_HOLD_MOVE;
	launch_client_make_desktop(desktop->host->launch, desktop->id, desktop->generation,
				   desktop_handle_housed, desktop);
}

void
desktop_refuse_arrival(struct desktop *desktop, const char *reason)
{
	if (!desktop_move_may_try(desktop))
		return;
	desktop_move_set_obstacle(desktop, desktop_move_describe(desktop, reason));
	g_free(desktop->refusal);
	desktop->refusal = g_strdup(reason);
	desktop->may_have_copy = TRUE;
	desktop_refuse_move(desktop, reason);
	if (desktop->state != DESKTOP_STATE_EXPORTED)
		desktop_set_state(desktop, DESKTOP_STATE_EXPORTED);
}

void
desktop_keep_here(struct desktop *desktop)
{
	desktop->move_again_us = 0;
}

const char *
desktop_get_refusal(const struct desktop *desktop)
{
	return desktop->state == DESKTOP_STATE_EXPORTED ? desktop->refusal : NULL;
}

gboolean
desktop_is_held(const struct desktop *desktop)
{
	return desktop->hold != DESKTOP_HOLD_NONE;
}

gboolean
desktop_is_moving(const struct desktop *desktop)
{
	return desktop->hold == DESKTOP_HOLD_MOVE;
}
