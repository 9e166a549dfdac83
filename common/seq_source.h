/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seq_source.h - a seq.h socket in the GLib main loop
 */
#ifndef COMMON_SEQ_SOURCE_H
#define COMMON_SEQ_SOURCE_H

#include <glib.h>

#include "base/seq.h"

struct seq_source;

/*
 * Called for each message (it may take descriptors out; the rest is closed afterwards), and once with NULL when the
 * peer has gone or broke the form: then the source is already silent and the callee frees it.
 */
typedef void (*seq_source_callback)(void *context, struct seq_message *message);

/* Takes over the descriptor, makes it nonblocking, and reads it in the thread-default main context. */
struct seq_source *seq_source_new(int fd, const char *name, seq_source_callback callback,
				  void *context);
void seq_source_free(struct seq_source *source);

/* Sends now, or queues while the socket is full (SEQ_SOURCE_MAX_QUEUE messages). 0 or a negative errno. */
int seq_source_send(struct seq_source *source, const struct seq_header *head, const void *payload,
		    const int *fds, gsize n_fds);

/* Accepts connections of a listening socket: the callee owns the descriptor. Returns the GLib source id. */
typedef void (*seq_accept_callback)(void *context, int fd);
guint seq_source_listen(int listen_fd, const char *name, seq_accept_callback callback,
			void *context);

#endif
