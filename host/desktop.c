/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop.c - one desktop of this host, from its fork to its end: its life (carrel-hostd)
 *
 * How it works: desktop_fork() asks launch for the folder (desktop_handle_made), lets the engine fork
 * (desktop_handle_forked), looks for the agent (desktop_agent.c) and lets it give the guest its identity
 * (desktop_handle_heard); then the desktop is ready. desktop_adopt() enters at the agent. The machine and its display are in
 * desktop_machine.c, what concerns the guest's inside (agent, network, log-in) in desktop_guest.c, the way to its folder
 * and back in desktop_suspend.c, that to another host in desktop_move.c, with what it leaves there in desktop_copy.c. Here is its life:
 * desktop_set_state() is the only place where the state changes. Each step's deadline is that of launch_client, the engine's
 * steps, or the agent's request, and each failure ends in desktop_fail() with its text.
 *
 * A desktop with a network is ready when its link is up (desktop_network.c). What a later hostd must know to adopt it is in
 * its folder (desktop_folder.c).
 *
 * Each asynchronous call holds a reference, so that an answer never meets a freed desktop.
 */
#include <string.h>

#include "base/log.h"
#include "host/desktop_move.h"
#include "host/desktop_parts.h"

/* Killed processes take some milliseconds to end; a disk that lets nothing be removed is tried more and more seldom. */
#define REMOVE_AGAIN_MS	    200
#define REMOVE_AGAIN_MAX_MS 12800

static void desktop_remove(struct desktop *desktop);

void
desktop_unref(struct desktop *desktop)
{
	if (--desktop->references > 0)
		return;
	if (desktop->vm)
		desktop->vm->ops->vm_free(desktop->vm);
	desktop_drop_template(desktop);
	desktop_move_free(desktop->arrival);
	json_decref(desktop->login);
	json_decref(desktop->login_sent);
	g_object_unref(desktop->cancellable);
	g_free(desktop->record);
	g_free(desktop->reason);
	g_free(desktop->obstacle);
	g_free(desktop->refusal);
	g_free(desktop->session);
	g_free(desktop->run_folder);
	desktop_folder_done(&desktop->folder);
	g_free(desktop);
}

struct desktop *
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
	desktop->template_folder = -1;
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
	desktop->is_let_go = TRUE;
	desktop_quiet(desktop);
	launch_client_forget(desktop->host->launch, desktop);
	if (desktop->display)
		display_control_leave(desktop->display);
	desktop->display = NULL;
	desktop_leave_copy(desktop);
	desktop_unref(desktop);
}

gboolean
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

void
desktop_end_step(struct desktop *desktop, const char *kind)
{
	gint64 now_us = g_get_monotonic_time();
	gint64 took_ms = (now_us - desktop->since_us) / 1000;

	log_info("desktop=%s step=%s ms=%" G_GINT64_FORMAT, desktop->id, kind, took_ms);
	desktop->host->event(desktop->host->context, desktop, kind, took_ms, "");
	desktop->since_us = now_us;
}

/* What takes the place of a byte that is none of a character is longer than that. */
char *
desktop_cut_reason(const char *reason)
{
	g_autofree char *cut = g_strndup(reason, DESKTOP_MAX_REASON);
	char *valid = g_utf8_make_valid(cut, -1);

	if (strlen(valid) > DESKTOP_MAX_REASON)
		*g_utf8_find_prev_char(valid, valid + DESKTOP_MAX_REASON + 1) = '\0';
	return valid;
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
		desktop->remove_again_ms =
			CLAMP(2 * desktop->remove_again_ms, REMOVE_AGAIN_MS, REMOVE_AGAIN_MAX_MS);
		desktop->remove_again = g_timeout_add(desktop->remove_again_ms,
						      desktop_handle_remove_again, desktop);
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
	if (desktop_is_held(desktop) ||
	    !desktop_state_may_change(desktop->state, DESKTOP_STATE_RETIRING))
		return;
	desktop_end_machine(desktop, reason);
	if (desktop_set_state(desktop, DESKTOP_STATE_RETIRING))
		desktop_remove(desktop);
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
		return DESKTOP_NO_SPACE_TEXT;
	if (desktop->reason[0] == '\0' && desktop->obstacle)
		return desktop->obstacle;
	return desktop->reason;
}

const char *
desktop_get_session(const struct desktop *desktop)
{
	return desktop->session;
}

gboolean
desktop_has_run(const struct desktop *desktop)
{
	return desktop->has_run;
}

struct display_control *
desktop_get_display(const struct desktop *desktop)
{
	/* While it is being suspended nobody comes to it any more. */
	return desktop->state == DESKTOP_STATE_SUSPENDING ? NULL : desktop->display;
}
