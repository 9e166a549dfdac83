/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_record.h - what hostd writes down of a job, for its own restart: <folder>/<id>.json
 */
#ifndef HOST_JOB_RECORD_H
#define HOST_JOB_RECORD_H

#include <glib.h>

#include "base/json.h"
#include "base/proto_job.h"

struct job_record {
	json_t *object; /* after reading: owned, the rest points into it */
	const char *id;
	enum job_kind kind;
	const char *state; /* as sync says it */
	const char *error; /* "": none */
	json_t *result;	   /* an object */
};

/* Durably. A failure is logged: the job goes on, but a restart would not know of it. */
void job_record_write(const char *folder, const struct job_record *record);

/* FALSE (and a line in the log) when file "name" is no record. job_record_done() after TRUE. */
gboolean job_record_read(const char *folder, const char *name, struct job_record *ret_record);
void job_record_done(struct job_record *record);

void job_record_remove(const char *folder, const char *id);

#endif
