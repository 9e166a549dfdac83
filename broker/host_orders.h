/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_orders.h - what a host is asked to do once: stop, powerdown, screenshot (docs/PROTOCOL.md, Sync, "requests")
 *
 * They live in memory: what a restarted broker was asked for has to be asked for again.
 */
#ifndef BROKER_HOST_ORDERS_H
#define BROKER_HOST_ORDERS_H

#include <glib.h>

#include "base/json.h"

#define HOST_ORDERS_MAX	     64 /* of one host */
#define HOST_ORDERS_ANSWER_S 20 /* how long a client waits for a screenshot */

struct host_orders;
struct http_request;

struct host_orders *host_orders_new(void);
void host_orders_free(
	struct host_orders *orders); /* may be NULL; http_stop() has answered those that wait */

/*
 * FALSE when there are HOST_ORDERS_MAX. "waiting" (NULL: nobody) is taken over on success and answered when the host's answer
 * comes, or in time with 504; "verb" is a constant.
 */
gboolean host_orders_add(struct host_orders *orders, gint64 id, const char *verb,
			 const char *desktop, struct http_request *waiting);

/* For sync's answer, a new reference. */
json_t *host_orders_list(const struct host_orders *orders);

/* The first answer with that number carries those that are new. */
void host_orders_stamp(struct host_orders *orders, gint64 number);

/* The host has seen the answer "seen": those that need no answer of its own are done. */
void host_orders_drop_seen(struct host_orders *orders, gint64 seen);

/* A checked report's "answers". */
void host_orders_take_answers(struct host_orders *orders, const json_t *answers);

#endif
