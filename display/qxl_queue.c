/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qxl_queue.c - commands on their way to libspice-server's worker (carrel-display)
 *
 * How it works: two queues under one lock, and one timer for both: qxl_queue_want_refresh() starts it unless it runs, so
 * that however often it is asked for, at most one refresh comes every QXL_QUEUE_FRAME_MS. The timer belongs to the
 * main loop; qxl_queue_handle_refresh() lets the next one be wanted before the owner looks at its surface, so that
 * no change falls between.
 */
#include "display/qxl_queue.h"

#include <glib.h>

struct qxl_queue {
	void (*refresh)(void *context);
	void *context;
	GMutex lock; /* of all below */
	GQueue commands[QXL_QUEUE_COUNT];
	size_t held_bytes;
	guint refresh_timer; /* 0: no refresh is wanted */
	gint64 refreshed_us;
};

static gboolean
qxl_queue_handle_refresh(gpointer user_data)
{
	struct qxl_queue *queue = user_data;

	g_mutex_lock(&queue->lock);
	queue->refresh_timer = 0;
	queue->refreshed_us = g_get_monotonic_time();
	g_mutex_unlock(&queue->lock);
	queue->refresh(queue->context);
	return G_SOURCE_REMOVE;
}

/* With the lock held: the handler, in another thread, cannot run before the timer's id is noted. */
static void
qxl_queue_start_timer(struct qxl_queue *queue)
{
	gint64 since_ms = (g_get_monotonic_time() - queue->refreshed_us) / 1000;

	if (queue->refresh_timer)
		return;
	queue->refresh_timer = g_timeout_add(
		since_ms >= QXL_QUEUE_FRAME_MS ? 0 : (guint)(QXL_QUEUE_FRAME_MS - since_ms),
		qxl_queue_handle_refresh, queue);
}

struct qxl_queue *
qxl_queue_new(void (*refresh)(void *context), void *context)
{
	struct qxl_queue *queue = g_new0(struct qxl_queue, 1);

	queue->refresh = refresh;
	queue->context = context;
	g_mutex_init(&queue->lock);
	for (size_t i = 0; i < QXL_QUEUE_COUNT; i++)
		g_queue_init(&queue->commands[i]);
	return queue;
}

void
qxl_queue_free(struct qxl_queue *queue)
{
	if (!queue)
		return;
	if (queue->refresh_timer)
		g_source_remove(queue->refresh_timer);
	for (int i = 0; i < QXL_QUEUE_COUNT; i++)
		qxl_queue_drop(queue, (enum qxl_queue_kind)i);
	g_mutex_clear(&queue->lock);
	g_free(queue);
}

void
qxl_queue_want_refresh(struct qxl_queue *queue)
{
	g_mutex_lock(&queue->lock);
	qxl_queue_start_timer(queue);
	g_mutex_unlock(&queue->lock);
}

void
qxl_queue_push(struct qxl_queue *queue, enum qxl_queue_kind kind, struct qxl_command *command)
{
	g_mutex_lock(&queue->lock);
	queue->held_bytes += command->bytes;
	g_queue_push_tail(&queue->commands[kind], command);
	g_mutex_unlock(&queue->lock);
}

bool
qxl_queue_take(struct qxl_queue *queue, enum qxl_queue_kind kind, QXLCommandExt *ret_ext)
{
	struct qxl_command *command;

	g_mutex_lock(&queue->lock);
	command = g_queue_pop_head(&queue->commands[kind]);
	if (command && g_queue_is_empty(&queue->commands[kind]))
		qxl_queue_start_timer(queue);
	g_mutex_unlock(&queue->lock);
	if (command)
		*ret_ext = command->ext;
	return command != NULL;
}

bool
qxl_queue_is_empty(struct qxl_queue *queue, enum qxl_queue_kind kind)
{
	bool empty;

	g_mutex_lock(&queue->lock);
	empty = g_queue_is_empty(&queue->commands[kind]);
	g_mutex_unlock(&queue->lock);
	return empty;
}

void
qxl_queue_release(struct qxl_queue *queue, struct qxl_command *command)
{
	g_mutex_lock(&queue->lock);
	queue->held_bytes -= command->bytes;
	g_mutex_unlock(&queue->lock);
	g_free(command);
}

void
qxl_queue_drop(struct qxl_queue *queue, enum qxl_queue_kind kind)
{
	struct qxl_command *command;

	do {
		g_mutex_lock(&queue->lock);
		command = g_queue_pop_head(&queue->commands[kind]);
		g_mutex_unlock(&queue->lock);
		if (command)
			qxl_queue_release(queue, command);
	} while (command);
}

size_t
qxl_queue_get_held_bytes(struct qxl_queue *queue)
{
	size_t bytes;

	g_mutex_lock(&queue->lock);
	bytes = queue->held_bytes;
	g_mutex_unlock(&queue->lock);
	return bytes;
}
