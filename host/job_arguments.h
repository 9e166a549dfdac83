/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_arguments.h - what a job's START and DONE say (docs/PROTOCOL.md, "Jobs")
 */
#ifndef HOST_JOB_ARGUMENTS_H
#define HOST_JOB_ARGUMENTS_H

#include <glib.h>

#include "base/json.h"
#include "base/name.h"
#include "base/proto_job.h"

/* The folders and the engine that a job's arguments are made of. */
struct job_places {
	const char *lib;
	const char *recipe_folder;
	const char *job;
	const char *engine; /* of a publish that names none */
};

/* What a job is about, taken from the broker's arguments. */
struct job_subject {
	char name[NAME_SIZE];
	guint32 version; /* 0: an image */
};

const char *job_arguments_kind_name(enum job_kind kind);
gboolean job_arguments_find_kind(const char *name, enum job_kind *ret_kind);

/* The worker's START JSON (a new reference) of the broker's arguments; NULL and the problem. */
json_t *job_arguments_make(enum job_kind kind, const json_t *wanted,
			   const struct job_places *places, struct job_subject *ret_subject,
			   struct json_problem *ret_problem);

/* A worker's result, which may be hostile: parsed strictly and checked; NULL and the problem. A new reference. */
json_t *job_arguments_read_result(enum job_kind kind, const char *text, gsize size,
				  struct json_problem *ret_problem);

#endif
