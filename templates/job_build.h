/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_build.h - the job "build": a recipe becomes an image (docs/PROTOCOL.md, "Jobs")
 */
#ifndef TEMPLATES_JOB_BUILD_H
#define TEMPLATES_JOB_BUILD_H

#include "templates/job.h"

#define JOB_BUILD_MAX_LINE 512

extern const struct job_ops job_build_ops;

/* "progress 28 packages text": FALSE when the line is none. ret_step holds 32 bytes. */
gboolean job_build_parse_progress(const char *line, guint *ret_percent, char *ret_step);

#endif
