/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gateway_core.h - clients' sockets on their way from the listener to carrel-hostd
 */
#ifndef BROKER_GATEWAY_CORE_H
#define BROKER_GATEWAY_CORE_H

#include <gio/gio.h>

struct gateway_core;

/* hostd's socket is connected when the first client needs it, and again whenever it was lost. */
struct gateway_core *gateway_core_new(const char *hostd_socket);
void gateway_core_free(struct gateway_core *core);

/* A fresh client. Keeps a reference: a connection closes its socket with its last one. */
void gateway_core_add(struct gateway_core *core, GSocketConnection *connection);

#endif
