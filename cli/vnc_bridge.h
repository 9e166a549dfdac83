/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_bridge.h - a stock VNC client's way to a desktop: a local socket for one client, CONNECT and TLS for it
 */
#ifndef CLI_VNC_BRIDGE_H
#define CLI_VNC_BRIDGE_H

#include <gio/gio.h>

#include "base/json.h"

struct vnc_bridge;

/*
 * Listens at "where": a port of 127.0.0.1, or a path, where a socket is made that only its owner may use. A file that is there
 * is an error. NULL: see the error.
 */
struct vnc_bridge *vnc_bridge_listen(const char *where, GError **error);
void vnc_bridge_free(struct vnc_bridge *bridge);

/* As a VNC client wants to be told: "127.0.0.1::5901", or the path. */
const char *vnc_bridge_get_address(const struct vnc_bridge *bridge);

/* Waits for the one client; from then on nobody else gets in. */
gboolean vnc_bridge_accept(struct vnc_bridge *bridge, GError **error);

/* Connects the client with the display that the broker's "vv" names, and returns when one of them has ended. */
gboolean vnc_bridge_run(struct vnc_bridge *bridge, const json_t *vv, GError **error);

#endif
