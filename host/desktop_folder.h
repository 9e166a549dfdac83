/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_folder.h - what a desktop has on disk: <lib>/desktops/<id>/ with its overlay, and what a later hostd must know
 */
#ifndef HOST_DESKTOP_FOLDER_H
#define HOST_DESKTOP_FOLDER_H

#include <glib.h>

/* All that hostd has in it; launch adds the logs of its processes. The last four are desktop_suspension.c's. */
#define DESKTOP_OVERLAY_FILE "overlay.qcow2"
#define DESKTOP_SESSION_FILE "session"
#define DESKTOP_NETWORK_FILE "network"
#define DESKTOP_ORIGIN_FILE  "origin.json"
#define DESKTOP_MARK_FILE    "suspended.json"
#define DESKTOP_STATE_FILE   "suspended.state"
#define DESKTOP_PAGES_FILE   "suspended.pages"

struct desktop_folder {
	char *path;
	char *overlay; /* a path in it */
};

void desktop_folder_init(struct desktop_folder *folder, const char *lib, const char *id);
void desktop_folder_done(struct desktop_folder *folder);

/* For a fork: no overlay is in it. NULL, or why it cannot be made, for users and for g_free(). */
char *desktop_folder_make(const struct desktop_folder *folder, gboolean network);

/* Removes it with all that hostd has put there. */
void desktop_folder_remove(const struct desktop_folder *folder);

/* Whether it was made for a desktop with a network. */
gboolean desktop_folder_has_network(const struct desktop_folder *folder);

/* The session whose user is logged in inside; the read one is the caller's, NULL: none. */
gboolean desktop_folder_write_session(const struct desktop_folder *folder, const char *session);
char *desktop_folder_read_session(const struct desktop_folder *folder);

#endif
