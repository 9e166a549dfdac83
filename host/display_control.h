/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_control.h - one desktop's carrel-display, from hostd's side (base/proto_display.h)
 *
 * Wiring: desktop makes one when its machine is ready. need_source is answered with display_control_give_source() (engine
 * operation display_source); VSERPORT_CHANGE of the vdagent port goes to display_control_set_vdagent(); gateway_port's
 * clients go to display_control_add_client(), after tickets_show(). Facts go to desktop (its state), sync (events) and
 * tickets_note_main(). After a restart of hostd display_control_adopt() takes a living display over.
 */
#ifndef HOST_DISPLAY_CONTROL_H
#define HOST_DISPLAY_CONTROL_H

#include <gio/gio.h>

#include "base/proto_display.h"
#include "host/launch_client.h"
#include "host/tickets.h"

#define DISPLAY_CONTROL_MAX_PENDING 32

/*
 * idle -> starting (a client came) -> greeting (it runs; HELLO is awaited) -> ready -> ending (QUIT or kill) -> idle.
 * idle -> greeting (adopted); ready -> greeting (its connection broke); starting, greeting -> ending;
 * all but idle -> idle when the process ends. Only "ready" gets clients.
 */
enum display_control_state {
	DISPLAY_CONTROL_IDLE,
	DISPLAY_CONTROL_STARTING,
	DISPLAY_CONTROL_GREETING,
	DISPLAY_CONTROL_READY,
	DISPLAY_CONTROL_ENDING,
	DISPLAY_CONTROL_COUNT,
};

struct display_control_events {
	/* A display wants a source: display_control_give_source() answers, at once or later. */
	void (*need_source)(void *context);
	/* The text was checked. A display that dies tells DISCONNECTED for the attachment it had. Do not free the control here. */
	void (*fact)(void *context, const struct display_fact *fact);
};

/* Zero means the value in display_control.c; tests are in more of a hurry. */
struct display_control_times {
	guint beat_ms;
	guint silence_ms;
	guint linger_ms;
	guint greeting_ms;
	guint client_ms; /* how long a client waits for its display */
	guint retry_ms;
};

struct display_control_options {
	const char *desktop;
	guint64 generation;
	const char *folder; /* <run>/desktops/<id> */
	int watch_fd; /* the listening socket, taken over; -1: asked of launch when it is needed */
	struct launch_client *launch;
	struct display_control_times times;
};

struct display_control;

/* error 0: the socket is with the display; else a negative errno and nothing was passed on. Never from inside the call. */
typedef void (*display_control_callback)(void *data, int error);

struct display_control *display_control_new(const struct display_control_options *options,
					    const struct display_control_events *events,
					    void *context);

/* Ends the display; waiting clients hear -ECANCELED. */
void display_control_free(struct display_control *control);

/* Lets go without ending the display: hostd itself ends and will adopt it. */
void display_control_leave(struct display_control *control);

/* A process that launch lists. FALSE when it is not there any more. */
gboolean display_control_adopt(struct display_control *control,
			       const struct launch_process *process);

/* Takes the socket over. "data" must live until the callback. */
void display_control_add_client(struct display_control *control, int fd,
				const struct ticket_pass *pass, display_control_callback callback,
				void *data);

/* Takes the descriptor over; -1: there is none, waiting clients hear -EIO. */
void display_control_give_source(struct display_control *control, int fd,
				 enum display_source_kind kind);
void display_control_set_vdagent(struct display_control *control, gboolean open);
void display_control_drop(struct display_control *control, guint64 attachment); /* 0: all */

/* For the desktop that sees QMP stall while a display registers. */
void display_control_kill(struct display_control *control, const char *reason);

enum display_control_state display_control_get_state(const struct display_control *control);

/* A client's main channel lives in it. */
gboolean display_control_is_watched(const struct display_control *control);

/* For sync's ticket states, before any display runs; NULL when no certificate could be made. */
const char *display_control_get_certificate(struct display_control *control);
const char *display_control_get_subject(struct display_control *control);

#endif
