/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_seal.c - the job "seal": a template version whose machine this host cannot restore is sealed again (carrel-worker)
 *
 * How it works: seal_plan() takes from the version's manifest what it is and what machine it has. It is booted from a copy
 * of its disk, which goes on from there, so that the whole version is made again (templates/version_maker.c): hostd has it take
 * the old one's place. Until then, and if it fails, the old one stays as it is.
 */
#include "templates/job_seal.h"

#include <string.h>

#include "base/name.h"
#include "base/proto_agent.h"
#include "templates/image_file.h"
#include "templates/version_maker.h"

static const struct json_field job_seal_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, 999999999 },
	{ "folder", JSON_KIND_STRING, 0, 2, 1000 },
	{ "staging", JSON_KIND_STRING, 0, 2, 1000 },
	{ "engine", JSON_KIND_STRING, 0, 1, 16 },
};

static gboolean
seal_check(const struct job *job, const struct manifest *manifest, GError **error)
{
	const char *name = json_get_text(job->arguments, "template", "");
	guint32 version = (guint32)json_get_integer(job->arguments, "version", 0);
	const char *engine = json_get_text(job->arguments, "engine", "");

	if (strcmp(manifest->name, name) == 0 && manifest->version == version &&
	    strcmp(manifest->engine, engine) == 0)
		return TRUE;
	g_set_error(
		error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		"it is %s@%u for engine %s, not %s@%u for engine %s: publish the template again",
		manifest->name, manifest->version, manifest->engine, name, version, engine);
	return FALSE;
}

/* A disk that was damaged since its publishing is not booted. */
static gboolean
seal_check_files(const struct manifest *manifest, const char *folder, GError **error)
{
	json_t *object = json_deep_copy(manifest->object);
	json_t *files = json_array();
	struct manifest *kept;
	gboolean good = FALSE;
	size_t index;
	json_t *item;

	json_array_foreach((json_t *)(guintptr)manifest->files, index, item)
		for (gsize i = 0; i < IMAGE_FILE_COUNT; i++)
			if (strcmp(json_get_text(item, "path", ""), image_file_names[i]) == 0)
				json_array_append(files, item);
	json_object_set_new(object, "files", files);
	kept = manifest_new(object, error);
	if (kept)
		good = manifest_verify_files(kept, folder, NULL, error);
	manifest_free(kept);
	return good;
}

static json_t *
seal_describe(const struct manifest *manifest)
{
	static const char *const made_again[] = { "engine", "machine", "report", "files" };
	json_t *about = json_deep_copy(manifest->object);

	for (gsize i = 0; i < G_N_ELEMENTS(made_again); i++)
		json_object_del(about, made_again[i]);
	json_object_set_new(about, "agent_version", json_integer(AGENT_PROTOCOL_VERSION));
	return about;
}

static gboolean
seal_plan(const struct job *job, struct version_plan *ret_plan, GError **error)
{
	const char *folder = json_get_text(job->arguments, "folder", "");
	struct manifest *manifest = manifest_read(folder, error);

	if (!manifest)
		return FALSE;
	if (!seal_check(job, manifest, error) || !seal_check_files(manifest, folder, error)) {
		manifest_free(manifest);
		return FALSE;
	}
	ret_plan->cpus = manifest->cpus;
	ret_plan->ram_mib = manifest->ram_mib;
	ret_plan->command_line = g_strdup(manifest->command_line);
	ret_plan->about = seal_describe(manifest);
	manifest_free(manifest);
	return TRUE;
}

static void
job_seal_run(struct job *job)
{
	static const struct version_source source = { "folder", seal_plan };

	version_maker_run(job, &source);
}

const struct job_ops job_seal_ops = {
	.kind = JOB_KIND_SEAL,
	.name = "seal",
	.fields = job_seal_fields,
	.n_fields = G_N_ELEMENTS(job_seal_fields),
	.run = job_seal_run,
};
