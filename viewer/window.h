/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * window.h - one window: a stack of pages, each shown in the session's states it is for
 */
#ifndef VIEWER_WINDOW_H
#define VIEWER_WINDOW_H

#include <gtk/gtk.h>

struct options;
struct window;

/* "options" outlives the window, which frees itself when it is closed. */
struct window *window_new(GtkApplication *application, const struct options *options);
void window_present(struct window *window);

#endif
