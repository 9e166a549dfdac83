/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * carrel-worker.c - one job for carrel-hostd (carrel-worker)
 *
 * How it works: descriptor 3 is hostd's socket (base/proto_job.h). worker_handle_start() finds the kind in
 * worker_kinds, checks the arguments and runs it; the job reports through worker_progress() and ends in worker_done(),
 * whose DONE is the last message. CANCEL, SIGTERM and the end of hostd's socket cancel the job. Everything is written
 * below the staging folder, so a worker that is killed at any step leaves nothing that anybody would use.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <glib-unix.h>

#include "base/log.h"
#include "base/seq.h"
#include "common/seq_source.h"
#include "config.h"
#include "templates/job.h"
#include "templates/job_build.h"
#include "templates/job_publish.h"
#include "templates/job_seal.h"
#include "templates/job_space.h"
#include "templates/job_verify.h"

/* Its life: waiting -> working -> ended. */
enum worker_state {
	WORKER_STATE_WAITING,
	WORKER_STATE_WORKING,
	WORKER_STATE_ENDED
};

struct worker {
	struct job job; /* first: a job's functions find their worker by it */
	enum worker_state state;
	const struct job_ops *ops; /* once it works */
	struct seq_source *source;
	GMainLoop *loop;
	guint percent;
	int status;
};

static const struct job_ops *const worker_kinds[] = { &job_build_ops, &job_publish_ops,
						      &job_verify_ops, &job_seal_ops };

static void
worker_progress(struct job *job, const char *step, guint percent)
{
	struct worker *worker = (struct worker *)job;
	gint64 passed_s = (g_get_monotonic_time() - job->started_us) / G_USEC_PER_SEC;
	struct seq_header head = { .type = JOB_PROGRESS, .size = sizeof(struct job_progress) };
	struct job_progress progress = { 0 };

	worker->percent = MAX(worker->percent, MIN(percent, 100));
	g_strlcpy(progress.step, step, sizeof(progress.step));
	progress.percent = worker->percent;
	if (worker->percent >= 10)
		progress.seconds_left =
			(guint32)(passed_s * (100 - worker->percent) / worker->percent);
	if (worker->source)
		seq_source_send(worker->source, &head, &progress, NULL, 0);
}

static int
worker_get_errno(const GError *error)
{
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return -ECANCELED;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE))
		return -ENOSPC;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
		return -EINVAL;
	return -EIO;
}

static void
worker_send_done(struct worker *worker, const json_t *result, const GError *error)
{
	g_autofree char *payload = g_malloc0(sizeof(struct job_done) + JOB_MAX_JSON);
	struct job_done *done = (struct job_done *)payload;
	struct seq_header head = { .type = JOB_DONE };

	if (result)
		done->json_bytes = (guint32)json_dumpb(result, payload + sizeof(*done),
						       JOB_MAX_JSON, JSON_COMPACT);
	if (error) {
		done->status = worker_get_errno(error);
		g_strlcpy(done->text, error->message, sizeof(done->text));
	}
	head.size = (guint32)sizeof(*done) + done->json_bytes;
	if (worker->source)
		seq_source_send(worker->source, &head, payload, NULL, 0);
}

/* Whatever step it was that found the disk full. */
static void
worker_advise_space(const struct worker *worker, GError *error)
{
	const char *staging = json_get_text(worker->job.arguments, "staging", "");
	g_autofree char *disk = g_path_get_dirname(staging);
	char *text = job_space_explain(error->message, disk, worker->job.need_bytes,
				       job_space_find_free(disk), worker->ops->name,
				       sizeof(((struct job_done *)NULL)->text));

	g_free(error->message);
	error->message = text;
}

static void
worker_done(struct job *job, json_t *result, GError *error)
{
	struct worker *worker = (struct worker *)job;

	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE) && worker->ops)
		worker_advise_space(worker, error);
	if (error)
		log_error("job=%s failed: %s", job->id, error->message);
	worker_send_done(worker, result, error);
	worker->state = WORKER_STATE_ENDED;
	worker->status = error ? 1 : 0;
	json_decref(result);
	g_clear_error(&error);
	g_main_loop_quit(worker->loop);
}

static const struct job_ops *
worker_find_kind(guint32 kind)
{
	for (gsize i = 0; i < G_N_ELEMENTS(worker_kinds); i++)
		if (worker_kinds[i]->kind == kind)
			return worker_kinds[i];
	return NULL;
}

static int
worker_handle_start(void *context, struct seq_message *message)
{
	struct worker *worker = context;
	const struct job_start *start = (const struct job_start *)message->payload;
	const struct job_ops *ops = worker_find_kind(start->kind);
	struct json_problem problem = { "this worker does not know that kind of job" };

	worker->state = WORKER_STATE_WORKING;
	worker->job.started_us = g_get_monotonic_time();
	if (!seq_text_ok(start->job, sizeof(start->job)) || !id_valid(ID_KIND_JOB, start->job))
		return -EPROTO;
	if (start->json_bytes != message->head.size - sizeof(*start))
		return -EPROTO;
	g_strlcpy(worker->job.id, start->job, sizeof(worker->job.id));
	worker->job.kvm = seq_take_fd(message, 0);
	worker->job.arguments = json_parse_strict((const char *)(start + 1), start->json_bytes,
						  JOB_MAX_JSON, &problem);
	if (!ops || !worker->job.arguments ||
	    json_check_object(worker->job.arguments, "the job", ops->fields, ops->n_fields,
			      &problem) < 0) {
		worker_done(
			&worker->job, NULL,
			g_error_new(G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s", problem.text));
		return 0;
	}
	worker->ops = ops;
	ops->run(&worker->job);
	return 0;
}

static int
worker_handle_cancel(void *context, struct seq_message *message)
{
	struct worker *worker = context;

	(void)message;
	g_cancellable_cancel(worker->job.cancellable);
	return 0;
}

static const struct seq_rule worker_rules[] = {
	{ JOB_START, sizeof(struct job_start), sizeof(struct job_start) + JOB_MAX_JSON, 0, 1,
	  1u << WORKER_STATE_WAITING, worker_handle_start },
	{ JOB_CANCEL, 0, 0, 0, 0, 1u << WORKER_STATE_WORKING, worker_handle_cancel },
};

static void
worker_lose_hostd(struct worker *worker)
{
	seq_source_free(worker->source);
	worker->source = NULL;
	g_cancellable_cancel(worker->job.cancellable);
	if (worker->state == WORKER_STATE_WAITING)
		g_main_loop_quit(worker->loop);
}

static void
worker_on_message(void *context, struct seq_message *message)
{
	struct worker *worker = context;
	int result;

	if (!message) {
		worker_lose_hostd(worker);
		return;
	}
	result = seq_dispatch(worker_rules, G_N_ELEMENTS(worker_rules), worker->state, worker,
			      message);
	if (result < 0) {
		log_error("a message of type %u from hostd is refused: %s", message->head.type,
			  g_strerror(-result));
		worker->status = 1;
		g_main_loop_quit(worker->loop);
	}
}

static gboolean
worker_on_terminate(gpointer data)
{
	struct worker *worker = data;

	g_cancellable_cancel(worker->job.cancellable);
	return G_SOURCE_CONTINUE;
}

static int
worker_run(void)
{
	struct worker worker = {
		.job = { .kvm = -1, .progress = worker_progress, .done = worker_done }, .status = 1
	};

	worker.job.cancellable = g_cancellable_new();
	worker.loop = g_main_loop_new(NULL, FALSE);
	g_unix_signal_add(SIGTERM, worker_on_terminate, &worker);
	worker.source = seq_source_new(JOB_CONTROL_FD, "hostd", worker_on_message, &worker);
	g_main_loop_run(worker.loop);
	if (worker.source)
		seq_source_free(worker.source);
	json_decref(worker.job.arguments);
	g_object_unref(worker.job.cancellable);
	g_main_loop_unref(worker.loop);
	return worker.status;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("carrel-worker %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("Usage: carrel-worker\n"
		       "Runs one job for carrel-hostd, whose socket is descriptor 3.\n"
		       "\n"
		       "  --help     print this and exit\n"
		       "  --version  print the version and exit\n");
		return 0;
	}
	if (argc != 1) {
		fprintf(stderr, "carrel-worker: unknown argument '%s': see --help\n", argv[1]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	return worker_run();
}
