/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_link.c - hostd's end of one desktop's agent port (carrel-hostd, carrel-worker)
 *
 * How it works: after a fork the bytes on the port begin wherever the template stopped. agent_link_resync() therefore
 * discards what it reads, keeping only RESYNC_KEEP_BYTES, until it finds its own nonce in an answer; from behind
 * that answer on, bytes are frames. Requests, their deadlines and what waits to be written are host/request_link.c's. A
 * frame that is not of its form ends the link: a guest gets no second interpretation; an answer that nobody waits for
 * (any more) is dropped.
 *
 *	NEW -> RESYNCING -> OPEN
 */
#include "host/agent_link.h"

#include <string.h>

#include "base/frame.h"
#include "base/id.h"
#include "base/proto_agent.h"
#include "host/agent_message.h"
#include "host/request_link.h"

#define RESYNC_KEEP_BYTES (64 * 1024)
#define RESYNC_REPEAT_MS  1000
#define MAX_PENDING	  16
#define MAX_UNSENT	  (256 * 1024)

enum agent_link_state {
	AGENT_LINK_NEW,
	AGENT_LINK_RESYNCING,
	AGENT_LINK_OPEN,
};

struct agent_link {
	struct request_link *link;
	enum agent_link_state state;
	guint64 generation;
	guint repeat;
	guint64 resync_id;
	char nonce[ID_SECRET_SIZE];
	GByteArray *noise; /* while RESYNCING */
	struct frame_reader reader;
	agent_link_callback callback;
	void *context;
};

/* QEMU does not read while the guest's port is closed: what it does not take waits, bounded. */
static void
agent_link_send(struct agent_link *link, guint64 id, const char *verb, json_t *body)
{
	json_t *object =
		json_pack("{s:i, s:I, s:s, s:I}", "v", AGENT_PROTOCOL_VERSION, "id", (json_int_t)id,
			  "verb", verb, "generation", (json_int_t)link->generation);
	uint8_t *frame;
	size_t size;
	char *text;

	json_object_set_new(object, "body", body ? body : json_object());
	text = json_dumps(object, JSON_COMPACT);
	if (frame_encode(text, strlen(text), &frame, &size) == 0) {
		request_link_send(link->link, id, frame, size, -1);
		free(frame);
	}
	free(text);
	json_decref(object);
}

static void
agent_link_refuse(const char *what, GCancellable *cancellable, GAsyncReadyCallback callback,
		  gpointer data)
{
	g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);

	g_task_set_check_cancellable(task, FALSE);
	g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED,
				"the agent's link takes no '%s' now", what);
}

void
agent_link_request(struct agent_link *link, const char *verb, json_t *body, guint timeout_ms,
		   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
	guint64 id = 0;

	if (link->state == AGENT_LINK_OPEN)
		id = request_link_ask(link->link, verb, timeout_ms, cancellable, callback, data);
	else
		agent_link_refuse(verb, cancellable, callback, data);
	if (id == 0)
		json_decref(body);
	else
		agent_link_send(link, id, verb, body);
}

json_t *
agent_link_finish(GAsyncResult *result, GError **error)
{
	return request_link_finish(result, error);
}

static gboolean
agent_link_handle_repeat(gpointer data)
{
	struct agent_link *link = data;

	/* What the port has not even taken need not be said twice. */
	if (request_link_count_unsent(link->link) == 0)
		agent_link_send(link, link->resync_id, AGENT_VERB_RESYNC,
				json_pack("{s:s}", "nonce", link->nonce));
	return G_SOURCE_CONTINUE;
}

void
agent_link_resync(struct agent_link *link, guint timeout_ms, GCancellable *cancellable,
		  GAsyncReadyCallback callback, gpointer data)
{
	if (id_new_secret(link->nonce) < 0) {
		agent_link_refuse(AGENT_VERB_RESYNC, cancellable, callback, data);
		return;
	}
	link->resync_id = request_link_ask(link->link, AGENT_VERB_RESYNC, timeout_ms, cancellable,
					   callback, data);
	if (link->resync_id == 0)
		return;
	link->state = AGENT_LINK_RESYNCING;
	frame_reader_reset(&link->reader);
	g_clear_handle_id(&link->repeat, g_source_remove);
	link->repeat = g_timeout_add(RESYNC_REPEAT_MS, agent_link_handle_repeat, link);
	agent_link_handle_repeat(link);
}

static GIOErrorEnum
agent_link_judge(const char *error)
{
	if (strcmp(error, "unsupported") == 0)
		return G_IO_ERROR_NOT_SUPPORTED;
	return g_str_has_prefix(error, AGENT_ERROR_BUSY) ? G_IO_ERROR_BUSY : G_IO_ERROR_FAILED;
}

static void
agent_link_take_answer(struct agent_link *link, struct agent_message *message)
{
	const char *verb = request_link_find(link->link, message->id);

	/* Late: its deadline has passed (or it is a second echo of the nonce). */
	if (!verb || strcmp(verb, message->verb) != 0)
		return;
	if (message->ok)
		request_link_answer(link->link, message->id,
				    message->body ? json_incref(message->body) : json_object(),
				    NULL);
	else
		request_link_answer(link->link, message->id, NULL,
				    g_error_new(G_IO_ERROR, (int)agent_link_judge(message->error),
						"the agent refused '%s': %s", message->verb,
						message->error));
}

static void
agent_link_take_frame(struct agent_link *link, const char *text, gsize size)
{
	struct agent_message message;
	struct json_problem problem;

	if (agent_message_parse(text, size, &message, &problem) < 0)
		request_link_break(link->link, problem.text);
	else if (message.id > 0)
		agent_link_take_answer(link, &message);
	else if (link->callback)
		link->callback(link->context, message.verb, message.body);
	agent_message_done(&message);
}

static void
agent_link_take_frames(struct agent_link *link)
{
	while (link->state == AGENT_LINK_OPEN && request_link_is_open(link->link)) {
		const char *text;
		size_t size;
		int got = frame_reader_next(&link->reader, &text, &size);

		if (got == 0)
			return;
		if (got < 0)
			request_link_break(link->link,
					   "the agent announced an empty or too long frame");
		else
			agent_link_take_frame(link, text, size);
	}
}

static void
agent_link_take_noise(struct agent_link *link, const guint8 *bytes, gsize size)
{
	json_t *body;
	gsize end;

	g_byte_array_append(link->noise, bytes, (guint)size);
	end = agent_message_find_resync(link->noise->data, link->noise->len, link->nonce, &body);
	if (end == 0) {
		if (link->noise->len > RESYNC_KEEP_BYTES)
			g_byte_array_remove_range(link->noise, 0,
						  link->noise->len - RESYNC_KEEP_BYTES);
		return;
	}
	link->state = AGENT_LINK_OPEN;
	g_clear_handle_id(&link->repeat, g_source_remove);
	if (frame_reader_feed(&link->reader, link->noise->data + end, link->noise->len - end) < 0)
		request_link_break(link->link, "the agent sends faster than it is read");
	g_byte_array_set_size(link->noise, 0);
	request_link_answer(link->link, link->resync_id, body, NULL);
	agent_link_take_frames(link);
}

static void
agent_link_take_bytes(void *owner, const guint8 *bytes, gsize size)
{
	struct agent_link *link = owner;

	if (link->state == AGENT_LINK_RESYNCING) {
		agent_link_take_noise(link, bytes, size);
	} else if (link->state == AGENT_LINK_OPEN) {
		if (frame_reader_feed(&link->reader, bytes, size) < 0)
			request_link_break(link->link, "the agent sends faster than it is read");
		agent_link_take_frames(link);
	}
}

static void
agent_link_handle_ended(void *owner)
{
	struct agent_link *link = owner;

	g_clear_handle_id(&link->repeat, g_source_remove);
	if (link->callback)
		link->callback(link->context, NULL, NULL);
}

static void
agent_link_done(void *owner)
{
	struct agent_link *link = owner;

	g_byte_array_unref(link->noise);
	frame_reader_done(&link->reader);
	g_free(link);
}

static const struct request_link_rules agent_link_rules = {
	.peer = "the agent",
	.advice = "",
	.max_pending = MAX_PENDING,
	.max_unsent = MAX_UNSENT,
	.take = agent_link_take_bytes,
	.ended = agent_link_handle_ended,
	.done = agent_link_done,
};

struct agent_link *
agent_link_new(int fd, guint64 generation, agent_link_callback callback, void *context)
{
	struct agent_link *link = g_new0(struct agent_link, 1);

	link->generation = generation;
	link->callback = callback;
	link->context = context;
	link->noise = g_byte_array_new();
	link->link = request_link_new(fd, &agent_link_rules, link);
	return link;
}

void
agent_link_free(struct agent_link *link)
{
	if (!link)
		return;
	link->callback = NULL;
	g_clear_handle_id(&link->repeat, g_source_remove);
	request_link_free(link->link);
}
