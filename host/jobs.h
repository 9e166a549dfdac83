/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jobs.h - the jobs of this host: build, publish, verify, seal (docs/PROTOCOL.md, base/proto_job.h)
 *
 * Wiring: sync passes the answer's "jobs" to jobs_apply() and sends jobs_describe() as the request's; launch_client's
 * exited() goes to jobs_handle_exited(). changed() means that sync has news; committed() that an image (version 0) or a
 * template version has appeared.
 */
#ifndef HOST_JOBS_H
#define HOST_JOBS_H

#include <gio/gio.h>

#include "base/json.h"
#include "base/proto_job.h"
#include "host/launch_client.h"

#define JOBS_MAX 256

struct jobs_events {
	void (*changed)(void *context);
	void (*committed)(void *context, enum job_kind kind, const char *name, guint32 version);
	/* One of jobs_start_seal() is over; error NULL: well. */
	void (*sealed)(void *context, const char *name, guint32 version, const char *error);
	/* The engine of a publish that names none. */
	const char *(*choose_engine)(void *context);
};

struct jobs_options {
	const char *lib;
	const char *recipe_folder; /* holds a folder for each recipe */
	const char
		*record_folder; /* hostd's own, e.g. <lib>/hostd/jobs; made when it is not there */
	struct launch_client *launch;
};

struct jobs;

/* Reads the records: what ran when an earlier hostd ended is failed by name, and its staging folder removed. */
struct jobs *jobs_new(const struct jobs_options *options, const struct jobs_events *events,
		      void *context);

/* Leaves workers to end by themselves: their socket closes. */
void jobs_free(struct jobs *jobs);

/*
 * The wanted ones, as in sync's answer: new ones are queued, cancelled ones end, and forgotten are those that it names no more
 * and whose end was described before.
 */
void jobs_apply(struct jobs *jobs, const json_t *wanted);

/*
 * A version that this host cannot restore, for a reason, is sealed again: a job of this host's own, which the broker is told of and
 * does not end. FALSE: there are too many jobs, or no id.
 */
gboolean jobs_start_seal(struct jobs *jobs, const char *name, guint32 version, const char *engine,
			 const char *reason);

/* As in sync's request, which is the next one: the answer to it may name what has ended no more. A new reference. */
json_t *jobs_describe(struct jobs *jobs);

void jobs_handle_exited(struct jobs *jobs, const struct launch_exited *exited);

#endif
