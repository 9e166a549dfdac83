/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_record.c - what hostd writes down of a job, for its own restart (carrel-hostd)
 */
#include "host/job_record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/io.h"
#include "base/log.h"
#include "host/job_arguments.h"

#define JOB_RECORD_MAX_BYTES (64 * 1024)

static const struct json_field record_fields[] = {
	{ "v", JSON_KIND_INTEGER, 0, 1, 1 },	   { "id", JSON_KIND_STRING, 0, 1, ID_SIZE },
	{ "kind", JSON_KIND_STRING, 0, 1, 16 },	   { "state", JSON_KIND_STRING, 0, 1, 16 },
	{ "error", JSON_KIND_STRING, 0, 0, 2000 }, { "result", JSON_KIND_OBJECT, 0, 0, 0 },
};

static char *
job_record_make_path(const char *folder, const char *id)
{
	g_autofree char *name = g_strconcat(id, ".json", NULL);

	return g_build_filename(folder, name, NULL);
}

void
job_record_write(const char *folder, const struct job_record *record)
{
	g_autofree char *path = job_record_make_path(folder, record->id);
	json_t *object = json_pack("{s:i, s:s, s:s, s:s, s:s, s:O}", "v", 1, "id", record->id,
				   "kind", job_arguments_kind_name(record->kind), "state",
				   record->state, "error", record->error, "result", record->result);
	char *text = json_dumps(object, JSON_COMPACT);
	int error = text ? io_write_file_durably(path, text, strlen(text), 0600) : -ENOMEM;

	if (error < 0)
		log_error("job=%s: cannot write '%s': %s", record->id, path, g_strerror(-error));
	free(text);
	json_decref(object);
}

gboolean
job_record_read(const char *folder, const char *name, struct job_record *ret_record)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	struct json_problem problem = { "it cannot be read" };
	struct job_record record = { 0 };
	char *text = NULL;
	size_t size = 0;

	if (io_read_file(path, JOB_RECORD_MAX_BYTES, &text, &size) == 0)
		record.object = json_parse_strict(text, size, JOB_RECORD_MAX_BYTES, &problem);
	free(text);
	if (record.object &&
	    json_check_object(record.object, "the record", record_fields,
			      G_N_ELEMENTS(record_fields), &problem) == 0 &&
	    id_valid(ID_KIND_JOB, json_get_text(record.object, "id", "")) &&
	    job_arguments_find_kind(json_get_text(record.object, "kind", ""), &record.kind)) {
		record.id = json_get_text(record.object, "id", "");
		record.state = json_get_text(record.object, "state", "");
		record.error = json_get_text(record.object, "error", "");
		record.result = json_object_get(record.object, "result");
		*ret_record = record;
		return TRUE;
	}
	log_warning("the job's record '%s' is left out: %s", path, problem.text);
	json_decref(record.object);
	return FALSE;
}

void
job_record_done(struct job_record *record)
{
	json_decref(record->object);
	memset(record, 0, sizeof(*record));
}

void
job_record_remove(const char *folder, const char *id)
{
	g_autofree char *path = job_record_make_path(folder, id);

	unlink(path);
}
