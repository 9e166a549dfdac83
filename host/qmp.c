/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qmp.c - one QMP connection to a QEMU process (carrel-hostd, carrel-worker)
 *
 * How it works: host/request_link.c has the socket, the commands that wait and their deadlines; here is what the lines
 * mean. QEMU may have been taken over by its guest, so what it says is bounded and checked: one line is one JSON
 * object of at most QMP_MAX_LINE bytes, and anything else ends the connection. An integer beyond 63 bits and a sign is no
 * JSON for us (Jansson's are int64): nothing that our commands or this machine's events carry has one.
 * qmp_capabilities is the first message of all and is let go by the greeting; the rest waits until it is answered.
 * qmp_take_line() handles greeting, answers (matched by id) and events.
 *
 *	GREETING -> NEGOTIATING -> READY
 */
#include "host/qmp.h"

#include <string.h>

#include "host/request_link.h"

#define QMP_MAX_LINE	 (1024 * 1024)
#define QMP_MAX_PENDING	 (64 + 1) /* and qmp_capabilities */
#define QMP_MAX_UNSENT	 (64 * 1024 * 1024)
#define QMP_NEGOTIATE_MS 10000

enum qmp_state {
	QMP_STATE_GREETING,
	QMP_STATE_NEGOTIATING,
	QMP_STATE_READY,
};

struct qmp {
	struct request_link *link;
	enum qmp_state state;
	GByteArray *input;
	qmp_event_callback callback;
	void *context;
};

static void
qmp_send(struct qmp *qmp, guint64 id, const char *name, json_t *arguments, int fd)
{
	json_t *object = json_pack("{s:s, s:I}", "execute", name, "id", (json_int_t)id);
	g_autofree char *line = NULL;
	char *text;

	if (arguments)
		json_object_set_new(object, "arguments", arguments);
	text = json_dumps(object, JSON_COMPACT);
	line = g_strconcat(text, "\n", NULL);
	request_link_send(qmp->link, id, line, strlen(line), fd);
	free(text);
	json_decref(object);
}

void
qmp_execute(struct qmp *qmp, const char *name, json_t *arguments, int fd, guint timeout_ms,
	    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
	guint64 id = request_link_ask(qmp->link, name, timeout_ms, cancellable, callback, data);

	if (id == 0)
		json_decref(arguments);
	else
		qmp_send(qmp, id, name, arguments, fd);
}

json_t *
qmp_execute_finish(GAsyncResult *result, GError **error)
{
	return request_link_finish(result, error);
}

static void
qmp_handle_negotiated(GObject *object, GAsyncResult *result, gpointer data)
{
	g_autoptr(GError) error = NULL;
	struct qmp *qmp = data;

	(void)object;
	json_decref(qmp_execute_finish(result, &error));
	/* Closed: whoever closed it may have freed it as well. */
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
		return;
	if (error) {
		request_link_break(qmp->link, error->message);
		return;
	}
	qmp->state = QMP_STATE_READY;
	request_link_allow(qmp->link, REQUEST_LINK_NO_LIMIT);
}

static void
qmp_take_answer(struct qmp *qmp, const json_t *object)
{
	guint64 id = (guint64)json_get_integer(object, "id", -1);
	const json_t *problem = json_object_get(object, "error");
	json_t *value = json_object_get(object, "return");

	if (!request_link_find(qmp->link, id))
		return;
	if (value && !problem) {
		request_link_answer(qmp->link, id, json_incref(value), NULL);
	} else {
		/* Cut, perhaps in the middle of a character: it goes into JSON again. */
		g_autofree char *cut =
			g_strndup(json_get_text(problem, "desc", "it gave no reason"), 200);
		g_autofree char *words = g_utf8_make_valid(cut, -1);

		request_link_answer(
			qmp->link, id, NULL,
			g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "QEMU refused: %s", words));
	}
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
		if (good) {
			qmp->state = QMP_STATE_NEGOTIATING;
			request_link_allow(qmp->link, 1);
		}
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
		request_link_break(qmp->link, "QEMU sent something that is no QMP");
	return good;
}

static void
qmp_take_lines(struct qmp *qmp)
{
	guint8 *end;

	while (request_link_is_open(qmp->link) &&
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
		request_link_break(qmp->link, "QEMU sent a line that is too long");
}

static void
qmp_take_bytes(void *owner, const guint8 *bytes, gsize size)
{
	struct qmp *qmp = owner;

	g_byte_array_append(qmp->input, bytes, (guint)size);
	qmp_take_lines(qmp);
}

static void
qmp_handle_ended(void *owner)
{
	const struct qmp *qmp = owner;

	if (qmp->callback)
		qmp->callback(qmp->context, NULL, NULL);
}

static void
qmp_done(void *owner)
{
	struct qmp *qmp = owner;

	g_byte_array_unref(qmp->input);
	g_free(qmp);
}

static const struct request_link_rules qmp_rules = {
	.peer = "QEMU",
	.advice = "; its log says why",
	.max_pending = QMP_MAX_PENDING,
	.max_unsent = QMP_MAX_UNSENT,
	.take = qmp_take_bytes,
	.ended = qmp_handle_ended,
	.done = qmp_done,
};

struct qmp *
qmp_new(int fd, qmp_event_callback callback, void *context)
{
	static const char negotiation[] = "qmp_capabilities";
	struct qmp *qmp = g_new0(struct qmp, 1);

	qmp->callback = callback;
	qmp->context = context;
	qmp->input = g_byte_array_new();
	qmp->link = request_link_new(fd, &qmp_rules, qmp);
	request_link_allow(qmp->link, 0);
	qmp_send(qmp,
		 request_link_ask(qmp->link, negotiation, QMP_NEGOTIATE_MS, NULL,
				  qmp_handle_negotiated, qmp),
		 negotiation, NULL, -1);
	return qmp;
}

void
qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	qmp->callback = NULL;
	request_link_free(qmp->link);
}
