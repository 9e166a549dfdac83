/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gateway_core.h - clients' sockets on their way from the listener to carrel-hostd
 */
#ifndef BROKER_GATEWAY_CORE_H
#define BROKER_GATEWAY_CORE_H

#include <gio/gio.h>

struct gateway_core;

/* What a client may take for its head, and hostd for its answer. */
struct gateway_core_times {
	unsigned int head_ms;
	unsigned int answer_ms;
};

#define GATEWAY_CORE_TIMES                           \
	{                                            \
		.head_ms = 10000, .answer_ms = 20000 \
	}

/* hostd's socket is connected when the first client needs it, and again whenever it was lost. */
struct gateway_core *gateway_core_new(const char *hostd_socket,
				      const struct gateway_core_times *times);
void gateway_core_free(struct gateway_core *core);

/* A fresh client. Keeps a reference: a connection closes its socket with its last one. */
void gateway_core_add(struct gateway_core *core, GSocketConnection *connection);

#endif
