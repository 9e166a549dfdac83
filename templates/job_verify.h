/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_verify.h - the job "verify": a published version's hashes and one fork (docs/PROTOCOL.md, "Jobs")
 */
#ifndef TEMPLATES_JOB_VERIFY_H
#define TEMPLATES_JOB_VERIFY_H

#include "templates/job.h"

extern const struct job_ops job_verify_ops;

#endif
