/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_link.h - hostd's end of one desktop's agent port (base/proto_agent.h, docs/PROTOCOL.md)
 *
 * Everything that comes out of it was checked against the verb's table: a caller may rely on keys and ranges, but
 * still not on the truth of what a guest says.
 */
#ifndef HOST_AGENT_LINK_H
#define HOST_AGENT_LINK_H

#include <gio/gio.h>

#include "base/json.h"

struct agent_link;

/* An event's verb and body, valid during the call. Verb NULL: the link has ended. The callee may free the link. */
typedef void (*agent_link_callback)(void *context, const char *verb, const json_t *body);

/* Takes over the connected socket of the desktop's "agent" port. */
struct agent_link *agent_link_new(int fd, guint64 generation, agent_link_callback callback,
				  void *context);
void agent_link_free(struct agent_link *link);

/*
 * Discards all that comes until the agent echoes a nonce made now; only then other requests may be sent. Repeated each
 * second until the deadline, because a guest that boots opens its port late.
 */
void agent_link_resync(struct agent_link *link, guint timeout_ms, GCancellable *cancellable,
		       GAsyncReadyCallback callback, gpointer data);

/* "body" may be NULL and is taken over. G_IO_ERROR_NOT_SUPPORTED when the agent does not know the verb. */
void agent_link_request(struct agent_link *link, const char *verb, json_t *body, guint timeout_ms,
			GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);

/* The answer's body (a new reference, an empty object when there was none); of resync too. */
json_t *agent_link_finish(GAsyncResult *result, GError **error);

#endif
