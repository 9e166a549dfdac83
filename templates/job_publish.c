/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_publish.c - the job "publish": an image becomes a template version (carrel-worker)
 *
 * How it works: publish_steps: the image is checked against its image.json and copied into the staging folder, the machine
 * boots from that copy with image.json's command line and is sealed, everything is hashed, described by the manifest and synced, and templates/verify.c forks it once.
 * Sealing is one long step: the machine's events say how far it is. CANCEL goes to the running step, whose end is
 * waited for; then publish_handle_end() kills the machine and removes what was made. hostd has a good end committed.
 */
#include "templates/job_publish.h"

#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/name.h"
#include "base/proto_agent.h"
#include "host/engine.h"
#include "templates/image_file.h"
#include "templates/job_files.h"
#include "templates/job_machine.h"
#include "templates/job_space.h"
#include "templates/job_thread.h"
#include "templates/verify.h"

#define KIND	       "user"
#define CPUS	       2
#define LONG_MS	       (60 * 60 * 1000)
#define VERIFY_PERCENT 75
#define EXTRA_BYTES \
	(32ULL << 20) /* the devices' state, what the guest writes, the overlay of the verify */

static const struct json_field job_publish_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, 999999999 },
	{ "image", JSON_KIND_STRING, 0, 2, 1000 },
	{ "staging", JSON_KIND_STRING, 0, 2, 1000 },
	{ "author", JSON_KIND_STRING, 0, 0, 512 },
	{ "engine", JSON_KIND_STRING, 0, 1, 16 },
	{ "ram_mib", JSON_KIND_INTEGER, 0, 256, MANIFEST_MAX_RAM_MIB },
	{ "note", JSON_KIND_STRING, 0, 0, 512 },
};

static const char *const sealed_files[] = { "memory", "state" };

struct publish {
	struct job *job;
	const char *image;
	const char *staging;
	const struct engine_ops *ops;
	char *accelerator;
	struct job_machine *machine;
	/* Held while a step waits for a call, whose data this is; the steps keep this alive. */
	struct steps *waiting;
	json_t *description; /* image.json */
	json_t *sealed;	     /* the manifest's "engine" and "machine" */
	json_t *report;
	gint64 copy_us;
	gint64 size_bytes;
};

static void
publish_clear(gpointer data)
{
	struct publish *publish = data;

	json_decref(publish->description);
	json_decref(publish->sealed);
	json_decref(publish->report);
	g_free(publish->accelerator);
}

static void
publish_release(gpointer data)
{
	g_rc_box_release_full(data, publish_clear);
}

/* The image, copied, and all of the machine's RAM: the pages that its guest has not touched are left out. */
static guint64
publish_reckon_need(const struct publish *publish)
{
	guint64 ram_mib = (guint64)json_get_integer(publish->job->arguments, "ram_mib", 0);
	guint64 bytes = EXTRA_BYTES + (publish->ops->boots ? 0 : ram_mib << 20);

	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *path = g_build_filename(publish->image, image_file_names[i], NULL);
		struct stat status;

		if (stat(path, &status) == 0)
			bytes += (guint64)status.st_blocks * 512;
	}
	return bytes;
}

static gboolean
publish_copy(gpointer context, GCancellable *cancellable, GError **error)
{
	struct publish *publish = context;
	gint64 started_us = g_get_monotonic_time();

	publish->description = image_file_read(publish->image, error);
	if (!publish->description)
		return FALSE;
	publish->job->need_bytes = publish_reckon_need(publish);
	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++) {
		g_autofree char *from = g_build_filename(publish->image, image_file_names[i], NULL);
		g_autofree char *to = g_build_filename(publish->staging, image_file_names[i], NULL);

		if (!job_files_copy(from, to, cancellable, error))
			return FALSE;
	}
	publish->copy_us = g_get_monotonic_time() - started_us;
	return TRUE;
}

static void
publish_start_copy(struct steps *steps, void *context)
{
	struct publish *publish = context;

	publish->job->progress(publish->job, "copy the image", 0);
	job_thread_run(steps, publish->job->cancellable, publish_copy, publish);
}

static void
publish_handle_event(void *context, enum engine_event event, gint64 value)
{
	const struct publish *publish = context;

	if (event == ENGINE_EVENT_RUNNING)
		publish->job->progress(publish->job, "boot", 12);
	else if (event == ENGINE_EVENT_AGENT_PORT && value)
		publish->job->progress(publish->job, "wait for the desktop", 40);
	else if (event == ENGINE_EVENT_STOPPED)
		publish->job->progress(publish->job, "save the machine", 55);
}

/* The call that a step has waited for is over; takes the error, NULL: none. */
static void
publish_go_on(struct publish *publish, GError *error)
{
	struct steps *steps = publish->waiting;

	if (error)
		steps_fail(steps, error);
	else
		steps_next(steps);
	steps_unref(steps);
}

static void
publish_handle_sealed(GObject *source, GAsyncResult *result, gpointer data)
{
	struct publish *publish = data;
	json_t *report = steps_get_report(result);
	GError *error = NULL;

	(void)source;
	json_array_append_new(publish->report,
			      json_pack("{s:s, s:I}", "name", "copy the image", "ms",
					(json_int_t)(publish->copy_us / 1000)));
	json_array_extend(publish->report, report);
	json_decref(report);
	publish->sealed = steps_get_json(result);
	steps_finish(result, &error);
	publish_go_on(publish, error);
}

static void
publish_start_seal(struct steps *steps, void *context)
{
	struct publish *publish = context;
	struct steps_call call = { publish->job->cancellable, publish_handle_sealed, publish };
	struct engine_seal seal = {
		.folder = publish->staging,
		.kind = KIND,
		.accelerator = publish->accelerator,
		.cpus = CPUS,
		.ram_mib = (guint)json_get_integer(publish->job->arguments, "ram_mib", 0),
		.command_line = json_get_text(publish->description, "command_line", ""),
	};
	GError *error = NULL;

	publish->job->progress(publish->job, "start the machine", 10);
	publish->machine = job_machine_new(publish->ops, publish->staging, publish->job->kvm,
					   publish_handle_event, publish, &error);
	if (!publish->machine) {
		steps_fail(steps, error);
		return;
	}
	publish->waiting = steps_ref(steps);
	publish->ops->seal(job_machine_get_vm(publish->machine), &seal, &call);
}

static json_t *
publish_describe_files(const struct publish *publish, GCancellable *cancellable, GError **error)
{
	const gsize n_files =
		IMAGE_FILE_COUNT + (publish->ops->boots ? 0 : G_N_ELEMENTS(sealed_files));
	json_t *files = json_array();

	for (gsize i = 0; i < n_files; i++) {
		g_autofree char *path =
			i < IMAGE_FILE_COUNT ? g_strdup(image_file_names[i])
					     : g_strdup_printf("%s/" KIND "/%s", publish->ops->name,
							       sealed_files[i - IMAGE_FILE_COUNT]);
		json_t *file = manifest_describe_file(publish->staging, path, cancellable, error);

		if (!file) {
			json_decref(files);
			return NULL;
		}
		json_array_append_new(files, file);
	}
	return files;
}

static struct manifest *
publish_make_manifest(const struct publish *publish, json_t *files, GError **error)
{
	const json_t *arguments = publish->job->arguments;
	json_t *object =
		json_pack("{s:i, s:s, s:I, s:s, s:I, s:s, s:s, s:[s], s:i, s:O, s:o}", "v", 1,
			  "name", json_get_text(arguments, "template", ""), "version",
			  (json_int_t)json_get_integer(arguments, "version", 0), "parent", "",
			  "created_ms", (json_int_t)(g_get_real_time() / 1000), "author",
			  json_get_text(arguments, "author", ""), "note",
			  json_get_text(arguments, "note", ""), "kinds", KIND, "agent_version",
			  AGENT_PROTOCOL_VERSION, "report", publish->report, "files", files);

	json_object_update(object, publish->sealed);
	return manifest_new(object, error);
}

static gboolean
publish_describe(gpointer context, GCancellable *cancellable, GError **error)
{
	struct publish *publish = context;
	json_t *files = publish_describe_files(publish, cancellable, error);
	struct manifest *manifest = files ? publish_make_manifest(publish, files, error) : NULL;
	gboolean good = manifest && manifest_write(manifest, publish->staging, error) &&
			job_files_sync(publish->staging, &publish->size_bytes, error);

	manifest_free(manifest);
	return good;
}

static void
publish_start_describe(struct steps *steps, void *context)
{
	struct publish *publish = context;

	publish->job->progress(publish->job, "hash and sync", 60);
	g_clear_pointer(&publish->machine, job_machine_free);
	job_thread_run(steps, publish->job->cancellable, publish_describe, publish);
}

static void
publish_verify_progress(void *context, const char *step, guint percent)
{
	const struct publish *publish = context;

	publish->job->progress(publish->job, step,
			       VERIFY_PERCENT + percent * (99 - VERIFY_PERCENT) / 100);
}

static void
publish_handle_verified(GObject *source, GAsyncResult *result, gpointer data)
{
	struct publish *publish = data;
	GError *error = NULL;
	json_t *report;

	(void)source;
	verify_finish(result, &report, &error);
	json_array_extend(publish->report, report);
	json_decref(report);
	publish_go_on(publish, error);
}

static void
publish_start_verify(struct steps *steps, void *context)
{
	struct publish *publish = context;
	const json_t *arguments = publish->job->arguments;
	struct verify_request request = {
		.folder = publish->staging,
		.scratch = publish->staging,
		.template_name = json_get_text(arguments, "template", ""),
		.version = (guint32)json_get_integer(arguments, "version", 0),
		.engine = publish->ops->name,
		.kvm = publish->job->kvm,
		.cancellable = publish->job->cancellable,
		.progress = publish_verify_progress,
		.context = publish,
	};

	publish->waiting = steps_ref(steps);
	verify_start(&request, publish_handle_verified, publish);
}

static void
publish_start_end(struct steps *steps, void *context)
{
	const struct publish *publish = context;
	int result = io_sync_folder(publish->staging);

	if (result == 0)
		steps_next(steps);
	else
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-result),
					      "cannot sync '%s': %s", publish->staging,
					      g_strerror(-result)));
}

static const struct step publish_steps[] = {
	{ "copy the image", publish_start_copy, LONG_MS },
	{ "seal", publish_start_seal, LONG_MS },
	{ "hash and sync", publish_start_describe, LONG_MS },
	{ "verify", publish_start_verify, LONG_MS },
	{ "sync the folder", publish_start_end, LONG_MS },
};

static void
publish_remove(const struct publish *publish)
{
	for (gsize i = 0; i < IMAGE_FILE_COUNT; i++)
		job_files_remove(publish->staging, image_file_names[i]);
	job_files_remove(publish->staging, MANIFEST_FILE);
	job_files_remove(publish->staging, publish->ops->name);
}

/* Kills the machine, and has its last words put behind the error, where there is one. */
static void
publish_end_machine(struct publish *publish, GError *error)
{
	struct job_machine *machine = g_steal_pointer(&publish->machine);

	if (machine && error) {
		g_autofree char *words = job_machine_get_words(machine);

		job_machine_blame(words, error);
	}
	job_machine_free(machine);
}

static void
publish_fail(const struct publish *publish, GError *error)
{
	job_space_blame(job_space_find_free(publish->staging), error);
	publish_remove(publish);
}

static void
publish_handle_end(GObject *source, GAsyncResult *result, gpointer data)
{
	struct publish *publish = data;
	struct job *job = publish->job;
	json_t *answer = NULL;
	GError *error = NULL;
	gboolean good = steps_finish(result, &error);

	(void)source;
	publish_end_machine(publish, error);
	if (good)
		answer = json_pack("{s:O, s:I}", "steps", publish->report, "size_bytes",
				   (json_int_t)publish->size_bytes);
	else
		publish_fail(publish, error);
	publish_release(publish);
	job->done(job, answer, error);
}

static void
job_publish_run(struct job *job)
{
	struct publish *publish;
	struct steps_call call = { NULL, publish_handle_end, NULL };
	g_autofree char *accelerator = NULL;
	GError *error = NULL;
	const struct engine_ops *ops = job_machine_find_engine(
		json_get_text(job->arguments, "engine", ""), job->kvm, &accelerator, &error);

	if (!ops) {
		job->done(job, NULL, error);
		return;
	}
	publish = g_rc_box_new0(struct publish);
	publish->job = job;
	publish->ops = ops;
	publish->accelerator = g_steal_pointer(&accelerator);
	publish->image = json_get_text(job->arguments, "image", "");
	publish->staging = json_get_text(job->arguments, "staging", "");
	publish->report = json_array();
	call.data = g_rc_box_acquire(publish);
	steps_run(publish_steps, G_N_ELEMENTS(publish_steps), publish, publish_release, &call);
}

const struct job_ops job_publish_ops = {
	.kind = JOB_KIND_PUBLISH,
	.name = "publish",
	.fields = job_publish_fields,
	.n_fields = G_N_ELEMENTS(job_publish_fields),
	.run = job_publish_run,
};
