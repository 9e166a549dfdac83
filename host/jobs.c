/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jobs.c - the jobs of this host: build, publish, verify (carrel-hostd)
 *
 * How it works: jobs_advance() starts the oldest queued job of each kind that has no worker. job_start() asks launch for
 * a worker with a socketpair's end; PROGRESS and DONE come in through job_rules, checked as what a stranger says. Whatever
 * happens, job_reaped() is where a worker's end leads: success is committed by launch, everything else has its staging
 * folder removed. job_move() is the only writer of a state.
 *
 * A record <folder>/<id>.json is written before the worker starts and when the job ends; it is removed when sync's
 * answer does not name the job any more. So a restarted hostd knows what was running: jobs_load() fails it by name.
 */
#include "host/jobs.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"
#include "host/job_arguments.h"

#define JOB_CANCEL_MS	     30000 /* how long a cancelled worker may clean up */
#define JOB_EXITED_MS	     2000  /* how long launch may take to say how a worker ended */
#define JOB_RETRY_MS	     2000  /* until a staging folder's removal is tried again */
#define JOB_RECORD_MAX_BYTES (64 * 1024)
#define JOB_MAX_SECONDS	     (7 * 24 * 3600)

struct job {
	struct jobs *jobs;
	char id[ID_SIZE];
	enum job_kind kind;
	enum job_state state;
	json_t *arguments; /* the worker's */
	struct job_subject subject;
	struct seq_source *worker;
	int pidfd;
	guint end_source;
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
	gboolean wanted;
};

struct jobs {
	char *lib;
	char *recipe_folder;
	char *folder; /* of the records */
	struct launch_client *launch;
	const struct jobs_events *events;
	void *context;
	GPtrArray *jobs; /* in the order of their coming */
};

#define TO(state) (1U << JOB_STATE_##state)

static const struct {
	const char *name;
	const char *told; /* in sync */
	guint next;
} state_table[] = {
	[JOB_STATE_QUEUED] = { "queued", "queued", TO(STARTING) | TO(FAILED) | TO(CANCELLED) },
	[JOB_STATE_STARTING] = { "starting", "running", TO(RUNNING) | TO(CLEANING) },
	[JOB_STATE_RUNNING] = { "running", "running", TO(REAPING) },
	[JOB_STATE_REAPING] = { "reaping", "running", TO(COMMITTING) | TO(CLEANING) },
	[JOB_STATE_COMMITTING] = { "committing", "running", TO(DONE) | TO(CLEANING) },
	[JOB_STATE_CLEANING] = { "cleaning", "running", TO(DONE) | TO(FAILED) | TO(CANCELLED) },
	[JOB_STATE_DONE] = { "done", "done", 0 },
	[JOB_STATE_FAILED] = { "failed", "failed", 0 },
	[JOB_STATE_CANCELLED] = { "cancelled", "cancelled", 0 },
};

G_STATIC_ASSERT(G_N_ELEMENTS(state_table) == JOB_STATE_COUNT);

static void jobs_advance(struct jobs *jobs);
static void job_clean(struct job *job, enum job_state outcome);

static gboolean
job_is_over(const struct job *job)
{
	return job->state >= JOB_STATE_DONE;
}

static enum launch_role
job_get_role(const struct job *job)
{
	return job->kind == JOB_KIND_BUILD ? LAUNCH_ROLE_BUILD : LAUNCH_ROLE_WORKER;
}

/* --- the record --- */

static char *
job_get_record_path(const struct job *job)
{
	g_autofree char *name = g_strconcat(job->id, ".json", NULL);

	return g_build_filename(job->jobs->folder, name, NULL);
}

static void
job_write_record(const struct job *job)
{
	g_autofree char *path = job_get_record_path(job);
	json_t *record =
		json_pack("{s:i, s:s, s:s, s:s, s:s, s:O}", "v", 1, "id", job->id, "kind",
			  job_arguments_kind_name(job->kind), "state", state_table[job->state].told,
			  "error", job->error ? job->error : "", "result", job->result);
	char *text = json_dumps(record, JSON_COMPACT);
	int error = text ? io_write_file_durably(path, text, strlen(text), 0600) : -ENOMEM;

	if (error < 0)
		log_error("job=%s: cannot write '%s': %s", job->id, path, g_strerror(-error));
	free(text);
	json_decref(record);
}

static void
job_move(struct job *job, enum job_state state)
{
	if (!(state_table[job->state].next & 1U << state)) {
		log_error("job=%s cannot go from '%s' to '%s'", job->id,
			  state_table[job->state].name, state_table[state].name);
		return;
	}
	log_info("job=%s kind=%s: '%s' -> '%s'%s%s", job->id, job_arguments_kind_name(job->kind),
		 state_table[job->state].name, state_table[state].name, job->error ? ": " : "",
		 job->error ? job->error : "");
	job->state = state;
	g_clear_handle_id(&job->timer, g_source_remove);
	if (state == JOB_STATE_STARTING || job_is_over(job))
		job_write_record(job);
	job->jobs->events->changed(job->jobs->context);
}

/* The first reason counts. Takes the text over. */
static void
job_blame(struct job *job, char *text)
{
	if (job->error)
		g_free(text);
	else
		job->error = text;
}

static struct job *
job_new(struct jobs *jobs, const char *id, enum job_kind kind)
{
	struct job *job = g_new0(struct job, 1);

	job->jobs = jobs;
	g_strlcpy(job->id, id, sizeof(job->id));
	job->kind = kind;
	job->pidfd = -1;
	job->result = json_object();
	g_ptr_array_add(jobs->jobs, job);
	return job;
}

static void
job_forget_worker(struct job *job)
{
	g_clear_handle_id(&job->end_source, g_source_remove);
	g_clear_pointer(&job->worker, seq_source_free);
	if (job->pidfd >= 0)
		close(job->pidfd);
	job->pidfd = -1;
}

static void
job_free(gpointer data)
{
	struct job *job = data;

	launch_client_forget(job->jobs->launch, job);
	job_forget_worker(job);
	g_clear_handle_id(&job->timer, g_source_remove);
	json_decref(job->arguments);
	json_decref(job->result);
	g_free(job->error);
	g_free(job);
}

/* --- the end of a job --- */

static gboolean
job_handle_clean_again(gpointer data)
{
	struct job *job = data;

	job->timer = 0;
	job_clean(job, job->outcome);
	return G_SOURCE_REMOVE;
}

static void
job_handle_cleaned(void *data, const struct launch_answer *answer)
{
	struct job *job = data;

	/* No staging folder is what is wanted; anything else is tried again: space and uid belong to it. */
	if (answer->error && !g_error_matches(answer->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
		log_warning("job=%s: %s", job->id, answer->error->message);
		job->timer = g_timeout_add(JOB_RETRY_MS, job_handle_clean_again, job);
		return;
	}
	job_move(job, job->outcome);
	jobs_advance(job->jobs);
}

static void
job_clean(struct job *job, enum job_state outcome)
{
	job->outcome = outcome;
	if (job->state != JOB_STATE_CLEANING)
		job_move(job, JOB_STATE_CLEANING);
	launch_client_remove_stage(job->jobs->launch, job->id, job_handle_cleaned, job);
}

static void
job_handle_committed(void *data, const struct launch_answer *answer)
{
	struct job *job = data;
	struct jobs *jobs = job->jobs;

	if (answer->error) {
		job_blame(job, g_strdup(answer->error->message));
		job_clean(job, JOB_STATE_FAILED);
		return;
	}
	job->percent = 100;
	job_move(job, JOB_STATE_DONE);
	if (jobs->events->committed)
		jobs->events->committed(jobs->context, job->kind, job->subject.name,
					job->subject.version);
	jobs_advance(jobs);
}

/* The worker has ended, in whatever way, and its last message was read. */
static void
job_reaped(struct job *job)
{
	if (job->state == JOB_STATE_RUNNING)
		job_move(job, JOB_STATE_REAPING);
	job_forget_worker(job);
	if (!job->told && WIFSIGNALED(job->wait_status))
		job_blame(job, g_strdup_printf("the worker ended by signal %d at step '%s': run "
					       "the %s again",
					       WTERMSIG(job->wait_status), job->step,
					       job_arguments_kind_name(job->kind)));
	if (job->cancel && (!job->told || job->status != 0)) {
		job_clean(job, JOB_STATE_CANCELLED);
	} else if (job->error || !job->told) {
		job_blame(job, g_strdup_printf("the worker ended at step '%s' without a result: "
					       "run the %s again",
					       job->step, job_arguments_kind_name(job->kind)));
		job_clean(job, JOB_STATE_FAILED);
	} else if (job->kind == JOB_KIND_VERIFY) {
		job->percent = 100;
		job_clean(job, JOB_STATE_DONE);
	} else {
		job_move(job, JOB_STATE_COMMITTING);
		launch_client_commit_stage(job->jobs->launch, job->id, job->subject.name,
					   job->kind == JOB_KIND_BUILD ? 0 : job->subject.version,
					   job_handle_committed, job);
	}
}

/* Its last messages may still lie in the socket when the process has ended. */
static void
job_reap_if_silent(struct job *job)
{
	if (job->ended && !job->worker)
		job_reaped(job);
}

/* Launch did not say, or somebody else holds the worker's socket. */
static gboolean
job_handle_not_told(gpointer data)
{
	struct job *job = data;

	job->timer = 0;
	job->ended = TRUE;
	job_reaped(job);
	return G_SOURCE_REMOVE;
}

static void
job_expect_end(struct job *job)
{
	g_clear_handle_id(&job->timer, g_source_remove);
	job->timer = g_timeout_add(JOB_EXITED_MS, job_handle_not_told, job);
}

/* The pidfd says that it ended; how, is told by launch's EXITED, if launch has not been restarted meanwhile. */
static gboolean
job_handle_pidfd(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	struct job *job = data;

	job->end_source = 0;
	job_expect_end(job);
	return G_SOURCE_REMOVE;
}

/* --- the worker's messages --- */

static gboolean job_handle_end_late(gpointer data);

/* Again and again while launch is away, until the pidfd tells the end. */
static void
job_kill(struct job *job)
{
	if (job->state == JOB_STATE_RUNNING)
		job_move(job, JOB_STATE_REAPING);
	launch_client_kill(job->jobs->launch, job->id, job_get_role(job), NULL, NULL);
	g_clear_handle_id(&job->timer, g_source_remove);
	job->timer = g_timeout_add(JOB_CANCEL_MS, job_handle_end_late, job);
}

static gboolean
job_handle_end_late(gpointer data)
{
	struct job *job = data;

	job->timer = 0;
	log_warning("job=%s: the worker does not end; killing it", job->id);
	job_kill(job);
	return G_SOURCE_REMOVE;
}

static int
job_handle_progress(void *context, struct seq_message *message)
{
	struct job *job = context;
	struct job_progress progress;

	memcpy(&progress, message->payload, sizeof(progress));
	if (!seq_text_ok(progress.step, sizeof(progress.step)) ||
	    !g_utf8_validate(progress.step, -1, NULL) || progress.percent > 100)
		return -EPROTO;
	g_strlcpy(job->step, progress.step, sizeof(job->step));
	job->percent = progress.percent;
	job->seconds_left = MIN(progress.seconds_left, JOB_MAX_SECONDS);
	job->jobs->events->changed(job->jobs->context);
	return 0;
}

static int
job_handle_done(void *context, struct seq_message *message)
{
	struct job *job = context;
	const char *text = (const char *)message->payload + sizeof(struct job_done);
	struct json_problem problem = { "" };
	struct job_done done;
	json_t *result;

	memcpy(&done, message->payload, sizeof(done));
	if (done.json_bytes != message->head.size - sizeof(done) || done.status > 0 ||
	    !seq_text_ok(done.text, sizeof(done.text)))
		return -EPROTO;
	result = job_arguments_read_result(job->kind, text, done.json_bytes, &problem);
	if (!result) {
		log_warning("job=%s: %s", job->id, problem.text);
		return -EPROTO;
	}
	json_decref(job->result);
	job->result = result;
	job->told = TRUE;
	job->status = done.status;
	if (done.status < 0)
		job_blame(job, done.text[0] ? g_utf8_make_valid(done.text, -1)
					    : g_strdup(g_strerror(-done.status)));
	job_move(job, JOB_STATE_REAPING);
	if (job->ended || !job->end_source)
		job_expect_end(job);
	else
		job->timer = g_timeout_add(JOB_CANCEL_MS, job_handle_end_late, job);
	return 0;
}

static const struct seq_rule job_rules[] = {
	{ JOB_PROGRESS, sizeof(struct job_progress), sizeof(struct job_progress), 0, 0, TO(RUNNING),
	  job_handle_progress },
	{ JOB_DONE, sizeof(struct job_done), sizeof(struct job_done) + JOB_MAX_JSON, 0, 0,
	  TO(RUNNING), job_handle_done },
};

static void
job_handle_message(void *context, struct seq_message *message)
{
	struct job *job = context;
	int error;

	if (!message) {
		g_clear_pointer(&job->worker, seq_source_free);
		job_reap_if_silent(job);
		return;
	}
	error = seq_dispatch(job_rules, G_N_ELEMENTS(job_rules), job->state, job, message);
	if (error == 0)
		return;
	log_warning("job=%s: the worker sent a wrong message (%s)", job->id, g_strerror(-error));
	job_blame(job, g_strdup_printf("the worker broke its protocol at step '%s': see its log, "
				       "then run the %s again",
				       job->step, job_arguments_kind_name(job->kind)));
	g_clear_pointer(&job->worker, seq_source_free);
	job_kill(job);
}

/* --- its start --- */

static void
job_send_cancel(struct job *job)
{
	struct seq_header head = { .type = JOB_CANCEL };

	if (job->worker)
		seq_source_send(job->worker, &head, NULL, NULL, 0);
	g_clear_handle_id(&job->timer, g_source_remove);
	job->timer = g_timeout_add(JOB_CANCEL_MS, job_handle_end_late, job);
}

static void
job_send_start(struct job *job)
{
	g_autofree char *payload = g_malloc0(sizeof(struct job_start) + JOB_MAX_JSON);
	struct job_start start = { .kind = job->kind };
	struct seq_header head = { .type = JOB_START };
	gsize bytes =
		json_dumpb(job->arguments, payload + sizeof(start), JOB_MAX_JSON, JSON_COMPACT);

	g_strlcpy(start.job, job->id, sizeof(start.job));
	start.json_bytes = (guint32)bytes;
	memcpy(payload, &start, sizeof(start));
	head.size = (guint32)(sizeof(start) + bytes);
	seq_source_send(job->worker, &head, payload, NULL, 0);
}

static void
job_handle_spawned(void *data, const struct launch_answer *answer)
{
	struct job *job = data;

	if (answer->error) {
		job_blame(job, g_strdup(answer->error->message));
		job_forget_worker(job);
		job_clean(job, JOB_STATE_FAILED);
		return;
	}
	job->pidfd = g_steal_fd(&answer->fds[0]);
	job->end_source = g_unix_fd_add(job->pidfd, G_IO_IN, job_handle_pidfd, job);
	job_move(job, JOB_STATE_RUNNING);
	job_send_start(job);
	if (job->cancel)
		job_send_cancel(job);
}

static void
job_start(struct job *job)
{
	const char *const argv[] = { NULL };
	const int target = JOB_CONTROL_FD;
	struct launch_client_spawn spawn = {
		.name = job->id,
		.role = job_get_role(job),
		.argv = argv,
		.targets = &target,
		.n_fds = 1,
	};
	int fds[2];
	int error = io_socketpair(SOCK_SEQPACKET, fds);

	if (error < 0) {
		job_blame(job, g_strdup_printf("cannot make the worker's socket: %s",
					       g_strerror(-error)));
		job_move(job, JOB_STATE_FAILED);
		return;
	}
	job_move(job, JOB_STATE_STARTING);
	job->worker = seq_source_new(fds[0], "worker", job_handle_message, job);
	spawn.fds = &fds[1];
	launch_client_spawn(job->jobs->launch, &spawn, job_handle_spawned, job);
	close(fds[1]);
}

/* The oldest queued one of each kind whose worker's place is free. */
static void
jobs_advance(struct jobs *jobs)
{
	for (guint kind = 0; kind < JOB_KIND_COUNT; kind++) {
		struct job *next = NULL;
		gboolean busy = FALSE;

		for (guint i = 0; i < jobs->jobs->len; i++) {
			struct job *job = g_ptr_array_index(jobs->jobs, i);

			if (job->kind != kind || job_is_over(job))
				continue;
			if (job->state != JOB_STATE_QUEUED)
				busy = TRUE;
			else if (!next)
				next = job;
		}
		/* While launch is away they wait: that is no fault of theirs. */
		if (next && !busy && launch_client_is_up(jobs->launch))
			job_start(next);
	}
}

/* --- what sync wants --- */

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

static void
job_cancel(struct job *job)
{
	if (job->cancel || job_is_over(job))
		return;
	job->cancel = TRUE;
	if (job->state == JOB_STATE_QUEUED)
		job_move(job, JOB_STATE_CANCELLED);
	else if (job->state == JOB_STATE_RUNNING)
		job_send_cancel(job);
}

static struct job *
jobs_add(struct jobs *jobs, const char *id, enum job_kind kind, const json_t *arguments)
{
	const struct job_places places = { jobs->lib, jobs->recipe_folder, id };
	struct json_problem problem = { "" };
	struct job *job = job_new(jobs, id, kind);

	job->arguments = job_arguments_make(kind, arguments, &places, &job->subject, &problem);
	if (!job->arguments) {
		job_blame(job, g_strdup(problem.text));
		job_move(job, JOB_STATE_FAILED);
	}
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
	if (!job && (!id_valid(ID_KIND_JOB, id) || !job_arguments_find_kind(kind_name, &kind))) {
		log_warning("the broker wants a job of kind '%s' that this host does not know",
			    kind_name);
		return;
	}
	if (!job)
		job = jobs_add(jobs, id, kind, json_object_get(wish, "arguments"));
	job->wanted = TRUE;
	if (json_get_flag(wish, "cancel", 0))
		job_cancel(job);
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
		g_autofree char *path = NULL;

		if (!job->wanted)
			job_cancel(job);
		if (job->wanted || !job_is_over(job)) {
			i++;
			continue;
		}
		path = job_get_record_path(job);
		unlink(path);
		g_ptr_array_remove_index(jobs->jobs, i);
	}
	jobs_advance(jobs);
}

json_t *
jobs_describe(const struct jobs *jobs)
{
	json_t *list = json_array();

	for (guint i = 0; i < jobs->jobs->len; i++) {
		const struct job *job = g_ptr_array_index(jobs->jobs, i);

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:O}", "id", job->id, "state",
				  state_table[job->state].told, "step", job->step, "percent",
				  (int)job->percent, "seconds_left", (int)job->seconds_left,
				  "error", job->error ? job->error : "", "result", job->result));
	}
	return list;
}

void
jobs_handle_exited(struct jobs *jobs, const struct launch_exited *exited)
{
	struct job *job = jobs_find(jobs, exited->name);

	if (!job || (exited->role != LAUNCH_ROLE_WORKER && exited->role != LAUNCH_ROLE_BUILD) ||
	    (job->state != JOB_STATE_RUNNING && job->state != JOB_STATE_REAPING))
		return;
	job->ended = TRUE;
	job->wait_status = exited->wait_status;
	job_expect_end(job);
	job_reap_if_silent(job);
}

/* --- after a restart --- */

static const struct json_field record_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, 1 },	   { "id", JSON_KIND_STRING, 0, 1, ID_SIZE },
	{ "kind", JSON_KIND_STRING, 0, 1, 16 },	   { "state", JSON_KIND_STRING, 0, 1, 16 },
	{ "error", JSON_KIND_STRING, 0, 0, 2000 }, { "result", JSON_KIND_OBJECT, 0, 0, 0 },
};

static void
job_restore(struct job *job, const json_t *record)
{
	const char *told = json_get_text(record, "state", "");
	const char *error = json_get_text(record, "error", "");

	json_decref(job->result);
	job->result = json_incref(json_object_get(record, "result"));
	if (error[0])
		job_blame(job, g_strdup(error));
	for (guint state = JOB_STATE_DONE; state < JOB_STATE_COUNT; state++) {
		if (strcmp(state_table[state].told, told) == 0) {
			job->state = (enum job_state)state;
			return;
		}
	}
	job_blame(job, g_strdup_printf("carrel-hostd was restarted while it ran: run the %s again",
				       job_arguments_kind_name(job->kind)));
	/* The old worker lost its socket and ends; launch refuses the removal until it has, and it is tried again. */
	job->state = JOB_STATE_CLEANING;
	job->outcome = JOB_STATE_FAILED;
	launch_client_kill(job->jobs->launch, job->id, LAUNCH_ROLE_COUNT, NULL, NULL);
	job->timer = g_timeout_add(JOB_RETRY_MS, job_handle_clean_again, job);
}

static void
jobs_load_one(struct jobs *jobs, const char *name)
{
	g_autofree char *path = g_build_filename(jobs->folder, name, NULL);
	struct json_problem problem = { "it cannot be read" };
	char *text = NULL;
	size_t size = 0;
	json_t *record = NULL;
	enum job_kind kind;

	if (io_read_file(path, JOB_RECORD_MAX_BYTES, &text, &size) == 0)
		record = json_parse_strict(text, size, JOB_RECORD_MAX_BYTES, &problem);
	free(text);
	if (record &&
	    json_check_object(record, "the record", record_fields, G_N_ELEMENTS(record_fields),
			      &problem) == 0 &&
	    id_valid(ID_KIND_JOB, json_get_text(record, "id", "")) &&
	    job_arguments_find_kind(json_get_text(record, "kind", ""), &kind))
		job_restore(job_new(jobs, json_get_text(record, "id", ""), kind), record);
	else
		log_warning("the job's record '%s' is left out: %s", path, problem.text);
	json_decref(record);
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
	jobs->launch = options->launch;
	jobs->events = events;
	jobs->context = context;
	jobs->jobs = g_ptr_array_new_with_free_func(job_free);
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
