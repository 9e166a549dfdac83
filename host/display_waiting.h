/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_waiting.h - the clients of one desktop that wait for its display
 *
 * Each one is told exactly once, never from inside a call: 0 when its socket was passed on, else a negative errno.
 */
#ifndef HOST_DISPLAY_WAITING_H
#define HOST_DISPLAY_WAITING_H

#include <glib.h>

#include "base/proto_display.h"
#include "host/tickets.h"

struct display_waiting;

typedef void (*display_waiting_callback)(void *data, int error);

/* A client waited for client_ms in vain; it has been told -ETIMEDOUT. */
typedef void (*display_waiting_late)(void *context);

/* Gives a client's socket to the display; the descriptor stays the caller's. 0 or a negative errno. */
typedef int (*display_waiting_pass)(void *context, const struct display_client *client, int fd);

struct display_waiting *display_waiting_new(guint client_ms, display_waiting_late late,
					    void *context);

/* Whoever still waits is told -ECANCELED. */
void display_waiting_free(struct display_waiting *waiting);
guint display_waiting_count(const struct display_waiting *waiting);

/* Takes the socket over. "data" must live until the callback. */
void display_waiting_add(struct display_waiting *waiting, int fd, const struct ticket_pass *pass,
			 display_waiting_callback callback, void *data);

/* Closes the socket and tells its owner why it is not taken. */
void display_waiting_refuse(int fd, int error, display_waiting_callback callback, void *data);

/* In the order in which they came. */
void display_waiting_pass_all(struct display_waiting *waiting, display_waiting_pass pass,
			      void *context);
void display_waiting_fail_all(struct display_waiting *waiting, int error);

/* After a display's end a later channel has nothing to join, unless its first one waits with it. */
void display_waiting_fail_orphans(struct display_waiting *waiting);

/* Those of an attachment are told -ECANCELED; 0: all. */
void display_waiting_drop(struct display_waiting *waiting, guint64 attachment);

#endif
