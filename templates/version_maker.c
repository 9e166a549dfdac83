/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * version_maker.c - an image, or a version's own disk, becomes a template version in a staging folder (carrel-worker)
 *
 * How it works: version_steps: what it is made of is read (the source's own plan()) and copied into the staging folder, the machine
 * boots from that copy and is sealed, everything is hashed, described by the manifest and synced, and templates/verify.c
 * forks it once and notes what of the memory that touches. Sealing is one long step: the machine's events say how far it is. CANCEL goes to the running step, whose
 * end is waited for; then version_handle_end() kills the machine and removes what was made. hostd has a good end committed.
 */
#include "templates/version_maker.h"

#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "host/engine.h"
#include "templates/image_file.h"
#include "templates/job_files.h"
#include "templates/job_machine.h"
#include "templates/job_space.h"
#include "templates/job_thread.h"
#include "templates/verify.h"

#define KIND	       VERSION_MAKER_KIND
#define LONG_MS	       (60 * 60 * 1000)
#define VERIFY_PERCENT 75
#define EXTRA_BYTES \
	(32ULL << 20) /* the devices' state, what the guest writes, the overlay of the verify */

static const char *const sealed_files[] = { "memory", "state" };

struct version {
	struct job *job;
	const struct version_source *source;
	const char *folder; /* what it is made of */
	const char *staging;
	const struct engine_ops *ops;
	char *accelerator;
	struct job_machine *machine;
	/* Held while a step waits for a call, whose data this is; the steps keep this alive. */
	struct steps *waiting;
	struct version_plan plan;
	json_t *sealed; /* the manifest's "engine" and "machine" */
	json_t *report;
	gint64 copy_us;
	gint64 size_bytes;
};

static void
version_clear(gpointer data)
{
	struct version *version = data;

	json_decref(version->plan.about);
	g_free(version->plan.command_line);
	json_decref(version->sealed);
	json_decref(version->report);
	g_free(version->accelerator);
}

static void
version_release(gpointer data)
{
	g_rc_box_release_full(data, version_clear);
}

/* The image, copied, and all of the machine's RAM: the pages that its guest has not touched are left out. */
static guint64
version_reckon_need(const struct version *version)
{
	guint64 bytes = EXTRA_BYTES + ((guint64)version->plan.ram_mib << 20);

	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *path =
			g_build_filename(version->folder, image_file_names[i], NULL);
		struct stat status;

		if (stat(path, &status) == 0)
			bytes += (guint64)status.st_blocks * 512;
	}
	return bytes;
}

static gboolean
version_copy(gpointer context, GCancellable *cancellable, GError **error)
{
	struct version *version = context;
	gint64 started_us = g_get_monotonic_time();

	if (!version->source->plan(version->job, &version->plan, error))
		return FALSE;
	version->job->need_bytes = version_reckon_need(version);
	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *from =
			g_build_filename(version->folder, image_file_names[i], NULL);
		g_autofree char *to = g_build_filename(version->staging, image_file_names[i], NULL);

		if (!job_files_copy(from, to, cancellable, error))
			return FALSE;
	}
	version->copy_us = g_get_monotonic_time() - started_us;
	return TRUE;
}

static void
version_start_copy(struct steps *steps, void *context)
{
	struct version *version = context;

	version->job->progress(version->job, "copy the image", 0);
	job_thread_run(steps, version->job->cancellable, version_copy, version);
}

static void
version_handle_event(void *context, enum engine_event event, gint64 value)
{
	const struct version *version = context;

	if (event == ENGINE_EVENT_RUNNING)
		version->job->progress(version->job, "boot", 12);
	else if (event == ENGINE_EVENT_AGENT_PORT && value)
		version->job->progress(version->job, "wait for the desktop", 40);
	else if (event == ENGINE_EVENT_STOPPED)
		version->job->progress(version->job, "save the machine", 55);
}

/* The call that a step has waited for is over; takes the error, NULL: none. */
static void
version_go_on(struct version *version, GError *error)
{
	struct steps *steps = version->waiting;

	if (error)
		steps_fail(steps, error);
	else
		steps_next(steps);
	steps_unref(steps);
}

static void
version_handle_sealed(GObject *source, GAsyncResult *result, gpointer data)
{
	struct version *version = data;
	json_t *report = steps_get_report(result);
	GError *error = NULL;

	(void)source;
	json_array_append_new(version->report,
			      json_pack("{s:s, s:I}", "name", "copy the image", "ms",
					(json_int_t)(version->copy_us / 1000)));
	json_array_extend(version->report, report);
	json_decref(report);
	version->sealed = steps_get_json(result);
	steps_finish(result, &error);
	version_go_on(version, error);
}

static void
version_start_seal(struct steps *steps, void *context)
{
	struct version *version = context;
	struct steps_call call = { version->job->cancellable, version_handle_sealed, version };
	struct engine_seal seal = {
		.folder = version->staging,
		.kind = KIND,
		.accelerator = version->accelerator,
		.cpus = version->plan.cpus,
		.ram_mib = version->plan.ram_mib,
		.command_line = version->plan.command_line,
	};
	GError *error = NULL;

	version->job->progress(version->job, "start the machine", 10);
	version->machine = job_machine_new(version->ops, version->staging, version->job->kvm,
					   version_handle_event, version, &error);
	if (!version->machine) {
		steps_fail(steps, error);
		return;
	}
	version->waiting = steps_ref(steps);
	version->ops->seal(job_machine_get_vm(version->machine), &seal, &call);
}

static json_t *
version_describe_files(const struct version *version, GCancellable *cancellable, GError **error)
{
	const gsize n_files = IMAGE_FILE_COUNT + G_N_ELEMENTS(sealed_files);
	json_t *files = json_array();

	for (gsize i = 0; i < n_files; i++) {
		g_autofree char *path =
			i < IMAGE_FILE_COUNT ? g_strdup(image_file_names[i])
					     : g_strdup_printf("%s/" KIND "/%s", version->ops->name,
							       sealed_files[i - IMAGE_FILE_COUNT]);
		json_t *file = manifest_describe_file(version->staging, path, cancellable, error);

		if (!file) {
			json_decref(files);
			return NULL;
		}
		json_array_append_new(files, file);
	}
	return files;
}

/* Takes the files over. */
static struct manifest *
version_make_manifest(const struct version *version, json_t *files, GError **error)
{
	json_t *object = json_deep_copy(version->plan.about);

	json_object_set(object, "report", version->report);
	json_object_set_new(object, "files", files);
	json_object_update(object, version->sealed);
	return manifest_new(object, error);
}

static gboolean
version_describe(gpointer context, GCancellable *cancellable, GError **error)
{
	struct version *version = context;
	json_t *files = version_describe_files(version, cancellable, error);
	struct manifest *manifest = files ? version_make_manifest(version, files, error) : NULL;
	gboolean good = manifest && manifest_write(manifest, version->staging, error) &&
			job_files_sync(version->staging, &version->size_bytes, error);

	manifest_free(manifest);
	return good;
}

static void
version_start_describe(struct steps *steps, void *context)
{
	struct version *version = context;

	version->job->progress(version->job, "hash and sync", 60);
	g_clear_pointer(&version->machine, job_machine_free);
	job_thread_run(steps, version->job->cancellable, version_describe, version);
}

static void
version_verify_progress(void *context, const char *step, guint percent)
{
	const struct version *version = context;

	version->job->progress(version->job, step,
			       VERIFY_PERCENT + percent * (99 - VERIFY_PERCENT) / 100);
}

static void
version_handle_verified(GObject *source, GAsyncResult *result, gpointer data)
{
	struct version *version = data;
	GError *error = NULL;
	json_t *report;

	(void)source;
	verify_finish(result, &report, &error);
	json_array_extend(version->report, report);
	json_decref(report);
	version_go_on(version, error);
}

static void
version_start_verify(struct steps *steps, void *context)
{
	struct version *version = context;
	const json_t *arguments = version->job->arguments;
	struct verify_request request = {
		.folder = version->staging,
		.scratch = version->staging,
		.template_name = json_get_text(arguments, "template", ""),
		.version = (guint32)json_get_integer(arguments, "version", 0),
		.engine = version->ops->name,
		.kvm = version->job->kvm,
		.notes_touched = !version->ops->loads_memory,
		.cancellable = version->job->cancellable,
		.progress = version_verify_progress,
		.context = version,
	};

	version->waiting = steps_ref(steps);
	verify_start(&request, version_handle_verified, version);
}

static void
version_start_end(struct steps *steps, void *context)
{
	const struct version *version = context;
	int result = io_sync_folder(version->staging);

	if (result == 0)
		steps_next(steps);
	else
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-result),
					      "cannot sync '%s': %s", version->staging,
					      g_strerror(-result)));
}

static const struct step version_steps[] = {
	{ "copy the image", version_start_copy, LONG_MS },
	{ "seal", version_start_seal, LONG_MS },
	{ "hash and sync", version_start_describe, LONG_MS },
	{ "verify", version_start_verify, LONG_MS },
	{ "sync the folder", version_start_end, LONG_MS },
};

static void
version_remove(const struct version *version)
{
	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++)
		job_files_remove(version->staging, image_file_names[i]);
	job_files_remove(version->staging, MANIFEST_FILE);
	job_files_remove(version->staging, version->ops->name);
}

/* Kills the machine, and has its last words put behind the error, where there is one. */
static void
version_end_machine(struct version *version, GError *error)
{
	struct job_machine *machine = g_steal_pointer(&version->machine);

	if (machine && error) {
		g_autofree char *words = job_machine_get_words(machine);

		job_machine_blame(words, error);
	}
	job_machine_free(machine);
}

static void
version_fail(const struct version *version, GError *error)
{
	job_space_blame(job_space_find_free(version->staging), error);
	version_remove(version);
}

static void
version_handle_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct version *version = data;
	struct job *job = version->job;
	json_t *answer = NULL;
	GError *error = NULL;
	gboolean good = steps_finish(result, &error);

	(void)source;
	version_end_machine(version, error);
	if (good)
		answer = json_pack("{s:O, s:I}", "steps", version->report, "size_bytes",
				   (json_int_t)version->size_bytes);
	else
		version_fail(version, error);
	version_release(version);
	job->done(job, answer, error);
}

void
version_maker_run(struct job *job, const struct version_source *source)
{
	struct version *version;
	struct steps_call call = { NULL, version_handle_end, NULL };
	g_autofree char *accelerator = NULL;
	GError *error = NULL;
	const struct engine_ops *ops = job_machine_find_engine(
		json_get_text(job->arguments, "engine", ""), job->kvm, &accelerator, &error);

	if (!ops) {
		job->done(job, NULL, error);
		return;
	}
	version = g_rc_box_new0(struct version);
	version->job = job;
	version->source = source;
	version->ops = ops;
	version->accelerator = g_steal_pointer(&accelerator);
	version->folder = json_get_text(job->arguments, source->folder, "");
	version->staging = json_get_text(job->arguments, "staging", "");
	version->report = json_array();
	call.data = g_rc_box_acquire(version);
	steps_run(version_steps, G_N_ELEMENTS(version_steps), version, version_release, &call);
}
