/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job.h - what every kind of job has: its arguments, its progress, its end (base/proto_job.h)
 */
#ifndef TEMPLATES_JOB_H
#define TEMPLATES_JOB_H

#include <gio/gio.h>

#include "base/json.h"
#include "base/proto_job.h"

struct job {
	char id[ID_SIZE];
	json_t *arguments;
	int kvm;		   /* /dev/kvm, which a job's uid may not open itself; -1: none */
	GCancellable *cancellable; /* set by CANCEL and by hostd's end */
	gint64 started_us;
	guint64 need_bytes; /* what it takes at most on the disk of its staging folder; 0: not known */
	/* Tells hostd; "percent" only grows. The time left is reckoned from what has passed. */
	void (*progress)(struct job *job, const char *step, guint percent);
	/* Ends the job: result (may be NULL) is taken over, error NULL means success and is taken over too. */
	void (*done)(struct job *job, json_t *result, GError *error);
};

struct job_ops {
	enum job_kind kind;
	const char *name; /* as the user types it */
	const struct json_field *fields;
	gsize n_fields;
	void (*run)(struct job *job);
};

#endif
