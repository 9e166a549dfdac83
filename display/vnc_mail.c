/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_mail.c - what a VNC client does, on its way from its thread to the main thread (carrel-display)
 *
 * How it works: the first event put makes an idle source, vnc_mail_deliver(), which takes all that have come and tells them
 * without the lock. "delivering" keeps the memory when a handler frees the mail.
 */
#include "display/vnc_mail.h"

#include <glib.h>
#include <string.h>

struct vnc_mail {
	GMutex lock;
	GCond room;
	void (*handle)(void *context, const struct vnc_event *event);
	void *context;
	bool closed;
	guint idle;
	size_t count;
	struct vnc_event events[VNC_MAIL_MAX];
	/* of the main thread */
	bool delivering;
	bool freed;
};

static void
vnc_mail_destroy(struct vnc_mail *mail)
{
	g_mutex_clear(&mail->lock);
	g_cond_clear(&mail->room);
	g_free(mail);
}

static gboolean
vnc_mail_deliver(gpointer user_data)
{
	struct vnc_mail *mail = user_data;
	struct vnc_event events[VNC_MAIL_MAX];
	size_t count;

	g_mutex_lock(&mail->lock);
	count = mail->count;
	memcpy(events, mail->events, count * sizeof(*events));
	mail->count = 0;
	mail->idle = 0;
	g_cond_signal(&mail->room);
	g_mutex_unlock(&mail->lock);
	mail->delivering = true;
	/* Only this thread closes it. */
	for (size_t i = 0; i < count && !mail->closed; i++)
		mail->handle(mail->context, &events[i]);
	mail->delivering = false;
	if (mail->freed)
		vnc_mail_destroy(mail);
	return G_SOURCE_REMOVE;
}

bool
vnc_mail_put(struct vnc_mail *mail, enum vnc_event_kind kind, uint32_t a, uint32_t b)
{
	bool open;

	g_mutex_lock(&mail->lock);
	while (!mail->closed && mail->count == VNC_MAIL_MAX)
		g_cond_wait(&mail->room, &mail->lock);
	open = !mail->closed;
	if (open) {
		mail->events[mail->count++] = (struct vnc_event){ kind, a, b };
		if (mail->idle == 0)
			mail->idle =
				g_idle_add_full(G_PRIORITY_DEFAULT, vnc_mail_deliver, mail, NULL);
	}
	g_mutex_unlock(&mail->lock);
	return open;
}

void
vnc_mail_close(struct vnc_mail *mail)
{
	g_mutex_lock(&mail->lock);
	mail->closed = true;
	g_clear_handle_id(&mail->idle, g_source_remove);
	g_cond_signal(&mail->room);
	g_mutex_unlock(&mail->lock);
}

void
vnc_mail_free(struct vnc_mail *mail)
{
	mail->freed = true;
	if (!mail->delivering)
		vnc_mail_destroy(mail);
}

struct vnc_mail *
vnc_mail_new(void (*handle)(void *context, const struct vnc_event *event), void *context)
{
	struct vnc_mail *mail = g_new0(struct vnc_mail, 1);

	g_mutex_init(&mail->lock);
	g_cond_init(&mail->room);
	mail->handle = handle;
	mail->context = context;
	return mail;
}
