/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto_job.h - one job between carrel-hostd and its carrel-worker
 *
 * SOCK_SEQPACKET socketpair, the worker's end is descriptor 3; seq.h messages.
 *
 * type      from    payload                fds
 * START     hostd   job_start + JSON       as the job's kind says (docs/PROTOCOL.md); fd: /dev/kvm, where hostd may open it
 * PROGRESS  worker  job_progress           -
 * DONE      worker  job_done + JSON        -      the last message; the process ends with 0 or 1
 * CANCEL    hostd   -                      -      the worker removes what it made and answers DONE with -ECANCELED
 */
#ifndef BASE_PROTO_JOB_H
#define BASE_PROTO_JOB_H

#include <stdint.h>

#include "base/id.h"

#define JOB_CONTROL_FD 3
#define JOB_MAX_JSON   (16 * 1024)

enum job_type {
	JOB_START = 1,
	JOB_PROGRESS,
	JOB_DONE,
	JOB_CANCEL,
};

enum job_kind {
	JOB_KIND_BUILD,	  /* recipe -> staging/<job>: disk.img, kernel, initrd, image.json */
	JOB_KIND_PUBLISH, /* image -> staging/<job>: a template version with kind "user", verified */
	JOB_KIND_VERIFY,  /* a published version: hashes and one fork */
	JOB_KIND_SEAL, /* a published version -> staging/<job>: the same, sealed again on this host */
	JOB_KIND_COUNT,
};

struct job_start {
	char job[ID_SIZE];
	uint32_t kind;
	uint32_t json_bytes;
};

struct job_progress {
	char step[32];
	uint32_t percent;
	uint32_t seconds_left; /* 0: not known */
};

struct job_done {
	int32_t status; /* 0 or a negative errno */
	char text[500]; /* one line: what failed, why, what to do */
	uint32_t json_bytes;
};

#endif
