/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_session.h - one VNC client, with libvncserver, in a thread of its own
 *
 * All functions are the main thread's, but for vnc_session_wake().
 */
#ifndef DISPLAY_VNC_SESSION_H
#define DISPLAY_VNC_SESSION_H

#include "display/vnc_mail.h"

#define VNC_SESSION_KEYS 256 /* qnums are less */

struct surface;
struct vnc_session;

/*
 * Owns the descriptor, whatever it returns; the surface outlives it. NULL: too many descriptors. "handle" is told on the main
 * thread what the client does, VNC_EVENT_ENDED last; it may free the session then.
 */
struct vnc_session *vnc_session_new(int fd, const char *name, struct surface *surface,
				    void (*handle)(void *context, const struct vnc_event *event),
				    void *context);
/* Ends it, without waiting for the client. */
void vnc_session_free(struct vnc_session *session);

/* The surface may have changed; from any thread. */
void vnc_session_wake(struct vnc_session *session);

/* Gives the client what was copied in the guest, UTF-8. */
void vnc_session_show_text(struct vnc_session *session, const char *text);
/* At VNC_EVENT_TEXT: what the client has copied, UTF-8, to be freed; NULL: it was taken already. */
char *vnc_session_take_text(struct vnc_session *session);

#endif
