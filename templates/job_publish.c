/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_publish.c - the job "publish": an image becomes a template version (carrel-worker)
 *
 * How it works: publish_plan() checks the image against its image.json, whose command line the machine boots with;
 * templates/version_maker.c does the rest.
 */
#include "templates/job_publish.h"

#include "base/name.h"
#include "base/proto_agent.h"
#include "templates/image_file.h"
#include "templates/version_maker.h"

#define CPUS 2

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

static gboolean
publish_plan(const struct job *job, struct version_plan *ret_plan, GError **error)
{
	const json_t *arguments = job->arguments;
	json_t *image = image_file_read(json_get_text(arguments, "image", ""), error);

	if (!image)
		return FALSE;
	ret_plan->cpus = CPUS;
	ret_plan->ram_mib = (guint)json_get_integer(arguments, "ram_mib", 0);
	ret_plan->command_line = g_strdup(json_get_text(image, "command_line", ""));
	ret_plan->about = json_pack("{s:i, s:s, s:I, s:s, s:I, s:s, s:s, s:[s], s:i}", "v", 1,
				    "name", json_get_text(arguments, "template", ""), "version",
				    (json_int_t)json_get_integer(arguments, "version", 0), "parent",
				    "", "created_ms", (json_int_t)(g_get_real_time() / 1000),
				    "author", json_get_text(arguments, "author", ""), "note",
				    json_get_text(arguments, "note", ""), "kinds",
				    VERSION_MAKER_KIND, "agent_version", AGENT_PROTOCOL_VERSION);
	json_decref(image);
	return TRUE;
}

static void
job_publish_run(struct job *job)
{
	static const struct version_source source = { "image", publish_plan };

	version_maker_run(job, &source);
}

const struct job_ops job_publish_ops = {
	.kind = JOB_KIND_PUBLISH,
	.name = "publish",
	.fields = job_publish_fields,
	.n_fields = G_N_ELEMENTS(job_publish_fields),
	.run = job_publish_run,
};
