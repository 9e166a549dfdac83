/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_message.h - what an agent may say: one frame's JSON, checked
 */
#ifndef HOST_AGENT_MESSAGE_H
#define HOST_AGENT_MESSAGE_H

#include <glib.h>

#include "base/json.h"

struct agent_message {
	json_t *object; /* owned; the rest points into it */
	guint64 id;	/* 0: an event */
	guint64 generation;
	const char *verb;
	gboolean ok;
	const char *error; /* when not ok */
	json_t *body;	   /* NULL when there was none */
};

/* 0, or -EINVAL and the problem: the caller ends the link. agent_message_done() afterwards, in both cases. */
int agent_message_parse(const char *text, gsize size, struct agent_message *ret_message,
			struct json_problem *ret_problem);
void agent_message_done(struct agent_message *message);

/*
 * Looks for the answer to a resync with this nonce in bytes whose frame borders are not known. The number of bytes up
 * to its end, and its body (a new reference), or 0 when it is not there (yet).
 */
gsize agent_message_find_resync(const guint8 *data, gsize size, const char *nonce,
				json_t **ret_body);

#endif
