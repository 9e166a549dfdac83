/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_verify.c - the job "verify" (carrel-worker)
 *
 * How it works: templates/verify.c does it; the version is only read. The one fork's sockets and overlay are in a
 * temporary folder, because a job that makes nothing has no staging folder.
 */
#include "templates/job_verify.h"

#include <unistd.h>

#include "base/name.h"
#include "templates/verify.h"

static const struct json_field job_verify_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, 999999999 },
	{ "folder", JSON_KIND_STRING, 0, 2, 1000 },
	{ "engine", JSON_KIND_STRING, 0, 1, 16 },
};

struct job_verify {
	struct job *job;
	char *scratch;
};

static void
job_verify_progress(void *context, const char *step, guint percent)
{
	const struct job_verify *verify = context;

	verify->job->progress(verify->job, step, percent);
}

static void
job_verify_handle_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct job_verify *verify = data;
	struct job *job = verify->job;
	GError *error = NULL;
	json_t *report;

	(void)source;
	verify_finish(result, &report, &error);
	rmdir(verify->scratch);
	g_free(verify->scratch);
	g_free(verify);
	job->done(job, json_pack("{s:o}", "steps", report), error);
}

static void
job_verify_run(struct job *job)
{
	struct job_verify *verify = g_new0(struct job_verify, 1);
	GError *error = NULL;
	struct verify_request request = {
		.folder = json_get_text(job->arguments, "folder", ""),
		.template_name = json_get_text(job->arguments, "template", ""),
		.version = (guint32)json_get_integer(job->arguments, "version", 0),
		.engine = json_get_text(job->arguments, "engine", ""),
		.cancellable = job->cancellable,
		.progress = job_verify_progress,
		.context = verify,
	};

	verify->job = job;
	verify->scratch = g_dir_make_tmp("carrel-verify-XXXXXX", &error);
	if (!verify->scratch) {
		g_free(verify);
		job->done(job, NULL, error);
		return;
	}
	request.scratch = verify->scratch;
	verify_start(&request, job_verify_handle_end, verify);
}

const struct job_ops job_verify_ops = {
	.kind = JOB_KIND_VERIFY,
	.fields = job_verify_fields,
	.n_fields = G_N_ELEMENTS(job_verify_fields),
	.run = job_verify_run,
};
