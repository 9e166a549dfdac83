/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known_hosts.h - the certificates of the brokers that this user has trusted, pinned on first use
 *
 * $XDG_CONFIG_HOME/carrel/known_hosts, one broker a line: "HOST:PORT SHA256", the fingerprint as in http_client.h.
 * Lines that begin with '#' are skipped. The viewer and the command line share it.
 */
#ifndef COMMON_KNOWN_HOSTS_H
#define COMMON_KNOWN_HOSTS_H

#include <glib.h>

#define KNOWN_HOSTS_DEFAULT_PORT 8443

/*
 * A broker's address as people type it ("broker", "broker:9443", "https://broker:8443/") as "https://HOST:PORT".
 * NULL and error when it is none, or not https.
 */
char *known_hosts_normalize(const char *address, GError **error);

/* The pinned fingerprint, or NULL when this broker (in the normal form) is not known. */
char *known_hosts_find(const char *broker);

/* Adds or replaces the line of this broker. */
gboolean known_hosts_add(const char *broker, const char *fingerprint, GError **error);

/* The file's path, for messages. */
char *known_hosts_get_path(void);

#endif
