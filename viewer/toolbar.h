/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * toolbar.h - the buttons of the display: in the header bar, and in the bar that full screen shows at the top edge
 *
 * The buttons name actions ("win.disconnect" ...), which the window owns.
 */
#ifndef VIEWER_TOOLBAR_H
#define VIEWER_TOOLBAR_H

#include <gtk/gtk.h>

struct toolbar_keys {
	const char *label;
	guint keyvals[3];
	int n_keyvals;
};

/* Combinations that the user's own machine would take. */
extern const struct toolbar_keys toolbar_key_table[];
extern const gsize toolbar_n_keys;

GtkWidget *toolbar_new(void);

/* The toolbar in a revealer that comes when the pointer touches the top edge and goes some time after it has left. */
GtkWidget *toolbar_new_drawer(void);

#endif
