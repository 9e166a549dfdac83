/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request_link.c - requests and their answers on one stream socket (carrel-hostd, carrel-worker)
 *
 * How it works: request_link_ask() puts a GTask with a deadline into "pending"; request_link_send() queues its message,
 * and request_link_flush() writes the queue's head, its descriptor with the first byte. request_link_settle() is where
 * every request ends: by its answer, its deadline, its GCancellable, or with the link. An answer that comes later finds
 * nothing and is the owner's to drop. The end of the link is told from the main loop, never from inside a caller's
 * function; a reference is held while the owner's functions run, because each of them may free the link.
 *
 *	OPEN -> BREAKING -> CLOSED
 */
#include "host/request_link.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

#define READ_BYTES 16384

enum request_link_state {
	REQUEST_LINK_OPEN,
	REQUEST_LINK_BREAKING, /* "broken" will tell the owner */
	REQUEST_LINK_CLOSED,
};

struct request {
	struct request_link *link;
	guint64 id;
	char *name;
	GTask *task;
	guint deadline;
	GSource *cancelled;
};

struct request_message {
	guint64 id;
	GBytes *bytes;
	gsize sent;
	int fd;
};

struct request_link {
	gint references; /* one is the owner's */
	int fd;
	enum request_link_state state;
	const struct request_link_rules *rules;
	void *owner;
	guint readable;
	guint writable;
	guint broken;
	guint allowed;
	GQueue queue; /* of struct request_message */
	gsize unsent;
	GHashTable *pending; /* id -> struct request (owned) */
	guint64 last_id;
	char *why; /* it was broken; NULL: the peer closed it, or we did */
};

static void
request_free(gpointer data)
{
	struct request *request = data;

	if (request->deadline)
		g_source_remove(request->deadline);
	if (request->cancelled) {
		g_source_destroy(request->cancelled);
		g_source_unref(request->cancelled);
	}
	g_free(request->name);
	g_free(request);
}

static void
request_message_free(struct request_message *message)
{
	if (message->fd >= 0)
		close(message->fd);
	g_bytes_unref(message->bytes);
	g_free(message);
}

static void
request_link_drop_message(struct request_link *link, GList *at)
{
	struct request_message *message = at->data;

	link->unsent -= g_bytes_get_size(message->bytes) - message->sent;
	g_queue_delete_link(&link->queue, at);
	request_message_free(message);
}

/* What is half written must be written whole: nothing else could follow it. */
static void
request_link_take_back(struct request_link *link, guint64 id)
{
	for (GList *at = link->queue.head, *next; at; at = next) {
		const struct request_message *message = at->data;

		next = at->next;
		if (message->id == id && message->sent == 0)
			request_link_drop_message(link, at);
	}
}

static void
request_link_settle(struct request *request, json_t *value, GError *error)
{
	g_autoptr(GTask) task = request->task;

	request_link_take_back(request->link, request->id);
	g_hash_table_remove(request->link->pending, &request->id);
	if (error)
		g_task_return_error(task, error);
	else
		g_task_return_pointer(task, value, (GDestroyNotify)json_decref);
}

static void
request_link_fail_all(struct request_link *link)
{
	GHashTableIter iter;
	gpointer request;

	g_hash_table_iter_init(&iter, link->pending);
	while (g_hash_table_iter_next(&iter, NULL, &request)) {
		request_link_settle(request, NULL,
				    g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED,
						"the connection to %s was closed%s%s%s",
						link->rules->peer, link->why ? ": " : "",
						link->why ? link->why : "", link->rules->advice));
		g_hash_table_iter_init(&iter, link->pending);
	}
}

static void
request_link_drop_sources(struct request_link *link)
{
	g_clear_handle_id(&link->readable, g_source_remove);
	g_clear_handle_id(&link->writable, g_source_remove);
	g_clear_handle_id(&link->broken, g_source_remove);
}

static void
request_link_shut(struct request_link *link)
{
	link->state = REQUEST_LINK_CLOSED;
	request_link_drop_sources(link);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	while (link->queue.head)
		request_link_drop_message(link, link->queue.head);
	request_link_fail_all(link);
}

static void
request_link_ref(struct request_link *link)
{
	link->references++;
}

static void
request_link_unref(struct request_link *link)
{
	if (--link->references > 0)
		return;
	g_hash_table_unref(link->pending);
	link->rules->done(link->owner);
	g_free(link->why);
	g_free(link);
}

static gboolean
request_link_handle_broken(gpointer data)
{
	struct request_link *link = data;

	link->broken = 0;
	request_link_ref(link);
	request_link_shut(link);
	link->rules->ended(link->owner);
	request_link_unref(link);
	return G_SOURCE_REMOVE;
}

void
request_link_break(struct request_link *link, const char *why)
{
	if (link->state != REQUEST_LINK_OPEN)
		return;
	/* That a process ends is its owner's to tell. */
	if (why)
		log_info("the connection to %s ends: %s", link->rules->peer, why);
	link->why = g_strdup(why);
	link->state = REQUEST_LINK_BREAKING;
	request_link_drop_sources(link);
	link->broken = g_idle_add_full(G_PRIORITY_DEFAULT, request_link_handle_broken, link, NULL);
}

gboolean
request_link_is_open(const struct request_link *link)
{
	return link->state == REQUEST_LINK_OPEN;
}

static ssize_t
request_link_write(const struct request_link *link, const struct request_message *message)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	gsize size;
	const char *bytes = g_bytes_get_data(message->bytes, &size);
	struct iovec part = { (char *)(uintptr_t)bytes + message->sent, size - message->sent };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };

	if (message->fd >= 0 && message->sent == 0) {
		struct cmsghdr *rights;

		head.msg_control = control.bytes;
		head.msg_controllen = sizeof(control.bytes);
		rights = CMSG_FIRSTHDR(&head);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &message->fd, sizeof(int));
	}
	return sendmsg(link->fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static gboolean request_link_handle_writable(gint fd, GIOCondition condition, gpointer data);

static void
request_link_flush(struct request_link *link)
{
	while (link->state == REQUEST_LINK_OPEN && link->allowed > 0 && link->queue.head) {
		struct request_message *message = link->queue.head->data;
		ssize_t n = request_link_write(link, message);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!link->writable)
				link->writable = g_unix_fd_add(link->fd, G_IO_OUT,
							       request_link_handle_writable, link);
			return;
		}
		if (n < 0) {
			request_link_break(link, g_strerror(errno));
			return;
		}
		message->sent += (gsize)n;
		link->unsent -= (gsize)n;
		if (message->sent < g_bytes_get_size(message->bytes))
			continue;
		request_link_drop_message(link, link->queue.head);
		if (link->allowed != REQUEST_LINK_NO_LIMIT)
			link->allowed--;
	}
}

static gboolean
request_link_handle_writable(gint fd, GIOCondition condition, gpointer data)
{
	struct request_link *link = data;

	(void)fd, (void)condition;
	link->writable = 0;
	request_link_flush(link);
	return G_SOURCE_REMOVE;
}

void
request_link_allow(struct request_link *link, guint messages)
{
	link->allowed = messages;
	request_link_flush(link);
}

gsize
request_link_count_unsent(const struct request_link *link)
{
	return link->unsent;
}

void
request_link_send(struct request_link *link, guint64 id, const void *bytes, gsize size, int fd)
{
	struct request_message *message;

	if (link->state != REQUEST_LINK_OPEN || size > link->rules->max_unsent ||
	    link->unsent > link->rules->max_unsent - size)
		return;
	message = g_new0(struct request_message, 1);
	message->id = id;
	message->bytes = g_bytes_new(bytes, size);
	message->fd = fd >= 0 ? dup(fd) : -1;
	link->unsent += size;
	g_queue_push_tail(&link->queue, message);
	request_link_flush(link);
}

static gboolean
request_link_handle_deadline(gpointer data)
{
	struct request *request = data;

	request->deadline = 0;
	request_link_settle(request, NULL,
			    g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
					"%s did not answer '%s' in time",
					request->link->rules->peer, request->name));
	return G_SOURCE_REMOVE;
}

static gboolean
request_link_handle_cancelled(GCancellable *cancellable, gpointer data)
{
	(void)cancellable;
	request_link_settle(data, NULL,
			    g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
	return G_SOURCE_REMOVE;
}

guint64
request_link_ask(struct request_link *link, const char *name, guint timeout_ms,
		 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
	g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
	struct request *request;

	g_task_set_check_cancellable(task, FALSE);
	if (link->state != REQUEST_LINK_OPEN ||
	    g_hash_table_size(link->pending) >= link->rules->max_pending) {
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED,
					"the connection to %s takes no '%s' now", link->rules->peer,
					name);
		return 0;
	}
	request = g_new0(struct request, 1);
	request->link = link;
	request->id = ++link->last_id;
	request->name = g_strdup(name);
	request->task = g_steal_pointer(&task);
	request->deadline = g_timeout_add(timeout_ms, request_link_handle_deadline, request);
	if (cancellable) {
		request->cancelled = g_cancellable_source_new(cancellable);
		g_source_set_callback(request->cancelled,
				      G_SOURCE_FUNC(request_link_handle_cancelled), request, NULL);
		g_source_attach(request->cancelled, NULL);
	}
	g_hash_table_insert(link->pending, &request->id, request);
	return request->id;
}

const char *
request_link_find(const struct request_link *link, guint64 id)
{
	const struct request *request = g_hash_table_lookup(link->pending, &id);

	for (const GList *at = link->queue.head; at; at = at->next)
		if (((const struct request_message *)at->data)->id == id)
			return NULL;
	return request ? request->name : NULL;
}

void
request_link_answer(struct request_link *link, guint64 id, json_t *value, GError *error)
{
	struct request *request = g_hash_table_lookup(link->pending, &id);

	if (request) {
		request_link_settle(request, value, error);
		return;
	}
	json_decref(value);
	g_clear_error(&error);
}

json_t *
request_link_finish(GAsyncResult *result, GError **error)
{
	return g_task_propagate_pointer(G_TASK(result), error);
}

static gboolean
request_link_handle_readable(gint fd, GIOCondition condition, gpointer data)
{
	guint8 bytes[READ_BYTES];
	struct request_link *link = data;
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)condition;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n <= 0) {
		/* The source ends by this return value, so nobody else shall remove it. */
		link->readable = 0;
		request_link_break(link, n == 0 ? NULL : g_strerror(errno));
		return G_SOURCE_REMOVE;
	}
	request_link_ref(link);
	link->rules->take(link->owner, bytes, (gsize)n);
	request_link_unref(link);
	return G_SOURCE_CONTINUE;
}

struct request_link *
request_link_new(int fd, const struct request_link_rules *rules, void *owner)
{
	struct request_link *link = g_new0(struct request_link, 1);

	link->references = 1;
	link->fd = fd;
	link->rules = rules;
	link->owner = owner;
	link->allowed = REQUEST_LINK_NO_LIMIT;
	link->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, request_free);
	g_queue_init(&link->queue);
	io_set_nonblocking(fd, true);
	link->readable = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, request_link_handle_readable, link);
	return link;
}

void
request_link_free(struct request_link *link)
{
	request_link_shut(link);
	request_link_unref(link);
}
