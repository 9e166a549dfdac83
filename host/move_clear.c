/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * move_clear.c - what desktops have left in the folder that hosts share is removed, one after the other (carrel-hostd)
 *
 * How it works: the head of the queue is the job under way, in a thread (move_clear_begin); its end (move_clear_handle_done) begins
 * the next. What fails is told and not tried again here: only who has the desktop knows whether it is still to be removed.
 */
#include "host/move_clear.h"

#include <string.h>

struct move_clear_job {
	struct move_clear *clear; /* NULL: freed while this was under way */
	struct move_files files;
	move_clear_work work;
	gboolean found;
	move_clear_callback callback;
	void *context;
};

struct move_clear {
	char *exchange;
	move_clear_work work;
	GQueue *jobs;
};

struct move_clear *
move_clear_new(const char *exchange, move_clear_work work)
{
	struct move_clear *clear = g_new0(struct move_clear, 1);

	clear->exchange = g_strdup(exchange);
	clear->work = work;
	clear->jobs = g_queue_new();
	return clear;
}

static void
move_clear_end_job(struct move_clear_job *job, const GError *error)
{
	job->callback(job->context, job->files.id, job->found, error);
	g_free(job->files.exchange);
	g_free(job->files.id);
	g_free(job);
}

static void
move_clear_cancel(struct move_clear *clear, GList *link)
{
	struct move_clear_job *job = link->data;
	g_autoptr(GError) error =
		g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "it was not begun");

	g_queue_delete_link(clear->jobs, link);
	move_clear_end_job(job, error);
}

void
move_clear_free(struct move_clear *clear)
{
	struct move_clear_job *head;

	if (!clear)
		return;
	while (g_queue_get_length(clear->jobs) > 1)
		move_clear_cancel(clear, g_queue_peek_tail_link(clear->jobs));
	head = g_queue_pop_head(clear->jobs);
	if (head)
		head->clear = NULL;
	g_queue_free(clear->jobs);
	g_free(clear->exchange);
	g_free(clear);
}

static void
move_clear_run(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	struct move_clear_job *job = data;
	GError *error = NULL;

	(void)source, (void)cancellable;
	if (job->work(&job->files, &job->found, &error))
		g_task_return_boolean(task, TRUE);
	else
		g_task_return_error(task, error);
}

static void move_clear_handle_done(GObject *object, GAsyncResult *result, gpointer data);

/* The head, if there is one. */
static void
move_clear_begin(struct move_clear *clear)
{
	struct move_clear_job *job = g_queue_peek_head(clear->jobs);
	GTask *task;

	if (!job)
		return;
	task = g_task_new(NULL, NULL, move_clear_handle_done, job);
	g_task_set_task_data(task, job, NULL);
	g_task_run_in_thread(task, move_clear_run);
	g_object_unref(task);
}

static void
move_clear_handle_done(GObject *object, GAsyncResult *result, gpointer data)
{
	struct move_clear_job *job = data;
	g_autoptr(GError) error = NULL;

	(void)object;
	g_task_propagate_boolean(G_TASK(result), &error);
	if (job->clear) {
		g_queue_pop_head(job->clear->jobs);
		move_clear_begin(job->clear);
	}
	move_clear_end_job(job, error);
}

static GList *
move_clear_find(const struct move_clear *clear, const char *id)
{
	for (GList *link = clear->jobs->head; link; link = link->next)
		if (strcmp(((const struct move_clear_job *)link->data)->files.id, id) == 0)
			return link;
	return NULL;
}

gboolean
move_clear_add(struct move_clear *clear, const char *id, move_clear_callback callback,
	       void *context)
{
	struct move_clear_job *job;

	if (move_clear_find(clear, id))
		return FALSE;
	job = g_new0(struct move_clear_job, 1);
	job->clear = clear;
	job->files.exchange = g_strdup(clear->exchange);
	job->files.id = g_strdup(id);
	job->work = clear->work;
	job->callback = callback;
	job->context = context;
	g_queue_push_tail(clear->jobs, job);
	if (g_queue_get_length(clear->jobs) == 1)
		move_clear_begin(clear);
	return TRUE;
}

gboolean
move_clear_drop(struct move_clear *clear, const char *id)
{
	GList *link = move_clear_find(clear, id);

	if (!link)
		return TRUE;
	if (link == clear->jobs->head)
		return FALSE;
	move_clear_cancel(clear, link);
	return TRUE;
}

void
move_clear_leave(struct move_clear *clear, const void *context)
{
	for (GList *link = clear->jobs->head ? clear->jobs->head->next : NULL; link;
	     link = link->next)
		if (((const struct move_clear_job *)link->data)->context == context) {
			move_clear_cancel(clear, link);
			return;
		}
}
