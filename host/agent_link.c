/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_link.c - hostd's end of one desktop's agent port (carrel-hostd, carrel-worker)
 *
 * How it works: after a fork the bytes on the port begin wherever the template stopped. agent_link_resync() therefore
 * discards what it reads, keeping only RESYNC_KEEP_BYTES, until it finds its own nonce in an answer; from behind
 * that answer on, bytes are frames. Requests are GTasks in a table by id, each with a deadline. A frame that is not
 * of its form, or an answer that nobody asked for, ends the link: a guest gets no second interpretation.
 *
 *	NEW -> RESYNCING -> OPEN -> CLOSED
 */
#include "host/agent_link.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/id.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_agent.h"
#include "host/agent_message.h"

#define RESYNC_KEEP_BYTES (64 * 1024)
#define RESYNC_REPEAT_MS  1000
#define READ_BYTES	  16384
#define MAX_PENDING	  16
#define MAX_OUTPUT	  (256 * 1024)

enum agent_link_state {
	AGENT_LINK_NEW,
	AGENT_LINK_RESYNCING,
	AGENT_LINK_OPEN,
	AGENT_LINK_CLOSED,
};

struct agent_request {
	struct agent_link *link;
	guint64 id;
	char *verb;
	GTask *task;
	guint deadline;
	GSource *cancelled;
};

struct agent_link {
	gint references;
	int fd;
	enum agent_link_state state;
	guint64 generation;
	guint readable;
	guint writable;
	guint broken;
	guint repeat;
	char nonce[ID_SECRET_SIZE];
	GByteArray *noise; /* while RESYNCING */
	GByteArray *output;
	struct frame_reader reader;
	GHashTable *pending;
	guint64 last_id;
	agent_link_callback callback;
	void *context;
};

static void
agent_request_free(gpointer data)
{
	struct agent_request *request = data;

	if (request->deadline)
		g_source_remove(request->deadline);
	if (request->cancelled) {
		g_source_destroy(request->cancelled);
		g_source_unref(request->cancelled);
	}
	g_clear_object(&request->task);
	g_free(request->verb);
	g_free(request);
}

static void
agent_request_settle(struct agent_request *request, json_t *body, GError *error)
{
	GTask *task = g_steal_pointer(&request->task);

	g_hash_table_remove(request->link->pending, &request->id);
	if (error)
		g_task_return_error(task, error);
	else
		g_task_return_pointer(task, body, (GDestroyNotify)json_decref);
	g_object_unref(task);
}

static void
agent_link_fail_all(struct agent_link *link)
{
	GHashTableIter iter;
	gpointer request;

	g_hash_table_iter_init(&iter, link->pending);
	while (g_hash_table_iter_next(&iter, NULL, &request)) {
		agent_request_settle(request, NULL,
				     g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
							 "the agent's port was closed"));
		g_hash_table_iter_init(&iter, link->pending);
	}
}

static void
agent_link_shut(struct agent_link *link)
{
	link->state = AGENT_LINK_CLOSED;
	g_clear_handle_id(&link->readable, g_source_remove);
	g_clear_handle_id(&link->writable, g_source_remove);
	g_clear_handle_id(&link->broken, g_source_remove);
	g_clear_handle_id(&link->repeat, g_source_remove);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	agent_link_fail_all(link);
}

static void
agent_link_unref(struct agent_link *link)
{
	if (--link->references > 0)
		return;
	g_hash_table_unref(link->pending);
	g_byte_array_unref(link->noise);
	g_byte_array_unref(link->output);
	frame_reader_done(&link->reader);
	g_free(link);
}

static gboolean
agent_link_handle_broken(gpointer data)
{
	struct agent_link *link = data;

	link->broken = 0;
	link->references++;
	agent_link_shut(link);
	if (link->callback)
		link->callback(link->context, NULL, NULL);
	agent_link_unref(link);
	return G_SOURCE_REMOVE;
}

static void
agent_link_break(struct agent_link *link, const char *why)
{
	if (link->state == AGENT_LINK_CLOSED || link->broken)
		return;
	log_info("the agent's link ends: %s", why);
	g_clear_handle_id(&link->readable, g_source_remove);
	g_clear_handle_id(&link->writable, g_source_remove);
	link->broken = g_idle_add_full(G_PRIORITY_DEFAULT, agent_link_handle_broken, link, NULL);
}

static gboolean agent_link_handle_writable(gint fd, GIOCondition condition, gpointer data);

/* QEMU does not read while the guest's port is closed: what it does not take waits here, bounded. */
static void
agent_link_flush(struct agent_link *link)
{
	while (link->output->len > 0) {
		ssize_t n = send(link->fd, link->output->data, link->output->len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!link->writable)
				link->writable = g_unix_fd_add(link->fd, G_IO_OUT,
							       agent_link_handle_writable, link);
			return;
		}
		if (n < 0) {
			agent_link_break(link, g_strerror(errno));
			return;
		}
		g_byte_array_remove_range(link->output, 0, (guint)n);
	}
}

static gboolean
agent_link_handle_writable(gint fd, GIOCondition condition, gpointer data)
{
	struct agent_link *link = data;

	(void)fd, (void)condition;
	link->writable = 0;
	agent_link_flush(link);
	return G_SOURCE_REMOVE;
}

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
		if (link->output->len + size <= MAX_OUTPUT)
			g_byte_array_append(link->output, frame, (guint)size);
		free(frame);
	}
	free(text);
	json_decref(object);
	agent_link_flush(link);
}

static gboolean
agent_link_handle_deadline(gpointer data)
{
	struct agent_request *request = data;

	request->deadline = 0;
	agent_request_settle(request, NULL,
			     g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
					 "the agent did not answer '%s' in time", request->verb));
	return G_SOURCE_REMOVE;
}

static gboolean
agent_link_handle_cancelled(GCancellable *cancellable, gpointer data)
{
	(void)cancellable;
	agent_request_settle(data, NULL,
			     g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
	return G_SOURCE_REMOVE;
}

static struct agent_request *
agent_link_add(struct agent_link *link, const char *verb, guint timeout_ms,
	       GCancellable *cancellable, GTask *task)
{
	struct agent_request *request = g_new0(struct agent_request, 1);

	request->link = link;
	request->id = ++link->last_id;
	request->verb = g_strdup(verb);
	request->task = task;
	request->deadline = g_timeout_add(timeout_ms, agent_link_handle_deadline, request);
	if (cancellable) {
		request->cancelled = g_cancellable_source_new(cancellable);
		g_source_set_callback(request->cancelled,
				      G_SOURCE_FUNC(agent_link_handle_cancelled), request, NULL);
		g_source_attach(request->cancelled, NULL);
	}
	g_hash_table_insert(link->pending, &request->id, request);
	return request;
}

void
agent_link_request(struct agent_link *link, const char *verb, json_t *body, guint timeout_ms,
		   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
	GTask *task = g_task_new(NULL, cancellable, callback, data);
	struct agent_request *request;

	g_task_set_check_cancellable(task, FALSE);
	if (link->state != AGENT_LINK_OPEN || link->broken ||
	    g_hash_table_size(link->pending) >= MAX_PENDING) {
		json_decref(body);
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED,
					"the agent's link takes no '%s' now", verb);
		g_object_unref(task);
		return;
	}
	request = agent_link_add(link, verb, timeout_ms, cancellable, task);
	agent_link_send(link, request->id, verb, body);
}

json_t *
agent_link_finish(GAsyncResult *result, GError **error)
{
	return g_task_propagate_pointer(G_TASK(result), error);
}

static gboolean
agent_link_handle_repeat(gpointer data)
{
	struct agent_link *link = data;

	/* What the port has not even taken need not be said twice. */
	if (link->output->len == 0)
		agent_link_send(link, link->last_id, AGENT_VERB_RESYNC,
				json_pack("{s:s}", "nonce", link->nonce));
	return G_SOURCE_CONTINUE;
}

void
agent_link_resync(struct agent_link *link, guint timeout_ms, GCancellable *cancellable,
		  GAsyncReadyCallback callback, gpointer data)
{
	GTask *task = g_task_new(NULL, cancellable, callback, data);

	g_task_set_check_cancellable(task, FALSE);
	if (link->state == AGENT_LINK_CLOSED || link->broken || id_new_secret(link->nonce) < 0) {
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED,
					"the agent's link cannot resync now");
		g_object_unref(task);
		return;
	}
	link->state = AGENT_LINK_RESYNCING;
	frame_reader_reset(&link->reader);
	agent_link_add(link, AGENT_VERB_RESYNC, timeout_ms, cancellable, task);
	g_clear_handle_id(&link->repeat, g_source_remove);
	link->repeat = g_timeout_add(RESYNC_REPEAT_MS, agent_link_handle_repeat, link);
	agent_link_handle_repeat(link);
}

static void
agent_link_take_answer(struct agent_link *link, struct agent_message *message)
{
	struct agent_request *request = g_hash_table_lookup(link->pending, &message->id);

	/* Late: its deadline has passed (or it is a second echo of the nonce). */
	if (!request || strcmp(request->verb, message->verb) != 0)
		return;
	if (message->ok)
		agent_request_settle(
			request, message->body ? json_incref(message->body) : json_object(), NULL);
	else
		agent_request_settle(request, NULL,
				     g_error_new(G_IO_ERROR,
						 strcmp(message->error, "unsupported") == 0
							 ? G_IO_ERROR_NOT_SUPPORTED
							 : G_IO_ERROR_FAILED,
						 "the agent refused '%s': %s", message->verb,
						 message->error));
}

static void
agent_link_take_frame(struct agent_link *link, const char *text, gsize size)
{
	struct agent_message message;
	struct json_problem problem;

	if (agent_message_parse(text, size, &message, &problem) < 0)
		agent_link_break(link, problem.text);
	else if (message.id > 0)
		agent_link_take_answer(link, &message);
	else if (link->callback)
		link->callback(link->context, message.verb, message.body);
	agent_message_done(&message);
}

static void
agent_link_take_frames(struct agent_link *link)
{
	while (link->state == AGENT_LINK_OPEN && !link->broken) {
		const char *text;
		size_t size;
		int got = frame_reader_next(&link->reader, &text, &size);

		if (got == 0)
			return;
		if (got < 0)
			agent_link_break(link, "the agent announced an empty or too long frame");
		else
			agent_link_take_frame(link, text, size);
	}
}

static void
agent_link_take_noise(struct agent_link *link, const guint8 *bytes, gsize size)
{
	struct agent_request *request;
	guint64 id = link->last_id;
	gsize end;

	g_byte_array_append(link->noise, bytes, (guint)size);
	end = agent_message_find_resync(link->noise->data, link->noise->len, link->nonce);
	if (end == 0) {
		if (link->noise->len > RESYNC_KEEP_BYTES)
			g_byte_array_remove_range(link->noise, 0,
						  link->noise->len - RESYNC_KEEP_BYTES);
		return;
	}
	link->state = AGENT_LINK_OPEN;
	g_clear_handle_id(&link->repeat, g_source_remove);
	if (frame_reader_feed(&link->reader, link->noise->data + end, link->noise->len - end) < 0)
		agent_link_break(link, "the agent sends faster than it is read");
	g_byte_array_set_size(link->noise, 0);
	request = g_hash_table_lookup(link->pending, &id);
	if (request)
		agent_request_settle(request, json_object(), NULL);
	agent_link_take_frames(link);
}

static gboolean
agent_link_handle_readable(gint fd, GIOCondition condition, gpointer data)
{
	guint8 bytes[READ_BYTES];
	struct agent_link *link = data;
	ssize_t n;

	(void)condition;
	n = read(fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n <= 0) {
		link->readable = 0;
		agent_link_break(link, n == 0 ? "the port was closed" : g_strerror(errno));
		return G_SOURCE_REMOVE;
	}
	link->references++;
	if (link->state == AGENT_LINK_RESYNCING) {
		agent_link_take_noise(link, bytes, (gsize)n);
	} else if (link->state == AGENT_LINK_OPEN) {
		if (frame_reader_feed(&link->reader, bytes, (gsize)n) < 0)
			agent_link_break(link, "the agent sends faster than it is read");
		agent_link_take_frames(link);
	}
	agent_link_unref(link);
	return G_SOURCE_CONTINUE;
}

struct agent_link *
agent_link_new(int fd, guint64 generation, agent_link_callback callback, void *context)
{
	struct agent_link *link = g_new0(struct agent_link, 1);

	link->references = 1;
	link->fd = fd;
	link->generation = generation;
	link->callback = callback;
	link->context = context;
	link->noise = g_byte_array_new();
	link->output = g_byte_array_new();
	link->pending =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, agent_request_free);
	io_set_nonblocking(fd, true);
	link->readable = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, agent_link_handle_readable, link);
	return link;
}

void
agent_link_free(struct agent_link *link)
{
	if (!link)
		return;
	link->callback = NULL;
	agent_link_shut(link);
	agent_link_unref(link);
}
