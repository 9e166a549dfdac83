/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_seal.h - the job "seal": a version is sealed again on this host (docs/PROTOCOL.md, "Jobs")
 */
#ifndef TEMPLATES_JOB_SEAL_H
#define TEMPLATES_JOB_SEAL_H

#include "templates/job.h"

extern const struct job_ops job_seal_ops;

#endif
