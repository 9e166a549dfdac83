/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor.h - what this machine can do, and what keeps it from doing more: `carrel host doctor`
 *
 * Wiring: host_doctor.c examines at carrel-hostd's start and then every minute, because programs are run for their
 * versions (some 20 ms each); it is carried in sync's capacity as "doctor", and its engines as "engines".
 */
#ifndef HOST_DOCTOR_H
#define HOST_DOCTOR_H

#include <glib.h>

#include "base/json.h"

struct doctor_options {
	const char *qemu;  /* a path, or a name to look for in PATH */
	const char *passt; /* the same */
	const char *lib;   /* whose free space counts */
	const char *
		root; /* "" for this machine; tests give a folder with proc/ and sys/ of their own */
	json_t *engines;   /* engine_list_describe(), borrowed */
	guint64 uid_first; /* uid_range */
	guint64 uid_count;
};

/*
 * {"limits": "cgroup|none", "engines": [{"name", "usable", "accelerator", "isolation", "reason"}],
 *  "checks": [{"name", "ok", "value", "advice"}]}; a new reference. advice is empty where nothing need be done.
 */
json_t *doctor_examine(const struct doctor_options *options);

/* A line of <root>/proc/meminfo, such as "MemAvailable:", in MiB; 0 when it is not there (proc(5)). */
guint64 doctor_read_memory_mib(const char *root, const char *key);

#endif
