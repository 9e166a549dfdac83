/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jobs.c - the jobs of this host: build, publish, verify, seal (carrel-hostd)
 *
 * How it works: jobs_advance() starts the oldest queued job of each kind that has no worker; host/job_life.c leads each
 * to its end. A record of it (host/job_record.c) is removed when it is over and sync's answer does not name the job any more; none names
 * one that hostd has begun by itself (jobs_start_seal), which is kept until its end was reported. So a restarted hostd knows what was
 * running: jobs_load() fails it by name.
 */
#include "host/jobs.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "host/job_arguments.h"
#include "host/job_life.h"

struct jobs {
	char *lib;
	char *recipe_folder;
	char *folder; /* of the records */
	struct job_owner owner;
	const char *(*choose_engine)(void *context);
	GPtrArray *jobs; /* in the order of their coming */
};

/* The oldest queued one of each kind whose worker's place is free. */
static void
jobs_advance(void *list)
{
	struct jobs *jobs = list;

	for (guint kind = 0; kind < JOB_KIND_COUNT; kind++) {
		struct job *next = NULL;
		gboolean busy = FALSE;

		for (guint i = 0; i < jobs->jobs->len; i++) {
			struct job *job = g_ptr_array_index(jobs->jobs, i);

			if (job->kind != kind || job_life_is_over(job))
				continue;
			if (job->state != JOB_STATE_QUEUED)
				busy = TRUE;
			else if (!next)
				next = job;
		}
		/* While launch is away they wait: that is no fault of theirs. */
		if (next && !busy && launch_client_is_up(jobs->owner.launch))
			job_life_start(next);
	}
}

static struct job *
jobs_find(const struct jobs *jobs, const char *id)
{
	for (guint i = 0; i < jobs->jobs->len; i++) {
		struct job *job = g_ptr_array_index(jobs->jobs, i);

		if (strcmp(job->id, id) == 0)
			return job;
	}
	return NULL;
}

/* reason: of one that hostd begins by itself, else NULL. */
static struct job *
jobs_add(struct jobs *jobs, const char *id, enum job_kind kind, const json_t *arguments,
	 const char *reason)
{
	const struct job_places places = { jobs->lib, jobs->recipe_folder, id,
					   jobs->choose_engine(jobs->owner.context) };
	struct json_problem problem = { "" };
	struct job *job = job_life_new(&jobs->owner, id, kind);
	json_t *made = job_arguments_make(kind, arguments, &places, &job->subject, &problem);

	g_ptr_array_add(jobs->jobs, job);
	if (reason)
		job_life_set_reason(job, reason);
	job_life_prepare(job, made, problem.text);
	return job;
}

static void
jobs_apply_one(struct jobs *jobs, const json_t *wish)
{
	const char *id = json_get_text(wish, "id", "");
	const char *kind_name = json_get_text(wish, "kind", "");
	struct job *job = jobs_find(jobs, id);
	enum job_kind kind;

	if (!job && jobs->jobs->len >= JOBS_MAX)
		return; /* sync names it again */
	if (!job && (!id_valid(ID_KIND_JOB, id) || !job_arguments_find_kind(kind_name, &kind) ||
		     kind == JOB_KIND_SEAL)) {
		log_warning("the broker wants a job of kind '%s' that this host does not know",
			    kind_name);
		return;
	}
	if (!job)
		job = jobs_add(jobs, id, kind, json_object_get(wish, "arguments"), NULL);
	job->wanted = TRUE;
	if (json_get_flag(wish, "cancel", 0))
		job_life_cancel(job);
}

gboolean
jobs_start_seal(struct jobs *jobs, const char *name, guint32 version, const char *engine,
		const char *reason)
{
	char id[ID_SIZE];
	json_t *arguments;

	if (jobs->jobs->len >= JOBS_MAX || id_new(ID_KIND_JOB, id) < 0)
		return FALSE;
	arguments = json_pack("{s:s, s:I, s:s}", "template", name, "version", (json_int_t)version,
			      "engine", engine);
	jobs_add(jobs, id, JOB_KIND_SEAL, arguments, reason);
	json_decref(arguments);
	jobs_advance(jobs);
	return TRUE;
}

void
jobs_apply(struct jobs *jobs, const json_t *wanted)
{
	gsize index;
	json_t *wish;

	for (guint i = 0; i < jobs->jobs->len; i++)
		((struct job *)g_ptr_array_index(jobs->jobs, i))->wanted = FALSE;
	json_array_foreach(wanted, index, wish)
		jobs_apply_one(jobs, wish);
	for (guint i = 0; i < jobs->jobs->len;) {
		struct job *job = g_ptr_array_index(jobs->jobs, i);

		if (!job->wanted && !job_life_is_own(job))
			job_life_cancel(job);
		if (job->wanted || !job_life_is_over(job) || !job->reported) {
			i++;
			continue;
		}
		job_record_remove(jobs->folder, job->id);
		g_ptr_array_remove_index(jobs->jobs, i);
	}
	jobs_advance(jobs);
}

json_t *
jobs_describe(struct jobs *jobs)
{
	json_t *list = json_array();

	for (guint i = 0; i < jobs->jobs->len; i++) {
		struct job *job = g_ptr_array_index(jobs->jobs, i);

		json_array_append_new(list, job_life_describe(job));
		job->reported = job_life_is_over(job);
	}
	return list;
}

void
jobs_handle_exited(struct jobs *jobs, const struct launch_exited *exited)
{
	struct job *job = jobs_find(jobs, exited->name);

	if (job && (exited->role == LAUNCH_ROLE_WORKER || exited->role == LAUNCH_ROLE_BUILD))
		job_life_handle_exited(job, exited->wait_status);
}

static void
jobs_load_one(struct jobs *jobs, const char *name)
{
	struct job_record record;
	struct job *job;

	if (!job_record_read(jobs->folder, name, &record))
		return;
	job = job_life_new(&jobs->owner, record.id, record.kind);
	g_ptr_array_add(jobs->jobs, job);
	job_life_restore(job, &record);
	job_record_done(&record);
}

static void
jobs_load(struct jobs *jobs)
{
	g_autoptr(GDir) folder = g_dir_open(jobs->folder, 0, NULL);
	const char *name;

	while (folder && jobs->jobs->len < JOBS_MAX && (name = g_dir_read_name(folder)))
		if (g_str_has_suffix(name, ".json"))
			jobs_load_one(jobs, name);
}

struct jobs *
jobs_new(const struct jobs_options *options, const struct jobs_events *events, void *context)
{
	struct jobs *jobs = g_new0(struct jobs, 1);

	jobs->lib = g_strdup(options->lib);
	jobs->recipe_folder = g_strdup(options->recipe_folder);
	jobs->folder = g_strdup(options->record_folder);
	jobs->owner =
		(struct job_owner){ jobs->lib,	   jobs->folder, options->launch, jobs,
				    jobs_advance,  context,	 events->changed, events->committed,
				    events->sealed };
	jobs->choose_engine = events->choose_engine;
	jobs->jobs = g_ptr_array_new_with_free_func(job_life_free);
	if (g_mkdir_with_parents(jobs->folder, 0700) < 0)
		log_error("cannot make '%s' (%s): a restart would not know which jobs ran",
			  jobs->folder, g_strerror(errno));
	jobs_load(jobs);
	return jobs;
}

void
jobs_free(struct jobs *jobs)
{
	if (!jobs)
		return;
	g_ptr_array_unref(jobs->jobs);
	g_free(jobs->lib);
	g_free(jobs->recipe_folder);
	g_free(jobs->folder);
	g_free(jobs);
}
