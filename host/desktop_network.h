/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_network.h - one desktop's passt and the link that it is plugged into
 */
#ifndef HOST_DESKTOP_NETWORK_H
#define HOST_DESKTOP_NETWORK_H

#include "host/launch_client.h"

struct desktop_network;

struct desktop_network_options {
	const char *desktop;
	guint64 generation;
	struct launch_client *launch;
	guint retry_ms; /* before the second try, then longer; 0: 500 */
};

struct desktop_network_events {
	/* Plug this end of passt's socket in (it stays the network's), then call desktop_network_take_plugged(). */
	void (*plug)(void *context, int peer);
	/* The link is up for the first time. */
	void (*up)(void *context);
	/* It could not be brought up for the first time: said once, then nothing more is tried. */
	void (*failed)(void *context, const char *reason);
};

struct desktop_network *desktop_network_new(const struct desktop_network_options *options,
					    const struct desktop_network_events *events,
					    void *context);

/* Starts passt and takes the link up; afterwards as often as passt ends. */
void desktop_network_start(struct desktop_network *network);

/* NULL: the link is up, with the peer of the last plug(). */
void desktop_network_take_plugged(struct desktop_network *network, const GError *error);

/* Takes over what an earlier hostd started, or starts anew when that has ended. up() is told in either case. */
void desktop_network_adopt(struct desktop_network *network, const struct launch_process *process);

/* Lets go; passt runs on, until its machine ends. NULL is allowed. */
void desktop_network_free(struct desktop_network *network);

/* NULL, or why desktops of this host get no network and what to do: "root" is "" for this machine. */
char *desktop_network_find_refusal(const char *root);

/* The name servers for passt: NULL-terminated, empty where passt finds them itself (resolv.conf(5)). */
char **desktop_network_list_servers(const char *root);

#endif
