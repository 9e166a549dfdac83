/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * version_maker.h - a template version is made in a staging folder: what the jobs "publish" and "seal" have in common
 */
#ifndef TEMPLATES_VERSION_MAKER_H
#define TEMPLATES_VERSION_MAKER_H

#include "host/manifest.h"
#include "templates/job.h"

#define VERSION_MAKER_KIND "user"

/* What the version will be. */
struct version_plan {
	guint cpus;
	guint ram_mib;
	char *command_line; /* for g_free() */
	json_t *about;	    /* the manifest, but for "engine", "machine", "report" and "files" */
};

struct version_source {
	const char *folder; /* the job's argument that says where disk.img, kernel and initrd are */
	/* In a thread. FALSE and an error when the folder does not hold what it should; the plan is freed either way. */
	gboolean (*plan)(const struct job *job, struct version_plan *ret_plan, GError **error);
};

/*
 * Copies, boots, seals with the engine that the argument "engine" names, describes, verifies; ends the job. Arguments
 * besides: "template", "version", "staging".
 */
void version_maker_run(struct job *job, const struct version_source *source);

#endif
