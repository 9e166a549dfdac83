/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_thread.h - a step of a job that reads or writes much, in a thread of its own
 */
#ifndef TEMPLATES_JOB_THREAD_H
#define TEMPLATES_JOB_THREAD_H

#include "host/steps.h"

/* Runs in the thread. What it touches in the context is its own until it returns. */
typedef gboolean (*job_thread_work)(gpointer context, GCancellable *cancellable, GError **error);

/* Ends the step with what "work" returns, never before it has returned. */
void job_thread_run(struct steps *steps, GCancellable *cancellable, job_thread_work work,
		    gpointer context);

#endif
