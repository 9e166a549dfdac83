/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_control.c - hostd's end of one carrel-vmm's control socket (carrel-hostd, carrel-worker)
 *
 * How it works: vmm_control_ask() sends a request and keeps it in "pending" by its id; vmm_control_take_answer() finds it there,
 * checks status and size, and calls back. carrel-vmm runs a hostile guest: an answer that nobody asked for, of another type or
 * size, or an unknown event ends the connection (vmm_control_break). A reference is held while callbacks run, because each of them may
 * free the link.
 */
#include "host/vmm_control.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "common/seq_source.h"

#define MAX_PENDING 64

struct vmm_request {
	enum vmm_type type;
	vmm_control_callback callback;
	void *data;
};

struct vmm_control {
	gint references;			 /* one is the owner's */
	struct seq_source *source;		 /* NULL: ended */
	const struct vmm_control_events *events; /* NULL: freed by its owner */
	void *context;
	GHashTable *pending; /* id -> struct vmm_request, owned */
	guint32 last_id;
};

/* By enum vmm_type; what is not listed answers without payload. */
static const gsize answer_sizes[] = {
	[VMM_STATUS] = sizeof(struct vmm_status),
	[VMM_STATISTICS] = sizeof(struct vmm_statistics),
	[VMM_SCREENSHOT] = sizeof(struct vmm_picture),
	[VMM_SEAL] = 0,
};

static void
vmm_control_unref(struct vmm_control *link)
{
	if (--link->references > 0)
		return;
	g_hash_table_unref(link->pending);
	g_free(link);
}

static void
vmm_control_finish(struct vmm_control *link, guint32 id, const void *payload, const GError *error)
{
	g_autofree struct vmm_request *request = NULL;

	if (g_hash_table_steal_extended(link->pending, GUINT_TO_POINTER(id), NULL,
					(gpointer *)&request))
		request->callback(request->data, payload, error);
}

/* No more is sent or read; all who wait are told. */
static void
vmm_control_close(struct vmm_control *link)
{
	g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED,
						      "carrel-vmm has gone; its log says why");
	GHashTableIter iter;
	gpointer id;

	g_clear_pointer(&link->source, seq_source_free);
	g_hash_table_iter_init(&iter, link->pending);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		vmm_control_finish(link, GPOINTER_TO_UINT(id), NULL, error);
		g_hash_table_iter_init(&iter, link->pending);
	}
}

static void
vmm_control_break(struct vmm_control *link, const char *why)
{
	log_warning("the connection to a carrel-vmm is closed: %s", why);
	vmm_control_close(link);
	if (link->events)
		link->events->ended(link->context);
}

/* carrel-vmm's refusal, as far as it has one of its own words. */
static GError *
vmm_control_read_refusal(const struct seq_message *message)
{
	struct vmm_refusal refusal;

	if (message->head.size == sizeof(refusal)) {
		memcpy(&refusal, message->payload, sizeof(refusal));
		if (seq_text_ok(refusal.text, sizeof(refusal.text)) && refusal.text[0])
			return g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, refusal.text);
	}
	return g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "carrel-vmm refused: %s",
			   g_strerror(-message->head.status));
}

static void
vmm_control_take_answer(struct vmm_control *link, const struct seq_message *message)
{
	guint32 id = message->head.id;
	const struct vmm_request *request =
		g_hash_table_lookup(link->pending, GUINT_TO_POINTER(id));
	g_autoptr(GError) error = NULL;

	if (!request || request->type != message->head.type) {
		vmm_control_break(link, "it answered what was not asked");
		return;
	}
	if (message->head.status < 0)
		error = vmm_control_read_refusal(message);
	else if (message->head.size != answer_sizes[request->type]) {
		vmm_control_break(link, "an answer has a wrong size");
		return;
	}
	vmm_control_finish(link, id, error ? NULL : message->payload, error);
}

static void
vmm_control_take_event(struct vmm_control *link, const struct seq_message *message)
{
	struct vmm_event event;

	if (message->head.size != sizeof(event)) {
		vmm_control_break(link, "an event has a wrong size");
		return;
	}
	memcpy(&event, message->payload, sizeof(event));
	if (event.kind >= VMM_EVENT_COUNT || !seq_text_ok(event.text, sizeof(event.text)))
		vmm_control_break(link, "it sent an event that does not exist");
	else
		link->events->event(link->context, &event);
}

static void
vmm_control_handle_message(void *context, struct seq_message *message)
{
	struct vmm_control *link = context;

	link->references++;
	if (!message) {
		vmm_control_close(link);
		if (link->events)
			link->events->ended(link->context);
	} else if (message->n_fds > 0) {
		vmm_control_break(link, "it sent a descriptor");
	} else if (message->head.type == VMM_EVENT) {
		vmm_control_take_event(link, message);
	} else {
		vmm_control_take_answer(link, message);
	}
	vmm_control_unref(link);
}

struct vmm_control *
vmm_control_new(int fd, const struct vmm_control_events *events, void *context)
{
	struct vmm_control *link = g_new0(struct vmm_control, 1);

	link->references = 1;
	link->events = events;
	link->context = context;
	link->pending = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	link->source = seq_source_new(fd, "vmm", vmm_control_handle_message, link);
	return link;
}

void
vmm_control_free(struct vmm_control *link)
{
	if (!link)
		return;
	link->events = NULL;
	vmm_control_close(link);
	vmm_control_unref(link);
}

static int
vmm_control_send(struct vmm_control *link, enum vmm_type type, const void *payload, gsize size,
		 const int *fds, gsize n_fds)
{
	struct seq_header head = { .type = type, .id = ++link->last_id, .size = (guint32)size };

	if (!link->source)
		return -EPIPE;
	if (g_hash_table_size(link->pending) >= MAX_PENDING)
		return -EBUSY;
	return seq_source_send(link->source, &head, payload, fds, n_fds);
}

static void
vmm_control_ask_with(struct vmm_control *link, enum vmm_type type, const void *payload, gsize size,
		     const int *fds, gsize n_fds, vmm_control_callback callback, void *data)
{
	struct vmm_request *request;
	int result = vmm_control_send(link, type, payload, size, fds, n_fds);

	if (result < 0) {
		g_autoptr(GError) error =
			g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-result),
				    "carrel-vmm cannot be asked: %s", g_strerror(-result));

		callback(data, NULL, error);
		return;
	}
	request = g_new0(struct vmm_request, 1);
	request->type = type;
	request->callback = callback;
	request->data = data;
	g_hash_table_insert(link->pending, GUINT_TO_POINTER(link->last_id), request);
}

void
vmm_control_ask(struct vmm_control *link, enum vmm_type type, const void *payload, gsize size,
		int fd, vmm_control_callback callback, void *data)
{
	vmm_control_ask_with(link, type, payload, size, &fd, fd >= 0 ? 1 : 0, callback, data);
}

void
vmm_control_suspend(struct vmm_control *link, int state, int pages, vmm_control_callback callback,
		    void *data)
{
	const int fds[] = { state, pages };

	vmm_control_ask_with(link, VMM_SEAL, NULL, 0, fds, G_N_ELEMENTS(fds), callback, data);
}

void
vmm_control_attach_home(struct vmm_control *link, int base, int image,
			vmm_control_callback callback, void *data)
{
	const struct vmm_home home = { base < 0 ? VMM_MEDIUM_RAW : VMM_MEDIUM_OVERLAY };
	const int fds[] = { base, image };
	gsize first = base < 0 ? 1 : 0;

	vmm_control_ask_with(link, VMM_HOME, &home, sizeof(home), &fds[first], 2 - first, callback,
			     data);
}

void
vmm_control_detach_home(struct vmm_control *link, vmm_control_callback callback, void *data)
{
	const struct vmm_home home = { VMM_MEDIUM_NONE };

	vmm_control_ask(link, VMM_HOME, &home, sizeof(home), -1, callback, data);
}
