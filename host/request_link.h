/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request_link.h - requests and their answers on one stream socket, under host/qmp.h and host/agent_link.h
 *
 * What the two share: a queue of messages to write, requests that wait for an answer by id, each with a deadline and a
 * GCancellable, and one end for all of them. What the bytes mean is the owner's.
 */
#ifndef HOST_REQUEST_LINK_H
#define HOST_REQUEST_LINK_H

#include <gio/gio.h>

#include "base/json.h"

#define REQUEST_LINK_NO_LIMIT G_MAXUINT

struct request_link;

/* Each function may free the link. */
struct request_link_rules {
	const char *peer;   /* for errors: "QEMU did not answer 'cont' in time" */
	const char *advice; /* behind "... was closed" */
	guint max_pending;  /* requests without an answer */
	guint max_unsent;   /* bytes that wait to be written */
	void (*take)(void *owner, const guint8 *bytes, gsize size);
	void (*ended)(void *owner); /* once, from the main loop; not after request_link_free() */
	void (*done)(void *owner);  /* nobody uses the owner any more */
};

/* Takes over the connected socket. The rules must stay. */
struct request_link *request_link_new(int fd, const struct request_link_rules *rules, void *owner);

/* Requests without an answer fail with G_IO_ERROR_CLOSED; done() comes, perhaps from inside. */
void request_link_free(struct request_link *link);

/* Ends the connection soon: why is for the log, NULL when the peer closed it. */
void request_link_break(struct request_link *link, const char *why);
gboolean request_link_is_open(const struct request_link *link);

/*
 * A request that waits for its answer: its id, or 0 when the link takes none (then the callback gets an error). One
 * that ends early takes its message back unless some of it is written already.
 */
guint64 request_link_ask(struct request_link *link, const char *name, guint timeout_ms,
			 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);

/*
 * Queues a message of that request. The bytes are copied; "fd" goes along by SCM_RIGHTS unless negative and stays the
 * caller's. Above max_unsent it is left out: the request then runs into its deadline.
 */
void request_link_send(struct request_link *link, guint64 id, const void *bytes, gsize size,
		       int fd);

/* How many messages may still be written from now on; at first REQUEST_LINK_NO_LIMIT. */
void request_link_allow(struct request_link *link, guint messages);
gsize request_link_count_unsent(const struct request_link *link);

/* The name of a request that waits and whose messages are all written, or NULL. */
const char *request_link_find(const struct request_link *link, guint64 id);

/* Ends a request that waits, if it still does; value or error is taken over. */
void request_link_answer(struct request_link *link, guint64 id, json_t *value, GError *error);

/* In the callback: the answer's value, a new reference, or NULL and an error. */
json_t *request_link_finish(GAsyncResult *result, GError **error);

#endif
