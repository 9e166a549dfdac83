/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seq_source.c - a seq.h socket in the GLib main loop (all GLib processes)
 *
 * How it works: the descriptor is nonblocking. seq_source_handle_readable() reads one message a dispatch, so that no
 * peer can keep the loop. What the socket does not take is queued with duplicates of its descriptors and goes out
 * in order from seq_source_handle_writable(). A callback may free the source: "freed" is looked at after each one.
 */
#include "common/seq_source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

#define SEQ_SOURCE_MAX_QUEUE 1024

struct seq_pending {
	struct seq_header head;
	void *payload;
	int fds[SEQ_MAX_FDS];
	gsize n_fds;
};

struct seq_source {
	int fd;
	char *name;
	GSource *readable;
	GSource *writable; /* only while the queue holds something */
	GQueue queue;	   /* struct seq_pending */
	seq_source_callback callback;
	void *context;
	struct seq_message *message; /* 48 KiB, therefore not on the stack */
	gboolean *freed;	     /* set while a callback runs */
};

struct seq_listener {
	seq_accept_callback callback;
	void *context;
	char *name;
	struct log_limit refusals; /* of the kernel, e.g. no descriptors: it comes again at once */
};

static void
seq_pending_free(void *data)
{
	struct seq_pending *pending = data;

	for (gsize i = 0; i < pending->n_fds; i++)
		close(pending->fds[i]);
	g_free(pending->payload);
	g_free(pending);
}

static GSource *
seq_source_attach(struct seq_source *source, GIOCondition condition, GUnixFDSourceFunc function)
{
	GSource *made = g_unix_fd_source_new(source->fd, condition);

	g_source_set_static_name(made, "seq");
	g_source_set_callback(made, G_SOURCE_FUNC(function), source, NULL);
	g_source_attach(made, g_main_context_get_thread_default());
	return made;
}

static void
seq_source_drop(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

static void
seq_source_silence(struct seq_source *source)
{
	seq_source_drop(&source->readable);
	seq_source_drop(&source->writable);
}

/* False when the callback freed the source. */
static gboolean
seq_source_tell(struct seq_source *source, struct seq_message *message)
{
	gboolean freed = FALSE;

	// cppcheck-suppress autoVariables ; taken back below, or the source is gone
	source->freed = &freed;
	source->callback(source->context, message);
	if (!freed)
		source->freed = NULL;
	return !freed;
}

static gboolean
seq_source_handle_readable(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition,
			   gpointer data)
{
	struct seq_source *source = data;
	struct seq_message *message = source->message;
	int error = seq_receive(source->fd, message);

	if (error == -EAGAIN)
		return G_SOURCE_CONTINUE;
	if (error < 0) {
		if (error != -EPIPE)
			log_warning("'%s': the peer's message is not readable (%s); closing",
				    source->name, strerror(-error));
		seq_source_silence(source);
		seq_source_tell(source, NULL);
		return G_SOURCE_REMOVE;
	}
	source->message = g_new(struct seq_message, 1);
	if (seq_source_tell(source, message)) {
		g_free(source->message);
		source->message = message;
		seq_close_fds(message);
		return source->readable ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
	}
	seq_close_fds(message);
	g_free(message);
	return G_SOURCE_REMOVE;
}

static gboolean
seq_source_handle_writable(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition,
			   gpointer data)
{
	struct seq_source *source = data;
	struct seq_pending *pending;

	while ((pending = g_queue_peek_head(&source->queue))) {
		int error = seq_send(source->fd, &pending->head, pending->payload, pending->fds,
				     pending->n_fds);

		if (error == -EAGAIN)
			return G_SOURCE_CONTINUE;
		/* Any other error shows itself to the reading side as the peer's end. */
		seq_pending_free(g_queue_pop_head(&source->queue));
	}
	g_clear_pointer(&source->writable, g_source_unref);
	return G_SOURCE_REMOVE;
}

struct seq_source *
seq_source_new(int fd, const char *name, seq_source_callback callback, void *context)
{
	struct seq_source *source = g_new0(struct seq_source, 1);

	source->fd = fd;
	source->name = g_strdup(name);
	source->callback = callback;
	source->context = context;
	source->message = g_new(struct seq_message, 1);
	g_queue_init(&source->queue);
	io_set_nonblocking(fd, true);
	source->readable = seq_source_attach(source, G_IO_IN | G_IO_HUP | G_IO_ERR,
					     seq_source_handle_readable);
	return source;
}

void
seq_source_free(struct seq_source *source)
{
	if (!source)
		return;
	if (source->freed)
		*source->freed = TRUE;
	seq_source_silence(source);
	g_queue_clear_full(&source->queue, seq_pending_free);
	close(source->fd);
	g_free(source->message);
	g_free(source->name);
	g_free(source);
}

static int
seq_source_enqueue(struct seq_source *source, const struct seq_header *head, const void *payload,
		   const int *fds, gsize n_fds)
{
	struct seq_pending *pending;

	if (source->queue.length >= SEQ_SOURCE_MAX_QUEUE)
		return -ENOBUFS;
	pending = g_new0(struct seq_pending, 1);
	pending->head = *head;
	pending->payload = g_memdup2(payload, head->size);
	for (gsize i = 0; i < n_fds; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (copy < 0) {
			seq_pending_free(pending);
			return -EMFILE;
		}
		pending->fds[pending->n_fds++] = copy;
	}
	g_queue_push_tail(&source->queue, pending);
	if (!source->writable)
		source->writable = seq_source_attach(source, G_IO_OUT, seq_source_handle_writable);
	return 0;
}

int
seq_source_send(struct seq_source *source, const struct seq_header *head, const void *payload,
		const int *fds, gsize n_fds)
{
	int error = -EAGAIN;

	if (g_queue_is_empty(&source->queue))
		error = seq_send(source->fd, head, payload, fds, n_fds);
	if (error == -EAGAIN)
		error = seq_source_enqueue(source, head, payload, fds, n_fds);
	return error;
}

static gboolean
seq_listener_handle_readable(int fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	struct seq_listener *listener = data;
	// cppcheck-suppress nullPointer ; accept4(2) allows it
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (client >= 0)
		listener->callback(listener->context, client);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
		 log_limit_allow(&listener->refusals, io_boottime_ms()))
		log_warning("'%s': cannot accept a connection: %s", listener->name,
			    strerror(errno));
	return G_SOURCE_CONTINUE;
}

static void
seq_listener_free(gpointer data)
{
	struct seq_listener *listener = data;

	g_free(listener->name);
	g_free(listener);
}

guint
seq_source_listen(int listen_fd, const char *name, seq_accept_callback callback, void *context)
{
	struct seq_listener *listener = g_new0(struct seq_listener, 1);

	listener->callback = callback;
	listener->context = context;
	listener->name = g_strdup(name);
	io_set_nonblocking(listen_fd, true);
	return g_unix_fd_add_full(G_PRIORITY_DEFAULT, listen_fd, G_IO_IN,
				  seq_listener_handle_readable, listener, seq_listener_free);
}
