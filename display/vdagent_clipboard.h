/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_clipboard.h - a client of the guest's vdagent that copies and pastes text, and nothing else
 *
 * For a sink whose library is no such client itself. UTF-8 of at most VDAGENT_MAX_TEXT_BYTES; longer texts, pictures and the
 * X selections besides CLIPBOARD are not carried.
 */
#ifndef DISPLAY_VDAGENT_CLIPBOARD_H
#define DISPLAY_VDAGENT_CLIPBOARD_H

struct vdagent_clipboard;
struct vdagent_port;

/* Uses the port, which outlives it. "copied": what somebody has copied in the guest, UTF-8 without an embedded zero. */
struct vdagent_clipboard *vdagent_clipboard_new(struct vdagent_port *port,
						void (*copied)(void *context, const char *text),
						void *context);
/* Leaves the port without a user. */
void vdagent_clipboard_free(struct vdagent_clipboard *clipboard);

/* What the client has copied, UTF-8; the guest gets it when it pastes. Nothing, and what came from the guest, is not offered. */
void vdagent_clipboard_offer(struct vdagent_clipboard *clipboard, const char *text);

#endif
