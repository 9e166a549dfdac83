/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_parts.h - what the files of a desktop share: desktop.c, desktop_guest.c, desktop_machine.c
 */
#ifndef HOST_DESKTOP_PARTS_H
#define HOST_DESKTOP_PARTS_H

#include "host/desktop.h"
#include "host/desktop_folder.h"
#include "host/desktop_network.h"

#define DESKTOP_NO_SPACE_TEXT                                                                                    \
	"the guest stands still because the host's disk (or its memory) is full: make room there, then it goes " \
	"on by itself"

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
	json_t *login_sent;   /* of the user who is inside, for after a reboot */
	gboolean rebooted;    /* the guest has booted again: it lacks its names, and its user */
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
	guint remove_again_ms;
};

/* desktop.c: each asynchronous call holds a reference. */
struct desktop *desktop_ref(struct desktop *desktop);
void desktop_unref(struct desktop *desktop);

/* desktop.c: FALSE when it may not change like that. */
gboolean desktop_set_state(struct desktop *desktop, enum desktop_state state);

/* desktop.c: reports how long the step took that ends now. */
void desktop_end_step(struct desktop *desktop, const char *kind);

/* desktop_guest.c: its machine runs. */
void desktop_open_agent(struct desktop *desktop);
/* desktop_guest.c: what the agent was told is forgotten, and the user's session inside is over. */
void desktop_handle_reboot(struct desktop *desktop);

/* desktop_machine.c: once the fork has begun, or never will. */
void desktop_drop_template(struct desktop *desktop);

#endif
