/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_sync.h - the one call between carrel-hostd and the broker (docs/PROTOCOL.md, sync)
 */
#ifndef BROKER_HOST_SYNC_H
#define BROKER_HOST_SYNC_H

#include <glib.h>

#include "base/json.h"

struct broker;
struct host_table;
struct http_request;

struct host_table *host_table_new(struct broker *broker);
void host_table_free(struct host_table *table);

/* POST /hosts/NAME/sync: takes the report in, then answers now or when there is something new. */
void host_sync_handle(struct host_table *table, struct http_request *request);

/* Something that hosts may have to know has changed: compares and answers those that wait, soon. */
void host_sync_notify(struct host_table *table);

/* After a commit that changed desktops, sessions or tickets: counts the pools, answers tickets, then host_sync_notify(). */
void host_sync_reconcile(struct host_table *table);

/*
 * Puts a request (screenshot, powerdown, stop) into the answers to this host until it has seen or answered it. Returns its
 * number, or 0 when there are too many; "waiting" as for host_orders_add().
 */
gint64 host_sync_request(struct host_table *table, const char *host, const char *verb,
			 const char *desktop, struct http_request *waiting);

#endif
