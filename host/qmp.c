/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qmp.c - one QMP connection to a QEMU process (carrel-hostd, carrel-worker)
 *
 * How it works: QEMU may have been taken over by its guest, so what it says is bounded and checked: one line is one
 * JSON object of at most QMP_MAX_LINE bytes, and anything else ends the connection. qmp_handle_readable() collects
 * bytes; qmp_take_line() handles the greeting (answered with qmp_capabilities), answers (matched by id) and events.
 * qmp_execute() queues; qmp_flush() writes the queue's head, its descriptor with the first byte. Each command is a
 * GTask with a deadline; an answer that comes after the deadline finds no command and is dropped.
 *
 *	GREETING -> NEGOTIATING -> READY -> CLOSED
 */
#include "host/qmp.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

#define QMP_MAX_LINE	 (1024 * 1024)
#define QMP_MAX_PENDING	 64
#define QMP_READ_BYTES	 16384
#define QMP_NEGOTIATE_MS 10000

enum qmp_state {
	QMP_STATE_GREETING,
	QMP_STATE_NEGOTIATING,
	QMP_STATE_READY,
	QMP_STATE_CLOSED,
};

struct qmp_command {
	struct qmp *qmp;
	guint64 id;
	char *text;
	gsize size;
	gsize sent;
	int fd;
	GTask *task;
	guint deadline;
	GSource *cancelled;
};

struct qmp {
	gint references; /* one is the owner's; handlers hold one while callbacks run, which may free the connection */
	int fd;
	enum qmp_state state;
	guint readable;
	guint writable;
	guint broken;
	GByteArray *input;
	GQueue queue;	     /* struct qmp_command, not yet wholly written */
	GHashTable *pending; /* id -> struct qmp_command (owned) */
	guint64 last_id;
	qmp_event_callback callback;
	void *context;
};

static void
qmp_command_free(gpointer data)
{
	struct qmp_command *command = data;

	if (command->deadline)
		g_source_remove(command->deadline);
	if (command->cancelled) {
		g_source_destroy(command->cancelled);
		g_source_unref(command->cancelled);
	}
	if (command->fd >= 0)
		close(command->fd);
	g_clear_object(&command->task);
	g_free(command->text);
	g_free(command);
}

/* Ends a command; one that is partly written ends the connection too (qmp_command_expire()). */
static void
qmp_command_settle(struct qmp_command *command, json_t *value, GError *error)
{
	struct qmp *qmp = command->qmp;
	GTask *task = g_steal_pointer(&command->task);

	if (command->sent < command->size)
		g_queue_remove(&qmp->queue, command);
	g_hash_table_remove(qmp->pending, &command->id);
	if (error)
		g_task_return_error(task, error);
	else
		g_task_return_pointer(task, value, (GDestroyNotify)json_decref);
	g_object_unref(task);
}

static void
qmp_unref(struct qmp *qmp)
{
	if (--qmp->references > 0)
		return;
	g_hash_table_unref(qmp->pending);
	g_queue_clear(&qmp->queue);
	g_byte_array_unref(qmp->input);
	g_free(qmp);
}

static void
qmp_fail_all(struct qmp *qmp)
{
	GHashTableIter iter;
	gpointer command;

	g_hash_table_iter_init(&iter, qmp->pending);
	while (g_hash_table_iter_next(&iter, NULL, &command)) {
		qmp_command_settle(
			command, NULL,
			g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
					    "QEMU's control socket was closed; its log says why"));
		g_hash_table_iter_init(&iter, qmp->pending);
	}
}

static void
qmp_shut(struct qmp *qmp)
{
	qmp->state = QMP_STATE_CLOSED;
	g_clear_handle_id(&qmp->readable, g_source_remove);
	g_clear_handle_id(&qmp->writable, g_source_remove);
	g_clear_handle_id(&qmp->broken, g_source_remove);
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
	qmp_fail_all(qmp);
}

static gboolean
qmp_handle_broken(gpointer data)
{
	struct qmp *qmp = data;

	qmp->broken = 0;
	qmp->references++;
	qmp_shut(qmp);
	if (qmp->callback)
		qmp->callback(qmp->context, NULL, NULL);
	qmp_unref(qmp);
	return G_SOURCE_REMOVE;
}

/* The end is told from the main loop, never from inside a caller's qmp_execute(). */
static void
qmp_break(struct qmp *qmp, const char *why)
{
	if (qmp->state == QMP_STATE_CLOSED || qmp->broken)
		return;
	log_debug("QMP connection ends: %s", why);
	g_clear_handle_id(&qmp->readable, g_source_remove);
	g_clear_handle_id(&qmp->writable, g_source_remove);
	qmp->broken = g_idle_add_full(G_PRIORITY_DEFAULT, qmp_handle_broken, qmp, NULL);
}

static ssize_t
qmp_command_write(struct qmp *qmp, struct qmp_command *command)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { command->text + command->sent, command->size - command->sent };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (command->fd >= 0 && command->sent == 0) {
		struct cmsghdr *rights;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &command->fd, sizeof(int));
	}
	return sendmsg(qmp->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static gboolean qmp_handle_writable(gint fd, GIOCondition condition, gpointer data);

static void
qmp_flush(struct qmp *qmp)
{
	struct qmp_command *command;

	while (qmp->state != QMP_STATE_CLOSED && !qmp->broken &&
	       (command = g_queue_peek_head(&qmp->queue))) {
		ssize_t n;

		/* Only qmp_capabilities, which is put in front, goes out before QEMU has agreed. */
		if (qmp->state == QMP_STATE_GREETING ||
		    (qmp->state == QMP_STATE_NEGOTIATING && command->id != 0))
			return;
		n = qmp_command_write(qmp, command);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!qmp->writable)
				qmp->writable =
					g_unix_fd_add(qmp->fd, G_IO_OUT, qmp_handle_writable, qmp);
			return;
		}
		if (n < 0) {
			qmp_break(qmp, g_strerror(errno));
			return;
		}
		command->sent += (gsize)n;
		if (command->sent == command->size)
			g_queue_pop_head(&qmp->queue);
	}
}

static gboolean
qmp_handle_writable(gint fd, GIOCondition condition, gpointer data)
{
	struct qmp *qmp = data;

	(void)fd, (void)condition;
	qmp->writable = 0;
	qmp_flush(qmp);
	return G_SOURCE_REMOVE;
}

static void
qmp_command_expire(struct qmp_command *command, GError *error)
{
	struct qmp *qmp = command->qmp;
	gboolean torn = command->sent > 0 && command->sent < command->size;

	qmp->references++;
	qmp_command_settle(command, NULL, error);
	if (torn)
		qmp_break(qmp, "a command was given up when half of it was written");
	qmp_unref(qmp);
}

static gboolean
qmp_handle_deadline(gpointer data)
{
	struct qmp_command *command = data;

	command->deadline = 0;
	qmp_command_expire(command, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
							"QEMU did not answer within the deadline"));
	return G_SOURCE_REMOVE;
}

static gboolean
qmp_handle_cancelled(GCancellable *cancellable, gpointer data)
{
	(void)cancellable;
	qmp_command_expire(data,
			   g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
	return G_SOURCE_REMOVE;
}

static struct qmp_command *
qmp_command_new(struct qmp *qmp, guint64 id, const char *name, json_t *arguments, int fd)
{
	struct qmp_command *command = g_new0(struct qmp_command, 1);
	json_t *object = json_pack("{s:s, s:I}", "execute", name, "id", (json_int_t)id);
	char *text;

	if (arguments)
		json_object_set_new(object, "arguments", arguments);
	text = json_dumps(object, JSON_COMPACT);
	command->qmp = qmp;
	command->id = id;
	command->text = g_strconcat(text, "\n", NULL);
	command->size = strlen(command->text);
	command->fd = fd >= 0 ? dup(fd) : -1;
	free(text);
	json_decref(object);
	return command;
}

void
qmp_execute(struct qmp *qmp, const char *name, json_t *arguments, int fd, guint timeout_ms,
	    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
	GTask *task = g_task_new(NULL, cancellable, callback, data);
	struct qmp_command *command;

	if (qmp->state == QMP_STATE_CLOSED || qmp->broken ||
	    g_hash_table_size(qmp->pending) >= QMP_MAX_PENDING) {
		json_decref(arguments);
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED,
					"QEMU's control socket takes no '%s'", name);
		g_object_unref(task);
		return;
	}
	command = qmp_command_new(qmp, ++qmp->last_id, name, arguments, fd);
	command->task = task;
	command->deadline = g_timeout_add(timeout_ms, qmp_handle_deadline, command);
	if (cancellable) {
		command->cancelled = g_cancellable_source_new(cancellable);
		g_source_set_callback(command->cancelled, G_SOURCE_FUNC(qmp_handle_cancelled),
				      command, NULL);
		g_source_attach(command->cancelled, NULL);
	}
	g_hash_table_insert(qmp->pending, &command->id, command);
	g_queue_push_tail(&qmp->queue, command);
	qmp_flush(qmp);
}

json_t *
qmp_execute_finish(GAsyncResult *result, GError **error)
{
	return g_task_propagate_pointer(G_TASK(result), error);
}

static void
qmp_handle_negotiated(GObject *object, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;
	json_t *value = qmp_execute_finish(result, &error);
	struct qmp *qmp = data;

	(void)object;
	json_decref(value);
	/* Closed: whoever closed it may have freed it as well. */
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
		return;
	if (error) {
		qmp_break(qmp, error->message);
		return;
	}
	qmp->state = QMP_STATE_READY;
	qmp_flush(qmp);
}

static void
qmp_negotiate(struct qmp *qmp)
{
	struct qmp_command *command = qmp_command_new(qmp, 0, "qmp_capabilities", NULL, -1);

	qmp->state = QMP_STATE_NEGOTIATING;
	command->task = g_task_new(NULL, NULL, qmp_handle_negotiated, qmp);
	command->deadline = g_timeout_add(QMP_NEGOTIATE_MS, qmp_handle_deadline, command);
	g_hash_table_insert(qmp->pending, &command->id, command);
	g_queue_push_head(&qmp->queue, command);
	qmp_flush(qmp);
}

static void
qmp_take_answer(struct qmp *qmp, const json_t *object)
{
	guint64 id = (guint64)json_get_integer(object, "id", -1);
	struct qmp_command *command = g_hash_table_lookup(qmp->pending, &id);
	const json_t *problem = json_object_get(object, "error");
	json_t *value = json_object_get(object, "return");

	if (!command || command->sent < command->size)
		return;
	if (value && !problem)
		qmp_command_settle(command, json_incref(value), NULL);
	else
		qmp_command_settle(
			command, NULL,
			g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "QEMU refused: %.200s",
				    json_get_text(problem, "desc", "it gave no reason")));
}

/* FALSE when the connection is of no more use. */
static gboolean
qmp_take_line(struct qmp *qmp, const char *line, gsize size)
{
	struct json_problem problem;
	json_t *object = json_parse_strict(line, size, QMP_MAX_LINE, &problem);
	const char *event = json_get_text(object, "event", NULL);
	gboolean good = TRUE;

	if (!json_is_object(object)) {
		good = FALSE;
	} else if (qmp->state == QMP_STATE_GREETING) {
		good = json_is_object(json_object_get(object, "QMP"));
		if (good)
			qmp_negotiate(qmp);
	} else if (event) {
		if (qmp->callback)
			qmp->callback(qmp->context, event, json_object_get(object, "data"));
	} else if (json_object_get(object, "return") || json_object_get(object, "error")) {
		qmp_take_answer(qmp, object);
	} else {
		good = FALSE;
	}
	json_decref(object);
	if (!good)
		qmp_break(qmp, "QEMU sent something that is no QMP");
	return good;
}

static void
qmp_take_lines(struct qmp *qmp)
{
	guint8 *end;

	while (qmp->state != QMP_STATE_CLOSED && !qmp->broken &&
	       (end = memchr(qmp->input->data, '\n', qmp->input->len))) {
		gsize size = (gsize)(end - qmp->input->data);
		g_autofree char *line = g_strndup((const char *)qmp->input->data, size);

		g_byte_array_remove_range(qmp->input, 0, (guint)size + 1);
		while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' '))
			size--;
		if (size > 0 && !qmp_take_line(qmp, line, size))
			return;
	}
	if (qmp->input->len > QMP_MAX_LINE)
		qmp_break(qmp, "QEMU sent a line that is too long");
}

static gboolean
qmp_handle_readable(gint fd, GIOCondition condition, gpointer data)
{
	guint8 bytes[QMP_READ_BYTES];
	struct qmp *qmp = data;
	ssize_t n;

	(void)condition;
	n = read(fd, bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (n <= 0) {
		/* The source ends by this return value, so qmp_break() shall not remove it. */
		qmp->readable = 0;
		qmp_break(qmp, n == 0 ? "closed by QEMU" : g_strerror(errno));
		return G_SOURCE_REMOVE;
	}
	g_byte_array_append(qmp->input, bytes, (guint)n);
	qmp->references++;
	qmp_take_lines(qmp);
	qmp_unref(qmp);
	return G_SOURCE_CONTINUE;
}

struct qmp *
qmp_new(int fd, qmp_event_callback callback, void *context)
{
	struct qmp *qmp = g_new0(struct qmp, 1);

	qmp->references = 1;
	qmp->fd = fd;
	qmp->callback = callback;
	qmp->context = context;
	qmp->input = g_byte_array_new();
	qmp->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, qmp_command_free);
	g_queue_init(&qmp->queue);
	io_set_nonblocking(fd, true);
	qmp->readable = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, qmp_handle_readable, qmp);
	return qmp;
}

void
qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	qmp->callback = NULL;
	qmp_shut(qmp);
	qmp_unref(qmp);
}
