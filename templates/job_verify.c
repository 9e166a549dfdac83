/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_verify.c - the job "verify" (carrel-worker)
 *
 * How it works: templates/verify.c does it; the version is only read. The one fork's sockets and overlay are in the
 * staging folder, which carrel-launch makes for every job; nothing is left in it.
 */
#include "templates/job_verify.h"

#include "base/name.h"
#include "templates/verify.h"

static const struct json_field job_verify_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, 999999999 },
	{ "folder", JSON_KIND_STRING, 0, 2, 1000 },
	{ "staging", JSON_KIND_STRING, 0, 2, 1000 },
	{ "engine", JSON_KIND_STRING, 0, 1, 16 },
};

static void
job_verify_progress(void *context, const char *step, guint percent)
{
	struct job *job = context;

	job->progress(job, step, percent);
}

static void
job_verify_handle_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct job *job = data;
	GError *error = NULL;
	json_t *report;

	(void)source;
	verify_finish(result, &report, &error);
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
		g_prefix_error(&error, "run the verify again when the host has less to do, and "
				       "publish the template again if it stays so: ");
	job->done(job, json_pack("{s:o}", "steps", report), error);
}

static void
job_verify_run(struct job *job)
{
	struct verify_request request = {
		.folder = json_get_text(job->arguments, "folder", ""),
		.scratch = json_get_text(job->arguments, "staging", ""),
		.template_name = json_get_text(job->arguments, "template", ""),
		.version = (guint32)json_get_integer(job->arguments, "version", 0),
		.engine = json_get_text(job->arguments, "engine", ""),
		.kvm = job->kvm,
		.cancellable = job->cancellable,
		.progress = job_verify_progress,
		.context = job,
	};

	verify_start(&request, job_verify_handle_end, job);
}

const struct job_ops job_verify_ops = {
	.kind = JOB_KIND_VERIFY,
	.name = "verify",
	.fields = job_verify_fields,
	.n_fields = G_N_ELEMENTS(job_verify_fields),
	.run = job_verify_run,
};
