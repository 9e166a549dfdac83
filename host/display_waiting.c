/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_waiting.c - the clients of one desktop that wait for its display (carrel-hostd)
 *
 * How it works: a client is in the queue from display_waiting_add() until display_waiting_finish(), which everything else
 * here leads to. Its password is wiped there.
 */
#include "host/display_waiting.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct display_waiting {
	guint client_ms;
	display_waiting_late late;
	void *context;
	GQueue clients; /* struct display_waiting_client */
};

struct display_waiting_client {
	struct display_waiting *waiting;
	int fd;
	struct display_client client;
	display_waiting_callback callback;
	void *data;
	guint deadline;
};

/* Told from an idle source, so that no callback comes from inside a call. */
struct display_waiting_told {
	display_waiting_callback callback;
	void *data;
	int error;
};

static gboolean
display_waiting_tell_now(gpointer data)
{
	struct display_waiting_told *told = data;

	told->callback(told->data, told->error);
	return G_SOURCE_REMOVE;
}

void
display_waiting_refuse(int fd, int error, display_waiting_callback callback, void *data)
{
	struct display_waiting_told *told = g_new0(struct display_waiting_told, 1);

	close(fd);
	*told = (struct display_waiting_told){ callback, data, error };
	g_idle_add_full(G_PRIORITY_DEFAULT, display_waiting_tell_now, told, g_free);
}

static void
display_waiting_finish(struct display_waiting_client *client, int error)
{
	g_queue_remove(&client->waiting->clients, client);
	g_clear_handle_id(&client->deadline, g_source_remove);
	display_waiting_refuse(client->fd, error, client->callback, client->data);
	explicit_bzero(client, sizeof(*client));
	g_free(client);
}

static gboolean
display_waiting_handle_deadline(gpointer data)
{
	struct display_waiting_client *client = data;
	struct display_waiting *waiting = client->waiting;

	client->deadline = 0;
	display_waiting_finish(client, -ETIMEDOUT);
	waiting->late(waiting->context);
	return G_SOURCE_REMOVE;
}

struct display_waiting *
display_waiting_new(guint client_ms, display_waiting_late late, void *context)
{
	struct display_waiting *waiting = g_new0(struct display_waiting, 1);

	waiting->client_ms = client_ms;
	waiting->late = late;
	waiting->context = context;
	g_queue_init(&waiting->clients);
	return waiting;
}

void
display_waiting_free(struct display_waiting *waiting)
{
	display_waiting_fail_all(waiting, -ECANCELED);
	g_free(waiting);
}

guint
display_waiting_count(const struct display_waiting *waiting)
{
	return waiting->clients.length;
}

void
display_waiting_add(struct display_waiting *waiting, int fd, const struct ticket_pass *pass,
		    display_waiting_callback callback, void *data)
{
	struct display_waiting_client *client = g_new0(struct display_waiting_client, 1);

	client->waiting = waiting;
	client->fd = fd;
	client->client.attachment = pass->attachment;
	client->client.sink = pass->sink;
	client->client.first = pass->password[0] != '\0';
	g_strlcpy(client->client.password, pass->password, sizeof(client->client.password));
	client->callback = callback;
	client->data = data;
	client->deadline =
		g_timeout_add(waiting->client_ms, display_waiting_handle_deadline, client);
	g_queue_push_tail(&waiting->clients, client);
}

void
display_waiting_pass_all(struct display_waiting *waiting, display_waiting_pass pass, void *context)
{
	struct display_waiting_client *client;

	while ((client = g_queue_peek_head(&waiting->clients)))
		display_waiting_finish(client, pass(context, &client->client, client->fd));
}

void
display_waiting_fail_all(struct display_waiting *waiting, int error)
{
	struct display_waiting_client *client;

	while ((client = g_queue_peek_head(&waiting->clients)))
		display_waiting_finish(client, error);
}

void
display_waiting_fail_orphans(struct display_waiting *waiting)
{
	guint64 first = 0;
	GList *at = waiting->clients.head;

	while (at) {
		struct display_waiting_client *client = at->data;

		at = at->next;
		if (client->client.first)
			first = client->client.attachment;
		else if (client->client.attachment != first)
			display_waiting_finish(client, -ENOTCONN);
	}
}

void
display_waiting_drop(struct display_waiting *waiting, guint64 attachment)
{
	GList *at = waiting->clients.head;

	while (at) {
		struct display_waiting_client *client = at->data;

		at = at->next;
		if (attachment == 0 || client->client.attachment == attachment)
			display_waiting_finish(client, -ECANCELED);
	}
}
