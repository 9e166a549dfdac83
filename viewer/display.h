/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display.h - a remote display in a GTK widget, whatever protocol brings it
 *
 * One table a protocol; the window knows nothing else of it. The display calls back from the main loop only.
 */
#ifndef VIEWER_DISPLAY_H
#define VIEWER_DISPLAY_H

#include <gtk/gtk.h>

struct connection_file;
struct display;

enum display_end {
	DISPLAY_END_CLOSED,	 /* the other side said good-bye, or we did */
	DISPLAY_END_LOST,	 /* it was there and is not any more */
	DISPLAY_END_UNREACHABLE, /* no connection, or the gateway refused the ticket */
	DISPLAY_END_UNTRUSTED,	 /* TLS: not the certificate that the ticket named */
	DISPLAY_END_REFUSED,	 /* the display did not take the password */
	DISPLAY_END_COUNT,
};

struct display_events {
	void (*shown)(void *context); /* the first frame is there, and keys get there */
	void (*ended)(void *context, enum display_end end); /* once; the callee frees the display */
};

struct display_ops {
	const char *protocol;
	/* Connects at once. The file is read during the call only. */
	struct display *(*open)(const struct connection_file *file,
				const struct display_events *events, void *context);
	GtkWidget *(*get_widget)(struct display *display);
	void (*send_keys)(struct display *display, const guint *keyvals, int n_keyvals);
	void (*release)(struct display *display); /* gives keyboard and pointer back */
	void (*free)(struct display *display);
};

extern const struct display_ops display_spice_ops;

#endif
