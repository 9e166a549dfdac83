/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_thread.c - a step of a job in a thread of its own (carrel-worker)
 */
#include "templates/job_thread.h"

struct job_thread {
	struct steps *steps;
	job_thread_work work;
	gpointer context;
};

static void
job_thread_main(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	const struct job_thread *thread = data;
	GError *error = NULL;

	(void)source;
	if (thread->work(thread->context, cancellable, &error))
		g_task_return_boolean(task, TRUE);
	else
		g_task_return_error(task, error);
}

void
job_thread_run(struct steps *steps, GCancellable *cancellable, job_thread_work work,
	       gpointer context)
{
	struct job_thread *thread = g_new(struct job_thread, 1);
	GTask *task = g_task_new(NULL, cancellable, steps_handle_boolean, steps_ref(steps));

	*thread = (struct job_thread){ steps, work, context };
	g_task_set_task_data(task, thread, g_free);
	g_task_run_in_thread(task, job_thread_main);
	g_object_unref(task);
}
