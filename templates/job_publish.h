/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_publish.h - the job "publish": an image becomes a template version (docs/PROTOCOL.md, "Jobs")
 */
#ifndef TEMPLATES_JOB_PUBLISH_H
#define TEMPLATES_JOB_PUBLISH_H

#include "templates/job.h"

extern const struct job_ops job_publish_ops;

#endif
