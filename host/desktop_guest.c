/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_guest.c - a desktop's inside: its agent, its network, its user (carrel-hostd)
 *
 * How it works: desktop_open_agent() begins when the machine runs. The agent tells what it has done (agent_events); after
 * its identity the guest gets its network (network_events), and then desktop_become_ready() lets the user's log-in begin.
 * A guest that reboots comes back without both: as soon as its desktop is up it gets its identity and its user, in the state
 * that the desktop is in, with its network and its client where they are. The machine tells it (desktop_handle_reboot), or
 * the agent, when that was while carrel-hostd was away (desktop_handle_fresh).
 */
#include "base/log.h"
#include "host/desktop_parts.h"

/* As long as a first boot may take (host/engine_kvm_fork.c): the host may be emulated itself. */
#define REBOOT_MAX_US (15 * 60 * G_USEC_PER_SEC)

/* Its user is logged in inside. A display that outlived hostd may have told of its client before that was known. */
static void
desktop_set_assigned(struct desktop *desktop)
{
	if (desktop_set_state(desktop, DESKTOP_STATE_ASSIGNED) && desktop->display &&
	    display_control_is_watched(desktop->display))
		desktop_set_state(desktop, DESKTOP_STATE_ACTIVE);
}

/* The guest has booted: it lacks its names, and its user. */
gboolean
desktop_is_fresh(const struct desktop *desktop)
{
	return desktop->agent && desktop_agent_get_state(desktop->agent) == AGENT_STATE_FRESH;
}

static void
desktop_send_login(struct desktop *desktop)
{
	if (desktop->state != DESKTOP_STATE_READY || !desktop_agent_is_heard(desktop->agent) ||
	    desktop_is_fresh(desktop) || !desktop->login)
		return;
	desktop->since_us = g_get_monotonic_time();
	desktop->login_sent = json_incref(desktop->login);
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
	return (desktop->state >= DESKTOP_STATE_ASSIGNED &&
		desktop->state <= DESKTOP_STATE_DISCONNECTED) ||
	       (desktop->state == DESKTOP_STATE_IDENTIFYING && desktop->session[0] != '\0' &&
		!desktop->login);
}

/* It has not come back, or only to reboot again, for longer than a boot may take. */
static gboolean
desktop_is_lost_in_reboot(const struct desktop *desktop)
{
	return g_get_monotonic_time() - desktop->since_us >= REBOOT_MAX_US;
}

/* A guest can do this a thousand times a second: only the first is told. */
static void
desktop_begin_reboot(struct desktop *desktop)
{
	log_info("desktop=%s: its guest reboots", desktop->id);
	desktop->since_us = g_get_monotonic_time();
	desktop->host->event(desktop->host->context, desktop, "rebooted", 0, "");
}

/* What its user logged in with was known to the carrel-hostd before this one. */
static gboolean
desktop_retire_lost_user(struct desktop *desktop)
{
	if (!desktop_has_user(desktop) || desktop->login_sent)
		return FALSE;
	desktop_retire(desktop, "its guest rebooted, and since carrel-hostd was restarted its user "
				"cannot be logged in again");
	return TRUE;
}

void
desktop_handle_reboot(struct desktop *desktop)
{
	/* Before that it has not been told anything. */
	if (!desktop->agent)
		return;
	if (!desktop_is_fresh(desktop))
		desktop_begin_reboot(desktop);
	if (desktop_retire_lost_user(desktop))
		return;
	if (desktop_is_lost_in_reboot(desktop))
		desktop_fail(desktop, "its guest reboots again and again");
	else
		desktop_agent_reopen(desktop->agent);
}

/* Its first boot (engine kvm), or a reboot that nobody saw; without a user it is identified either way. */
static void
desktop_handle_fresh(void *context)
{
	struct desktop *desktop = context;

	if (desktop->state == DESKTOP_STATE_IDENTIFYING && !desktop_has_user(desktop))
		return;
	desktop_begin_reboot(desktop);
	desktop_retire_lost_user(desktop);
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
desktop_handle_logoff(void *context, const char *reason)
{
	struct desktop *desktop = context;

	desktop->host->event(desktop->host->context, desktop, "logoff", 0, reason);
	desktop_retire(desktop, "its user logged off");
}

static void
desktop_handle_heard(void *context)
{
	struct desktop *desktop = context;
	enum agent_state state = desktop_agent_get_state(desktop->agent);

	if (desktop->clock_stood) {
		desktop_agent_set_clock(desktop->agent);
	} else if (desktop_has_user(desktop) && state == AGENT_STATE_IDENTIFIED) {
		/* its word of that was for a carrel-hostd that was not there */
		desktop_handle_logoff(desktop, "ended");
	} else if (desktop_has_user(desktop) && state != AGENT_STATE_FRESH) {
		desktop_keep_user(desktop);
	} else if (desktop->state == DESKTOP_STATE_IDENTIFYING || state == AGENT_STATE_FRESH) {
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

	if (desktop_is_fresh(desktop) && !desktop_is_lost_in_reboot(desktop)) {
		log_debug("desktop=%s: its guest has not come back yet: %s", desktop->id, reason);
	} else if (desktop_has_user(desktop) && !desktop_is_fresh(desktop)) {
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
	else if (desktop->login_sent)
		desktop_agent_login(desktop->agent, json_incref(desktop->login_sent));
	else if (desktop->state == DESKTOP_STATE_READY)
		desktop_send_login(desktop);
	else
		desktop_become_ready(desktop);
}

/* Who has been identified before has its names and keys, and keeps them. */
static void
desktop_handle_clock_set(void *context)
{
	struct desktop *desktop = context;
	gboolean identifying = desktop->state == DESKTOP_STATE_IDENTIFYING;

	desktop->clock_stood = FALSE;
	if (identifying && !desktop_has_user(desktop) && !desktop_is_fresh(desktop) &&
	    desktop->has_names) {
		if (desktop->wants_network)
			desktop_start_network(desktop);
		else
			desktop_become_ready(desktop);
	} else {
		desktop_handle_heard(desktop);
	}
}

static void
desktop_handle_logged_in(void *context)
{
	struct desktop *desktop = context;

	desktop_end_step(desktop, "logged_in");
	if (desktop->state != DESKTOP_STATE_READY)
		return;
	if (!desktop_folder_write_session(&desktop->folder, desktop->session))
		log_warning("desktop=%s: after a restart its user is logged in again", desktop->id);
	desktop_set_assigned(desktop);
}

static void
desktop_handle_agent_failed(void *context, const char *reason)
{
	desktop_fail(context, reason);
}

static const struct desktop_agent_events agent_events = {
	.need_channel = desktop_handle_need_channel,
	.fresh = desktop_handle_fresh,
	.heard = desktop_handle_heard,
	.silent = desktop_handle_silent,
	.identified = desktop_handle_identified,
	.clock_set = desktop_handle_clock_set,
	.logged_in = desktop_handle_logged_in,
	.failed = desktop_handle_agent_failed,
	.logoff = desktop_handle_logoff,
};

void
desktop_open_agent(struct desktop *desktop)
{
	const struct desktop_agent_options options = { .desktop = desktop->id,
						       .generation = desktop->generation,
						       .times = desktop->host->times };

	desktop->agent = desktop_agent_new(&options, &agent_events, desktop);
	desktop_agent_open(desktop->agent);
}
