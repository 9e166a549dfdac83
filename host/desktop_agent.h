/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_agent.h - what one desktop has to do with the agent inside: to find it, to name it, to log its user in
 *
 * Wiring: need_channel is answered with desktop_agent_take_channel() (engine operation agent_channel). After heard() the
 * owner says what the agent shall do: desktop_agent_identify() first, desktop_agent_login() when there is a user.
 */
#ifndef HOST_DESKTOP_AGENT_H
#define HOST_DESKTOP_AGENT_H

#include <gio/gio.h>

#include "base/json.h"
#include "base/proto_agent.h"

struct desktop_agent;

/* How long its answers may take. Zero means the value in desktop_agent.c; tests are in more of a hurry. */
struct desktop_agent_times {
	guint resync_ms;
	guint identify_ms;
	guint login_ms;
	guint again_ms; /* between two tries to find it */
};

struct desktop_agent_options {
	const char *desktop;
	guint64 generation;
	struct desktop_agent_times times;
};

/* The owner may free the agent in each of them. */
struct desktop_agent_events {
	/* Connect to the agent's port, then call desktop_agent_take_channel(). */
	void (*need_channel)(void *context);
	/* It tells that its guest has booted since it was heard last, or ever: nothing is left of what it was told. */
	void (*fresh)(void *context);
	/* It lives, speaks of this generation, and the desktop is up; again whenever it was away. */
	void (*heard)(void *context);
	/* No sign of life; who does not free the agent here has it asked again. */
	void (*silent)(void *context, const char *reason);
	void (*identified)(void *context);
	/* The clock is set, or this agent cannot do that, which was logged. */
	void (*clock_set)(void *context);
	void (*logged_in)(void *context);
	/* What it was told to do was not done. */
	void (*failed)(void *context, const char *reason);
	/* The user has logged off inside. */
	void (*logoff)(void *context, const char *reason);
};

struct desktop_agent *desktop_agent_new(const struct desktop_agent_options *options,
					const struct desktop_agent_events *events, void *context);

/* No event comes any more. NULL is allowed. */
void desktop_agent_free(struct desktop_agent *agent);

/* Looks for it, until it is heard; afterwards as often as it goes away. */
void desktop_agent_open(struct desktop_agent *agent);

/*
 * The guest begins anew: the agent that was heard is gone, though its machine keeps the connection. What it was asked and has not
 * answered ends without an event. It is heard again when the desktop is up; silent() says until then what is awaited.
 */
void desktop_agent_reopen(struct desktop_agent *agent);

/* A connected socket, taken over, or -1 and why there is none. */
void desktop_agent_take_channel(struct desktop_agent *agent, int fd, const GError *error);

/* Since the last heard() it has not gone away: it can be told something. */
gboolean desktop_agent_is_heard(const struct desktop_agent *agent);

/* What the guest has got, as far as is known here: AGENT_STATE_FRESH until it was identified (again). */
enum agent_state desktop_agent_get_state(const struct desktop_agent *agent);

/* While it is heard. link: the guest shall use its network card. */
void desktop_agent_identify(struct desktop_agent *agent, gboolean link);

/* While it is heard: the guest's wall clock becomes the host's. */
void desktop_agent_set_clock(struct desktop_agent *agent);

/* While it is heard. "body" is taken over. */
void desktop_agent_login(struct desktop_agent *agent, json_t *body);

#endif
