/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_life.h - one job from its coming to its end (host/jobs.h has them all)
 */
#ifndef HOST_JOB_LIFE_H
#define HOST_JOB_LIFE_H

#include <gio/gio.h>
#include <sys/stat.h>

#include "base/id.h"
#include "base/json.h"
#include "base/proto_job.h"
#include "host/job_arguments.h"
#include "host/job_record.h"
#include "host/launch_client.h"
#include "host/process_watch.h"

/*
 * queued -> starting -> running -> reaping -> committing -> done
 * running -> reaping (DONE came, or it must end), starting -> cleaning (no worker)
 * reaping, committing -> cleaning (failed, cancelled, or nothing to commit) -> done | failed | cancelled
 * A commit whose answer was lost is done when what was staged is found in its place after the cleaning.
 * queued -> failed | cancelled
 */
enum job_state {
	JOB_STATE_QUEUED,
	JOB_STATE_STARTING,
	JOB_STATE_RUNNING,
	JOB_STATE_REAPING,
	JOB_STATE_COMMITTING,
	JOB_STATE_CLEANING,
	JOB_STATE_DONE,
	JOB_STATE_FAILED,
	JOB_STATE_CANCELLED,
	JOB_STATE_COUNT,
};

/* Who has the job. "list" is for advance(), "context" for the events. */
struct job_owner {
	const char *lib; /* the host's folder of templates, images and staging */
	const char *record_folder;
	struct launch_client *launch;
	void *list;
	void (*advance)(void *list); /* a worker's place is free */
	void *context;
	void (*changed)(void *context);
	void (*committed)(void *context, enum job_kind kind, const char *name, guint32 version);
	/* One that has a reason is over; error NULL: well. */
	void (*ended)(void *context, const char *name, guint32 version, const char *error);
};

struct seq_source;

struct job {
	const struct job_owner *owner;
	char id[ID_SIZE];
	enum job_kind kind;
	enum job_state state;
	json_t *arguments; /* the worker's */
	struct job_subject subject;
	struct seq_source *worker;
	struct process_watch process; /* the worker's */
	guint timer;
	char step[32];
	guint percent;
	guint seconds_left;
	gboolean cancel;
	gboolean told;	/* DONE came, with status and result */
	gboolean ended; /* the process, with wait_status, or 0 when nobody could say */
	int wait_status;
	int status;
	char *error; /* why it failed; NULL: it did not */
	json_t *result;
	enum job_state outcome; /* of CLEANING */
	struct stat staged;	/* the folder that is committed; st_ino 0: none was */
	gboolean wanted;
	gboolean reported; /* its end was in a report */
	char *reason; /* why hostd has begun it by itself; NULL: it has not, or an earlier hostd did */
};

/* hostd has begun it by itself. */
static inline gboolean
job_life_is_own(const struct job *job)
{
	return job->kind == JOB_KIND_SEAL;
}

/* Queued. The owner must outlive it. */
struct job *job_life_new(const struct job_owner *owner, const char *id, enum job_kind kind);
void job_life_free(gpointer job);

/* What the worker shall do, taken over; NULL: it fails for this reason. */
void job_life_prepare(struct job *job, json_t *arguments, const char *reason);

/* Why it has begun by itself: what it is about is told with it. Its first 500 bytes are kept. */
void job_life_set_reason(struct job *job, const char *reason);

/* Asks launch for a worker. */
void job_life_start(struct job *job);
void job_life_cancel(struct job *job);
void job_life_handle_exited(struct job *job, int wait_status);

/* As an earlier hostd left it: ended, or failed by name and its staging folder removed. */
void job_life_restore(struct job *job, const struct job_record *record);

gboolean job_life_is_over(const struct job *job);

/* As in sync's request; a new reference. */
json_t *job_life_describe(const struct job *job);

#endif
