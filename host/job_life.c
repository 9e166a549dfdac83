/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_life.c - one job from its coming to its end (carrel-hostd)
 *
 * How it works: job_life_start() asks launch for a worker with a socketpair's end; PROGRESS and DONE come in through
 * job_rules, checked as what a stranger says. Whatever happens, job_life_end_worker() is where a worker's end leads:
 * success is committed by launch, everything else has its staging folder removed. job_life_move() is the only writer of
 * a state. It writes the record before the worker starts and when the job ends.
 */
#include "host/job_life.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"
#include "host/kvm_device.h"

#define JOB_CANCEL_MS	30000 /* how long a cancelled worker may clean up */
#define JOB_EXITED_MS	2000  /* how long launch may take to say how a worker ended */
#define JOB_RETRY_MS	2000  /* until a staging folder's removal is tried again */
#define JOB_MAX_SECONDS (7 * 24 * 3600)
#define JOB_MAX_REASON	500 /* bytes */

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

static void job_life_clean(struct job *job, enum job_state outcome);
static void job_life_handle_committed(void *data, const struct launch_answer *answer);
static void job_life_handle_ended(void *context);

gboolean
job_life_is_over(const struct job *job)
{
	return job->state >= JOB_STATE_DONE;
}

static enum launch_role
job_life_get_role(const struct job *job)
{
	return job->kind == JOB_KIND_BUILD ? LAUNCH_ROLE_BUILD : LAUNCH_ROLE_WORKER;
}

static void
job_life_write_record(const struct job *job)
{
	job_record_write(job->owner->record_folder,
			 &(struct job_record){ .id = job->id,
					       .kind = job->kind,
					       .state = state_table[job->state].told,
					       .error = job->error ? job->error : "",
					       .result = job->result });
}

static void
job_life_move(struct job *job, enum job_state state)
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
	if (state == JOB_STATE_STARTING || job_life_is_over(job))
		job_life_write_record(job);
	if (job_life_is_over(job) && job->reason)
		job->owner->ended(job->owner->context, job->subject.name, job->subject.version,
				  job->error);
	job->owner->changed(job->owner->context);
}

/* What to do when it has failed. */
static const char *
job_life_get_advice(const struct job *job)
{
	static const char *const advice[] = {
		[JOB_KIND_BUILD] = "run the build again",
		[JOB_KIND_PUBLISH] = "run the publish again",
		[JOB_KIND_VERIFY] = "run the verify again",
		[JOB_KIND_SEAL] = "this host begins another when it needs it",
	};

	G_STATIC_ASSERT(G_N_ELEMENTS(advice) == JOB_KIND_COUNT);
	return advice[job->kind];
}

/* The first reason counts. Takes the text over. */
static void
job_life_blame(struct job *job, char *text)
{
	if (job->error)
		g_free(text);
	else
		job->error = text;
}

struct job *
job_life_new(const struct job_owner *owner, const char *id, enum job_kind kind)
{
	struct job *job = g_new0(struct job, 1);

	job->owner = owner;
	g_strlcpy(job->id, id, sizeof(job->id));
	job->kind = kind;
	process_watch_init(&job->process, job_life_handle_ended, job);
	job->result = json_object();
	return job;
}

void
job_life_prepare(struct job *job, json_t *arguments, const char *reason)
{
	job->arguments = arguments;
	if (arguments)
		return;
	job_life_blame(job, g_strdup(reason));
	job_life_move(job, JOB_STATE_FAILED);
}

void
job_life_set_reason(struct job *job, const char *reason)
{
	job->reason = g_utf8_make_valid(reason, (gssize)strnlen(reason, JOB_MAX_REASON));
}

static void
job_life_forget_worker(struct job *job)
{
	process_watch_stop(&job->process);
	g_clear_pointer(&job->worker, seq_source_free);
}

void
job_life_free(gpointer data)
{
	struct job *job = data;

	launch_client_forget(job->owner->launch, job);
	job_life_forget_worker(job);
	g_clear_handle_id(&job->timer, g_source_remove);
	json_decref(job->arguments);
	json_decref(job->result);
	g_free(job->reason);
	g_free(job->error);
	g_free(job);
}

/* --- the end of a job --- */

static void
job_life_commit(struct job *job)
{
	g_autofree char *folder = g_build_filename(job->owner->lib, "staging", job->id, NULL);

	if (stat(folder, &job->staged) < 0)
		job->staged = (struct stat){ 0 };
	job_life_move(job, JOB_STATE_COMMITTING);
	launch_client_commit_stage(job->owner->launch, job->id, job->subject.name,
				   job->kind == JOB_KIND_BUILD ? 0 : job->subject.version,
				   job->kind == JOB_KIND_SEAL, job_life_handle_committed, job);
}

/* A folder is renamed into its place, so that it is there as the same inode: launch may have died before it could tell. */
static gboolean
job_life_is_in_place(const struct job *job)
{
	g_autofree char *version = g_strdup_printf("%u", job->subject.version);
	g_autofree char *folder =
		job->kind == JOB_KIND_BUILD
			? g_build_filename(job->owner->lib, "images", job->subject.name, NULL)
			: g_build_filename(job->owner->lib, "templates", job->subject.name, version,
					   NULL);
	struct stat status;

	return job->staged.st_ino != 0 && stat(folder, &status) == 0 &&
	       status.st_ino == job->staged.st_ino && status.st_dev == job->staged.st_dev;
}

static void
job_life_finish(struct job *job)
{
	const struct job_owner *owner = job->owner;

	g_clear_pointer(&job->error, g_free);
	job->percent = 100;
	job_life_move(job, JOB_STATE_DONE);
	if (owner->committed)
		owner->committed(owner->context, job->kind, job->subject.name,
				 job->subject.version);
	owner->advance(owner->list);
}

static gboolean
job_life_handle_clean_again(gpointer data)
{
	struct job *job = data;

	/* After a restart of hostd the first try may have come before launch's socket was open. */
	launch_client_kill(job->owner->launch, job->id, LAUNCH_ROLE_COUNT, NULL, NULL);
	job->timer = 0;
	job_life_clean(job, job->outcome);
	return G_SOURCE_REMOVE;
}

static void
job_life_handle_cleaned(void *data, const struct launch_answer *answer)
{
	struct job *job = data;

	/* No staging folder is what is wanted; anything else is tried again: space and uid belong to it. */
	if (answer->error && !g_error_matches(answer->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND)) {
		log_warning("job=%s: %s", job->id, answer->error->message);
		job->timer = g_timeout_add(JOB_RETRY_MS, job_life_handle_clean_again, job);
		return;
	}
	if (job_life_is_in_place(job)) {
		job_life_finish(job);
		return;
	}
	job_life_move(job, job->outcome);
	job->owner->advance(job->owner->list);
}

static void
job_life_clean(struct job *job, enum job_state outcome)
{
	job->outcome = outcome;
	if (job->state != JOB_STATE_CLEANING)
		job_life_move(job, JOB_STATE_CLEANING);
	launch_client_remove_stage(job->owner->launch, job->id, job_life_handle_cleaned, job);
}

static void
job_life_handle_committed(void *data, const struct launch_answer *answer)
{
	struct job *job = data;

	if (answer->error) {
		job_life_blame(job, g_strdup(answer->error->message));
		job_life_clean(job, JOB_STATE_FAILED);
		return;
	}
	job_life_finish(job);
}

/* The worker has ended, in whatever way, and its last message was read. */
static void
job_life_end_worker(struct job *job)
{
	if (job->state == JOB_STATE_RUNNING)
		job_life_move(job, JOB_STATE_REAPING);
	job_life_forget_worker(job);
	if (!job->told && WIFSIGNALED(job->wait_status))
		job_life_blame(job,
			       g_strdup_printf("the worker ended by signal %d at step '%s': %s",
					       WTERMSIG(job->wait_status), job->step,
					       job_life_get_advice(job)));
	if (job->cancel && (!job->told || job->status != 0)) {
		job_life_clean(job, JOB_STATE_CANCELLED);
	} else if (job->error || !job->told) {
		job_life_blame(job,
			       g_strdup_printf("the worker ended at step '%s' without a result: %s",
					       job->step, job_life_get_advice(job)));
		job_life_clean(job, JOB_STATE_FAILED);
	} else if (job->kind == JOB_KIND_VERIFY) {
		job->percent = 100;
		job_life_clean(job, JOB_STATE_DONE);
	} else {
		job_life_commit(job);
	}
}

/* Its last messages may still lie in the socket when the process has ended. */
static void
job_life_reap_if_silent(struct job *job)
{
	if (job->ended && !job->worker)
		job_life_end_worker(job);
}

/* Launch did not say, or somebody else holds the worker's socket. */
static gboolean
job_life_handle_not_told(gpointer data)
{
	struct job *job = data;

	job->timer = 0;
	job->ended = TRUE;
	job_life_end_worker(job);
	return G_SOURCE_REMOVE;
}

static void
job_life_expect_end(struct job *job)
{
	g_clear_handle_id(&job->timer, g_source_remove);
	job->timer = g_timeout_add(JOB_EXITED_MS, job_life_handle_not_told, job);
}

/* How it ended is told by launch's EXITED, if launch has not been restarted meanwhile. */
static void
job_life_handle_ended(void *context)
{
	job_life_expect_end(context);
}

/* --- the worker's messages --- */

static gboolean job_life_handle_end_late(gpointer data);

/* Again and again while launch is away, until the pidfd tells the end. */
static void
job_life_kill(struct job *job)
{
	if (job->state == JOB_STATE_RUNNING)
		job_life_move(job, JOB_STATE_REAPING);
	launch_client_kill(job->owner->launch, job->id, job_life_get_role(job), NULL, NULL);
	g_clear_handle_id(&job->timer, g_source_remove);
	job->timer = g_timeout_add(JOB_CANCEL_MS, job_life_handle_end_late, job);
}

static gboolean
job_life_handle_end_late(gpointer data)
{
	struct job *job = data;

	job->timer = 0;
	log_warning("job=%s: the worker does not end; killing it", job->id);
	job_life_kill(job);
	return G_SOURCE_REMOVE;
}

static int
job_life_handle_progress(void *context, struct seq_message *message)
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
	job->owner->changed(job->owner->context);
	return 0;
}

static int
job_life_handle_done(void *context, struct seq_message *message)
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
		job_life_blame(job, done.text[0] ? g_utf8_make_valid(done.text, -1)
						 : g_strdup(g_strerror(-done.status)));
	job_life_move(job, JOB_STATE_REAPING);
	if (job->ended || !process_watch_is_on(&job->process))
		job_life_expect_end(job);
	else
		job->timer = g_timeout_add(JOB_CANCEL_MS, job_life_handle_end_late, job);
	return 0;
}

static const struct seq_rule job_rules[] = {
	{ JOB_PROGRESS, sizeof(struct job_progress), sizeof(struct job_progress), 0, 0, TO(RUNNING),
	  job_life_handle_progress },
	{ JOB_DONE, sizeof(struct job_done), sizeof(struct job_done) + JOB_MAX_JSON, 0, 0,
	  TO(RUNNING), job_life_handle_done },
};

static void
job_life_handle_message(void *context, struct seq_message *message)
{
	struct job *job = context;
	int error;

	if (!message) {
		g_clear_pointer(&job->worker, seq_source_free);
		job_life_reap_if_silent(job);
		return;
	}
	error = seq_dispatch(job_rules, G_N_ELEMENTS(job_rules), job->state, job, message);
	if (error == 0)
		return;
	log_warning("job=%s: the worker sent a wrong message (%s)", job->id, g_strerror(-error));
	job_life_blame(job,
		       g_strdup_printf("the worker broke its protocol at step '%s': see its log, "
				       "then %s",
				       job->step, job_life_get_advice(job)));
	g_clear_pointer(&job->worker, seq_source_free);
	job_life_kill(job);
}

/* --- its start --- */

static void
job_life_send_cancel(struct job *job)
{
	struct seq_header head = { .type = JOB_CANCEL };

	if (job->worker)
		seq_source_send(job->worker, &head, NULL, NULL, 0);
	g_clear_handle_id(&job->timer, g_source_remove);
	job->timer = g_timeout_add(JOB_CANCEL_MS, job_life_handle_end_late, job);
}

/* Only for those whose machine needs it; the worker says what is wrong when there is none. */
static int
job_life_open_kvm(const struct job *job)
{
	if (strcmp(json_get_text(job->arguments, "engine", ""), "kvm") != 0)
		return -1;
	return kvm_device_open("");
}

static void
job_life_send_start(struct job *job)
{
	g_autofree char *payload = g_malloc0(sizeof(struct job_start) + JOB_MAX_JSON);
	struct job_start start = { .kind = job->kind };
	struct seq_header head = { .type = JOB_START };
	CLEANUP_CLOSE int kvm = job_life_open_kvm(job);
	gsize bytes;

	/* Its socket has ended already: the pidfd tells the rest. */
	if (!job->worker) {
		job_life_expect_end(job);
		return;
	}
	bytes = json_dumpb(job->arguments, payload + sizeof(start), JOB_MAX_JSON, JSON_COMPACT);

	g_strlcpy(start.job, job->id, sizeof(start.job));
	start.json_bytes = (guint32)bytes;
	memcpy(payload, &start, sizeof(start));
	head.size = (guint32)(sizeof(start) + bytes);
	seq_source_send(job->worker, &head, payload, &kvm, kvm >= 0 ? 1 : 0);
}

static void
job_life_handle_spawned(void *data, const struct launch_answer *answer)
{
	struct job *job = data;

	if (answer->error) {
		job_life_blame(job, g_strdup(answer->error->message));
		job_life_forget_worker(job);
		job_life_clean(job, JOB_STATE_FAILED);
		return;
	}
	process_watch_begin(&job->process, g_steal_fd(&answer->fds[0]));
	job_life_move(job, JOB_STATE_RUNNING);
	job_life_send_start(job);
	if (job->cancel)
		job_life_send_cancel(job);
}

void
job_life_start(struct job *job)
{
	const char *const argv[] = { NULL };
	const int target = JOB_CONTROL_FD;
	struct launch_client_spawn spawn = {
		.name = job->id,
		.role = job_life_get_role(job),
		.argv = argv,
		.targets = &target,
		.n_fds = 1,
	};
	int fds[2];
	int error = io_socketpair(SOCK_SEQPACKET, fds);

	if (error < 0) {
		job_life_blame(job, g_strdup_printf("cannot make the worker's socket: %s",
						    g_strerror(-error)));
		job_life_move(job, JOB_STATE_FAILED);
		return;
	}
	job_life_move(job, JOB_STATE_STARTING);
	job->worker = seq_source_new(fds[0], "worker", job_life_handle_message, job);
	spawn.fds = &fds[1];
	launch_client_spawn(job->owner->launch, &spawn, job_life_handle_spawned, job);
	close(fds[1]);
}

void
job_life_cancel(struct job *job)
{
	if (job->cancel || job_life_is_over(job))
		return;
	job->cancel = TRUE;
	if (job->state == JOB_STATE_QUEUED)
		job_life_move(job, JOB_STATE_CANCELLED);
	else if (job->state == JOB_STATE_RUNNING)
		job_life_send_cancel(job);
}

void
job_life_handle_exited(struct job *job, int wait_status)
{
	if (job->state != JOB_STATE_RUNNING && job->state != JOB_STATE_REAPING)
		return;
	job->ended = TRUE;
	job->wait_status = wait_status;
	job_life_expect_end(job);
	job_life_reap_if_silent(job);
}

json_t *
job_life_describe(const struct job *job)
{
	json_t *told = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:O}", "id", job->id, "state",
				 state_table[job->state].told, "step", job->step, "percent",
				 (int)job->percent, "seconds_left", (int)job->seconds_left, "error",
				 job->error ? job->error : "", "result", job->result);

	if (!job->reason || job->subject.name[0] == '\0')
		return told;
	json_object_set_new(told, "kind", json_string(job_arguments_kind_name(job->kind)));
	json_object_set_new(told, "template", json_string(job->subject.name));
	json_object_set_new(told, "version", json_integer(job->subject.version));
	json_object_set_new(told, "reason", json_string(job->reason));
	return told;
}

void
job_life_restore(struct job *job, const struct job_record *record)
{
	json_decref(job->result);
	job->result = json_incref(record->result);
	if (record->error[0])
		job_life_blame(job, g_strdup(record->error));
	for (guint state = JOB_STATE_DONE; state < JOB_STATE_COUNT; state++) {
		if (strcmp(state_table[state].told, record->state) == 0) {
			job->state = (enum job_state)state;
			return;
		}
	}
	job_life_blame(job, g_strdup_printf("carrel-hostd was restarted while it ran: %s",
					    job_life_get_advice(job)));
	/* The old worker lost its socket and ends; launch refuses the removal until it has, and it is tried again. */
	job->state = JOB_STATE_CLEANING;
	job->outcome = JOB_STATE_FAILED;
	launch_client_kill(job->owner->launch, job->id, LAUNCH_ROLE_COUNT, NULL, NULL);
	job->timer = g_timeout_add(JOB_RETRY_MS, job_life_handle_clean_again, job);
}
