/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_mail.h - what a VNC client does, on its way from its thread to the main thread
 *
 * It holds VNC_MAIL_MAX events and never more: a client that is faster than the main loop waits in its own thread.
 */
#ifndef DISPLAY_VNC_MAIL_H
#define DISPLAY_VNC_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#define VNC_MAIL_MAX 64

enum vnc_event_kind {
	VNC_EVENT_KEY,	    /* a: qnum, b: down */
	VNC_EVENT_POSITION, /* a: x, b: y */
	VNC_EVENT_BUTTONS,  /* a: RFB's mask */
	VNC_EVENT_SIZE,	    /* a: width, b: height */
	VNC_EVENT_TEXT,	    /* there is one to be taken */
	VNC_EVENT_FRAME,    /* one was sent */
	VNC_EVENT_ENDED,
};

struct vnc_event {
	enum vnc_event_kind kind;
	uint32_t a;
	uint32_t b;
};

struct vnc_mail;

/* "handle" is called on the main thread. It may close the mail, and free it. */
struct vnc_mail *vnc_mail_new(void (*handle)(void *context, const struct vnc_event *event),
			      void *context);

/* From any one other thread; waits while it is full. False: it is closed. */
bool vnc_mail_put(struct vnc_mail *mail, enum vnc_event_kind kind, uint32_t a, uint32_t b);

/* Nothing is delivered any more, and nobody waits. */
void vnc_mail_close(struct vnc_mail *mail);

/* Closed, and the other thread has ended. */
void vnc_mail_free(struct vnc_mail *mail);

#endif
