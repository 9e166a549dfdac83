/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * steps.c - an asynchronous operation written as a table of steps (carrel-hostd, carrel-worker)
 *
 * How it works: steps_enter() starts a step and its deadline. The step ends by steps_next(), by steps_fail(), by its
 * deadline or by the caller's GCancellable; steps_settle() hands the result to the GTask, exactly once. Asynchronous
 * calls hold a reference and ask steps_running() when they come back.
 */
#include "host/steps.h"

#include <unistd.h>

struct steps {
	gint references;
	const struct step *table;
	gsize n_steps;
	gsize at;
	gboolean settled;
	void *context;
	GDestroyNotify free_context;
	GTask *task;
	guint deadline;
	GSource *cancelled;
	gint64 entered_us;
	json_t *report;
};

static void
steps_free_report(gpointer report)
{
	json_decref(report);
}

struct steps *
steps_ref(struct steps *steps)
{
	steps->references++;
	return steps;
}

void
steps_unref(struct steps *steps)
{
	if (--steps->references > 0)
		return;
	if (steps->free_context)
		steps->free_context(steps->context);
	json_decref(steps->report);
	g_object_unref(steps->task);
	g_free(steps);
}

static void
steps_drop_sources(struct steps *steps)
{
	if (steps->deadline)
		g_source_remove(steps->deadline);
	steps->deadline = 0;
	if (steps->cancelled) {
		g_source_destroy(steps->cancelled);
		g_source_unref(steps->cancelled);
		steps->cancelled = NULL;
	}
}

static void
steps_settle(struct steps *steps, GError *error)
{
	steps->settled = TRUE;
	steps_drop_sources(steps);
	g_object_set_data_full(G_OBJECT(steps->task), "report", json_incref(steps->report),
			       steps_free_report);
	if (error)
		g_task_return_error(steps->task, error);
	else
		g_task_return_boolean(steps->task, TRUE);
	steps_unref(steps);
}

static void
steps_note_time(struct steps *steps)
{
	gint64 now_us = g_get_monotonic_time();

	json_array_append_new(steps->report,
			      json_pack("{s:s, s:I}", "name", steps->table[steps->at].name, "ms",
					(json_int_t)((now_us - steps->entered_us) / 1000)));
}

static gboolean
steps_handle_deadline(gpointer data)
{
	struct steps *steps = data;

	steps->deadline = 0;
	steps_fail(steps, g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no end within %u ms",
				      steps->table[steps->at].timeout_ms));
	return G_SOURCE_REMOVE;
}

static gboolean
steps_handle_cancelled(GCancellable *cancellable, gpointer data)
{
	(void)cancellable;
	steps_fail(data, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
	return G_SOURCE_REMOVE;
}

static void
steps_enter(struct steps *steps)
{
	const struct step *step = &steps->table[steps->at];

	steps->entered_us = g_get_monotonic_time();
	steps->deadline = g_timeout_add(step->timeout_ms, steps_handle_deadline, steps);
	steps_ref(steps);
	step->start(steps, steps->context);
	steps_unref(steps);
}

void
steps_run(const struct step *table, gsize n_steps, void *context, GDestroyNotify free_context,
	  const struct steps_call *call)
{
	struct steps *steps = g_new0(struct steps, 1);

	steps->references = 1;
	steps->table = table;
	steps->n_steps = n_steps;
	steps->context = context;
	steps->free_context = free_context;
	steps->report = json_array();
	steps->task = g_task_new(NULL, call->cancellable, call->callback, call->data);
	/* The report of what was done is worth more than the word "cancelled" in front of it. */
	g_task_set_check_cancellable(steps->task, FALSE);
	if (call->cancellable) {
		steps->cancelled = g_cancellable_source_new(call->cancellable);
		g_source_set_callback(steps->cancelled, G_SOURCE_FUNC(steps_handle_cancelled),
				      steps, NULL);
		g_source_attach(steps->cancelled, NULL);
	}
	steps_enter(steps);
}

void
steps_next(struct steps *steps)
{
	if (steps->settled)
		return;
	steps_note_time(steps);
	g_source_remove(steps->deadline);
	steps->deadline = 0;
	if (++steps->at == steps->n_steps)
		steps_settle(steps, NULL);
	else
		steps_enter(steps);
}

void
steps_fail(struct steps *steps, GError *error)
{
	if (steps->settled) {
		g_error_free(error);
		return;
	}
	steps_note_time(steps);
	g_prefix_error(&error, "%s: ", steps->table[steps->at].name);
	steps_settle(steps, error);
}

static void
steps_end_call(struct steps *steps, GError *error)
{
	if (error)
		steps_fail(steps, error);
	else
		steps_next(steps);
	steps_unref(steps);
}

void
steps_handle_boolean(GObject *object, GAsyncResult *result, gpointer steps)
{
	GError *error = NULL;

	(void)object;
	g_task_propagate_boolean(G_TASK(result), &error);
	steps_end_call(steps, error);
}

void
steps_handle_json(GObject *object, GAsyncResult *result, gpointer steps)
{
	GError *error = NULL;

	(void)object;
	json_decref(g_task_propagate_pointer(G_TASK(result), &error));
	steps_end_call(steps, error);
}

gboolean
steps_running(const struct steps *steps)
{
	return !steps->settled;
}

GCancellable *
steps_get_cancellable(const struct steps *steps)
{
	return g_task_get_cancellable(steps->task);
}

gboolean
steps_finish(GAsyncResult *result, GError **error)
{
	return g_task_propagate_boolean(G_TASK(result), error);
}

json_t *
steps_get_report(GAsyncResult *result)
{
	json_t *report = g_object_get_data(G_OBJECT(result), "report");

	return report ? json_incref(report) : json_array();
}

static void
steps_close_fd(gpointer holder)
{
	int *fd = holder;

	if (*fd >= 0)
		close(*fd);
	g_free(fd);
}

void
steps_set_fd(struct steps *steps, int fd)
{
	int *holder = g_new(int, 1);

	*holder = fd;
	g_object_set_data_full(G_OBJECT(steps->task), "fd", holder, steps_close_fd);
}

int
steps_take_fd(GAsyncResult *result)
{
	int *holder = g_object_get_data(G_OBJECT(result), "fd");
	int fd = holder ? *holder : -1;

	if (holder)
		*holder = -1;
	return fd;
}

void
steps_set_json(struct steps *steps, json_t *value)
{
	g_object_set_data_full(G_OBJECT(steps->task), "json", value, steps_free_report);
}

json_t *
steps_get_json(GAsyncResult *result)
{
	return json_incref(g_object_get_data(G_OBJECT(result), "json"));
}
