/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_desktop.h - a desktop's folders, sockets and uids
 */
#ifndef HOST_LAUNCH_DESKTOP_H
#define HOST_LAUNCH_DESKTOP_H

struct launch;
struct seq_message;

/* LAUNCH_DESKTOP_MAKE, LAUNCH_DESKTOP_REMOVE, LAUNCH_LIST */
int launch_desktop_handle_make(void *launch, struct seq_message *message);
int launch_desktop_handle_remove(void *launch, struct seq_message *message);
int launch_desktop_handle_list(void *launch, struct seq_message *message);

#endif
