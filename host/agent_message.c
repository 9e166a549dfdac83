/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_message.c - what an agent may say: one frame's JSON, checked (carrel-hostd, carrel-worker)
 *
 * A guest is hostile until checked: the frame against envelope_fields, its body against its verb's table. A verb that
 * is not in answer_table or event_table, or a key that is in no table, ends the link.
 */
#include "host/agent_message.h"

#include <errno.h>
#include <string.h>

#include "base/frame.h"
#include "base/proto_agent.h"

#define MAX_NOTES 8
#define MAX_LIST  64

static const struct json_field envelope_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, AGENT_PROTOCOL_VERSION },
	{ "id", JSON_KIND_INTEGER, 0, 0, INT64_MAX },
	{ "verb", JSON_KIND_STRING, 0, 1, 32 },
	{ "generation", JSON_KIND_INTEGER, 1, 0, INT64_MAX },
	{ "ok", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "error", JSON_KIND_STRING, 1, 0, AGENT_MAX_TEXT },
	{ "body", JSON_KIND_OBJECT, 1, 0, 0 },
};

static const struct json_field hello_fields[] = {
	{ "version", JSON_KIND_INTEGER, 0, 1, 1000 },
	{ "agent", JSON_KIND_STRING, 0, 0, AGENT_MAX_TEXT },
	{ "verbs", JSON_KIND_ARRAY, 0, 0, MAX_LIST },
	{ "os", JSON_KIND_STRING, 0, 0, AGENT_MAX_TEXT },
};
static const struct json_field resync_fields[] = {
	{ "nonce", JSON_KIND_STRING, 0, 1, 64 },
	{ "state", JSON_KIND_STRING, 1, 1, 32 },
};
/* Older agents do not say it. */
static const struct json_field quiesce_fields[] = { { "rests", JSON_KIND_BOOLEAN, 1, 0, 0 } };
static const struct json_field identify_fields[] = { { "steps", JSON_KIND_ARRAY, 0, 0, MAX_LIST } };
static const struct json_field login_fields[] = { { "session", JSON_KIND_STRING, 0, 0,
						    AGENT_MAX_TEXT } };
static const struct json_field screen_fields[] = {
	{ "width", JSON_KIND_INTEGER, 0, 1, 8192 },
	{ "height", JSON_KIND_INTEGER, 0, 1, 8192 },
};
static const struct json_field ready_fields[] = {
	{ "x", JSON_KIND_BOOLEAN, 0, 0, 0 },
	{ "notes", JSON_KIND_OBJECT, 1, 0, 0 },
};
static const struct json_field logoff_fields[] = {
	{ "user", JSON_KIND_STRING, 0, 0, AGENT_MAX_TEXT },
	{ "reason", JSON_KIND_STRING, 0, 0, AGENT_MAX_TEXT },
};

struct verb_table {
	const char *verb;
	const struct json_field *fields; /* NULL: no key at all */
	gsize n_fields;
};

static const struct verb_table answer_table[] = {
	{ AGENT_VERB_HELLO, hello_fields, G_N_ELEMENTS(hello_fields) },
	{ AGENT_VERB_RESYNC, resync_fields, G_N_ELEMENTS(resync_fields) },
	{ AGENT_VERB_QUIESCE, quiesce_fields, G_N_ELEMENTS(quiesce_fields) },
	{ AGENT_VERB_IDENTIFY, identify_fields, G_N_ELEMENTS(identify_fields) },
	{ AGENT_VERB_CLOCK, NULL, 0 },
	{ AGENT_VERB_LOGIN, login_fields, G_N_ELEMENTS(login_fields) },
	{ AGENT_VERB_LOGOFF, NULL, 0 },
	{ AGENT_VERB_SCREEN, screen_fields, G_N_ELEMENTS(screen_fields) },
	{ AGENT_VERB_READY, ready_fields, G_N_ELEMENTS(ready_fields) },
	{ AGENT_VERB_SHUTDOWN, NULL, 0 },
};

static const struct verb_table event_table[] = {
	{ AGENT_VERB_READY, ready_fields, G_N_ELEMENTS(ready_fields) },
	{ AGENT_VERB_LOGOFF, logoff_fields, G_N_ELEMENTS(logoff_fields) },
};

static const struct verb_table *
agent_message_find_verb(const struct agent_message *message)
{
	const struct verb_table *table = message->id == 0 ? event_table : answer_table;
	gsize n = message->id == 0 ? G_N_ELEMENTS(event_table) : G_N_ELEMENTS(answer_table);

	for (gsize i = 0; i < n; i++)
		if (strcmp(table[i].verb, message->verb) == 0)
			return &table[i];
	return NULL;
}

static gboolean
agent_message_needs_body(const struct verb_table *verb)
{
	for (gsize i = 0; i < verb->n_fields; i++)
		if (!verb->fields[i].optional)
			return TRUE;
	return FALSE;
}

static int
agent_message_check_notes(const json_t *body, struct json_problem *ret_problem)
{
	json_t *notes = json_object_get(body, "notes");
	const char *name;
	json_t *text;

	json_object_foreach(notes, name, text) {
		if (json_object_size(notes) <= MAX_NOTES && strlen(name) <= AGENT_MAX_TEXT &&
		    json_is_string(text) && json_string_length(text) <= AGENT_MAX_TEXT)
			continue;
		g_snprintf(ret_problem->text, sizeof(ret_problem->text),
			   "the notes are too many or too long");
		return -EINVAL;
	}
	return 0;
}

static int
agent_message_check_body(const struct agent_message *message, struct json_problem *ret_problem)
{
	const struct verb_table *verb = agent_message_find_verb(message);
	g_autofree char *what = NULL;
	int error;

	/* A refusal may be about a verb that this agent does not know: its name is all that counts. */
	if (!message->ok && message->id != 0)
		return 0;
	if (!verb) {
		g_snprintf(ret_problem->text, sizeof(ret_problem->text), "unknown verb '%.32s'",
			   message->verb);
		return -EINVAL;
	}
	if (!message->body && !agent_message_needs_body(verb))
		return 0;
	what = g_strdup_printf("the body of '%s'", verb->verb);
	error = json_check_object(message->body, what, verb->fields, verb->n_fields, ret_problem);
	return error < 0 ? error : agent_message_check_notes(message->body, ret_problem);
}

int
agent_message_parse(const char *text, gsize size, struct agent_message *ret_message,
		    struct json_problem *ret_problem)
{
	json_t *object = json_parse_strict(text, size, FRAME_MAX_BYTES, ret_problem);

	memset(ret_message, 0, sizeof(*ret_message));
	ret_message->object = object;
	if (!object || json_check_object(object, "the agent's frame", envelope_fields,
					 G_N_ELEMENTS(envelope_fields), ret_problem) < 0)
		return -EINVAL;
	ret_message->id = (guint64)json_get_integer(object, "id", 0);
	ret_message->generation = (guint64)json_get_integer(object, "generation", 0);
	ret_message->verb = json_get_text(object, "verb", "");
	ret_message->ok = json_get_flag(object, "ok", 0);
	ret_message->error = json_get_text(object, "error", "it gave no reason");
	ret_message->body = json_object_get(object, "body");
	return agent_message_check_body(ret_message, ret_problem);
}

void
agent_message_done(struct agent_message *message)
{
	json_decref(message->object);
	memset(message, 0, sizeof(*message));
}

static guint32
agent_message_get_length(const guint8 *head)
{
	return (guint32)head[0] | (guint32)head[1] << 8 | (guint32)head[2] << 16 |
	       (guint32)head[3] << 24;
}

/* The body, a new reference, of the answer to a resync with this nonce; NULL when it is none. */
static json_t *
agent_message_parse_resync(const char *text, gsize size, const char *nonce)
{
	struct agent_message message;
	struct json_problem problem;
	json_t *body = NULL;

	if (agent_message_parse(text, size, &message, &problem) == 0 && message.ok &&
	    strcmp(message.verb, AGENT_VERB_RESYNC) == 0 &&
	    strcmp(json_get_text(message.body, "nonce", ""), nonce) == 0)
		body = json_incref(message.body);
	agent_message_done(&message);
	return body;
}

gsize
agent_message_find_resync(const guint8 *data, gsize size, const char *nonce, json_t **ret_body)
{
	const guint8 *at = memmem(data, size, nonce, strlen(nonce));
	gsize nonce_at;

	if (!at)
		return 0;
	nonce_at = (gsize)(at - data);
	/* The head is not far in front of the nonce: an answer to resync is short. */
	for (gsize start = nonce_at; start-- > 0 && nonce_at - start < 1024;) {
		guint32 length;
		json_t *body;

		if (start + FRAME_HEAD_BYTES > nonce_at || data[start + FRAME_HEAD_BYTES] != '{')
			continue;
		length = agent_message_get_length(data + start);
		if (length > FRAME_MAX_BYTES || length > size - start - FRAME_HEAD_BYTES)
			continue;
		body = agent_message_parse_resync((const char *)data + start + FRAME_HEAD_BYTES,
						  length, nonce);
		if (!body)
			continue;
		*ret_body = body;
		return start + FRAME_HEAD_BYTES + length;
	}
	return 0;
}
