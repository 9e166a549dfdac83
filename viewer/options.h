/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options.h - what the command line and the last use say
 */
#ifndef VIEWER_OPTIONS_H
#define VIEWER_OPTIONS_H

#include <glib.h>

#define OPTIONS_DEFAULT_BROKER "https://127.0.0.1:8443"

struct options {
	char *broker;
	char *user;
	char *pool;
	char *file; /* a .vv file to open */
	gboolean full_screen;
	gboolean kiosk;
	gboolean version;
};

/* Broker and user that were remembered, in $XDG_CONFIG_HOME/carrel/viewer.conf, where the command line says none. */
void options_recall(struct options *options);
void options_remember(const char *broker, const char *user);
void options_done(struct options *options);

#endif
