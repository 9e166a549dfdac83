/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_desktop.h - where the log-in hands over to the desktops
 */
#ifndef VIEWER_SESSION_DESKTOP_H
#define VIEWER_SESSION_DESKTOP_H

struct session;

/* Asks which desktops there are; opens the only one, or the one wanted, or lets the user choose. */
void session_list(struct session *session);

#endif
