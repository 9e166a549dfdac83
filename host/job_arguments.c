/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_arguments.c - what a job's START and DONE say (carrel-hostd)
 *
 * The broker names things (template, recipe, image); the worker gets folders, which are made here and only of names that
 * name_valid() lets through.
 */
#include "host/job_arguments.h"

#include <stdio.h>
#include <string.h>

#define JOB_MAX_VERSION 999999999
#define JOB_MAX_RAM_MIB (1024 * 1024)
#define JOB_MAX_STEPS	64
#define JOB_MAX_MS	(G_GINT64_CONSTANT(1) << 40)
#define JOB_MAX_BYTES	(G_GINT64_CONSTANT(1) << 50)

static const struct json_field build_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "recipe", JSON_KIND_STRING, 1, 1, NAME_SIZE - 1 },
};

static const struct json_field publish_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 1, 0, JOB_MAX_VERSION },
	{ "image", JSON_KIND_STRING, 1, 1, NAME_SIZE - 1 },
	{ "author", JSON_KIND_STRING, 1, 0, 64 },
	{ "engine", JSON_KIND_STRING, 1, 1, 8 },
	{ "ram_mib", JSON_KIND_INTEGER, 1, 64, JOB_MAX_RAM_MIB },
	{ "note", JSON_KIND_STRING, 1, 0, 2000 },
};

static const struct json_field verify_fields[] = {
	{ "template", JSON_KIND_STRING, 0, 1, NAME_SIZE - 1 },
	{ "version", JSON_KIND_INTEGER, 0, 1, JOB_MAX_VERSION },
	{ "engine", JSON_KIND_STRING, 1, 1, 8 },
};

static const struct json_field result_fields[] = {
	{ "steps", JSON_KIND_ARRAY, 1, 0, JOB_MAX_STEPS },
	{ "size_bytes", JSON_KIND_INTEGER, 1, 0, JOB_MAX_BYTES },
};

static const struct json_field step_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, 64 },
	{ "ms", JSON_KIND_INTEGER, 0, 0, JOB_MAX_MS },
};

static const struct {
	const char *name;
	const struct json_field *fields;
	gsize n_fields;
} kind_table[] = {
	[JOB_KIND_BUILD] = { "build", build_fields, G_N_ELEMENTS(build_fields) },
	[JOB_KIND_PUBLISH] = { "publish", publish_fields, G_N_ELEMENTS(publish_fields) },
	[JOB_KIND_VERIFY] = { "verify", verify_fields, G_N_ELEMENTS(verify_fields) },
	[JOB_KIND_SEAL] = { "seal", verify_fields, G_N_ELEMENTS(verify_fields) },
};

G_STATIC_ASSERT(G_N_ELEMENTS(kind_table) == JOB_KIND_COUNT);

const char *
job_arguments_kind_name(enum job_kind kind)
{
	return kind_table[kind].name;
}

gboolean
job_arguments_find_kind(const char *name, enum job_kind *ret_kind)
{
	for (gsize i = 0; i < JOB_KIND_COUNT; i++) {
		if (strcmp(kind_table[i].name, name) == 0) {
			*ret_kind = (enum job_kind)i;
			return TRUE;
		}
	}
	return FALSE;
}

/* One behind the highest version folder. */
static guint32
job_arguments_next_version(const char *lib, const char *name)
{
	g_autofree char *path = g_build_filename(lib, "templates", name, NULL);
	g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
	guint64 highest = 0;
	const char *entry;

	while (folder && (entry = g_dir_read_name(folder))) {
		guint64 number;

		if (g_ascii_string_to_unsigned(entry, 10, 1, JOB_MAX_VERSION - 1, &number, NULL))
			highest = MAX(highest, number);
	}
	return (guint32)highest + 1;
}

static json_t *
job_arguments_make_build(const json_t *wanted, const struct job_places *places, const char *staging)
{
	const char *template = json_get_text(wanted, "template", "");
	g_autofree char *recipe = g_build_filename(places->recipe_folder,
						   json_get_text(wanted, "recipe", template), NULL);

	return json_pack("{s:s, s:s, s:s}", "template", template, "recipe", recipe, "staging",
			 staging);
}

static json_t *
job_arguments_make_publish(const json_t *wanted, const struct job_places *places,
			   const char *staging, guint32 version)
{
	const char *template = json_get_text(wanted, "template", "");
	g_autofree char *image = g_build_filename(places->lib, "images",
						  json_get_text(wanted, "image", template), NULL);

	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s}", "template", template,
			 "version", (json_int_t)version, "image", image, "staging", staging,
			 "author", json_get_text(wanted, "author", ""), "engine",
			 json_get_text(wanted, "engine", places->engine), "ram_mib",
			 (json_int_t)json_get_integer(wanted, "ram_mib", 1024), "note",
			 json_get_text(wanted, "note", ""));
}

static json_t *
job_arguments_make_for_version(const json_t *wanted, const struct job_places *places,
			       const char *staging, guint32 version)
{
	const char *template = json_get_text(wanted, "template", "");
	char number[16];
	g_autofree char *folder = NULL;

	snprintf(number, sizeof(number), "%u", version);
	folder = g_build_filename(places->lib, "templates", template, number, NULL);
	return json_pack("{s:s, s:I, s:s, s:s, s:s}", "template", template, "version",
			 (json_int_t)version, "folder", folder, "staging", staging, "engine",
			 json_get_text(wanted, "engine", "qemu"));
}

static gboolean
job_arguments_check_names(const json_t *wanted, struct json_problem *problem)
{
	static const char *const names[] = { "template", "recipe", "image" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *name = json_get_text(wanted, names[i], NULL);

		if (name && !name_valid(name)) {
			snprintf(problem->text, sizeof(problem->text),
				 "'%s' of the job is no valid name", names[i]);
			return FALSE;
		}
	}
	return TRUE;
}

json_t *
job_arguments_make(enum job_kind kind, const json_t *wanted, const struct job_places *places,
		   struct job_subject *ret_subject, struct json_problem *ret_problem)
{
	g_autofree char *staging = g_build_filename(places->lib, "staging", places->job, NULL);
	struct job_subject *subject = ret_subject;

	if (json_check_object(wanted, "the job's arguments", kind_table[kind].fields,
			      kind_table[kind].n_fields, ret_problem) < 0 ||
	    !job_arguments_check_names(wanted, ret_problem))
		return NULL;
	g_strlcpy(subject->name, json_get_text(wanted, "template", ""), sizeof(subject->name));
	subject->version = (guint32)json_get_integer(wanted, "version", 0);
	if (kind == JOB_KIND_PUBLISH && subject->version == 0)
		subject->version = job_arguments_next_version(places->lib, subject->name);
	switch (kind) {
	case JOB_KIND_BUILD:
		return job_arguments_make_build(wanted, places, staging);
	case JOB_KIND_PUBLISH:
		return job_arguments_make_publish(wanted, places, staging, subject->version);
	case JOB_KIND_VERIFY:
	case JOB_KIND_SEAL:
		return job_arguments_make_for_version(wanted, places, staging, subject->version);
	case JOB_KIND_COUNT:
		break;
	}
	return NULL;
}

json_t *
job_arguments_read_result(enum job_kind kind, const char *text, gsize size,
			  struct json_problem *ret_problem)
{
	json_t *result = size == 0 ? json_object()
				   : json_parse_strict(text, size, JOB_MAX_JSON, ret_problem);
	gsize index;
	json_t *step;
	int error;

	if (!result)
		return NULL;
	error = json_check_object(result, kind_table[kind].name, result_fields,
				  G_N_ELEMENTS(result_fields), ret_problem);
	json_array_foreach(json_object_get(result, "steps"), index, step) {
		if (error < 0)
			break;
		error = json_check_object(step, "a step", step_fields, G_N_ELEMENTS(step_fields),
					  ret_problem);
	}
	if (error == 0)
		return result;
	json_decref(result);
	return NULL;
}
