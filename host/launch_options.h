/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_options.h - carrel-launch's command line
 */
#ifndef HOST_LAUNCH_OPTIONS_H
#define HOST_LAUNCH_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#define LAUNCH_BUILD_UIDS    65536 /* the last of the range: user namespaces of builds */
#define LAUNCH_RESERVED_UIDS 64	   /* the first of the range: services */
#define LAUNCH_JOB_GID	     3	   /* of these: no service is in it */

struct launch_options {
	const char *run; /* all texts belong to argv */
	const char *lib;
	const char *libexec;
	const char *qemu;
	const char *passt;
	uint32_t uid_first; /* of the range, which includes both ends */
	uint32_t uid_last;
	uint32_t hostd_uid;
	uint32_t hostd_gid;
};

enum launch_wish {
	LAUNCH_WISH_RUN,
	LAUNCH_WISH_HELP,
	LAUNCH_WISH_VERSION,
};

/* Reads the command line; on -EINVAL ret_text says what is wrong with it. */
int launch_options_parse(int argc, char **argv, struct launch_options *ret_options,
			 enum launch_wish *ret_wish, char *ret_text, size_t text_size);
void launch_options_print_usage(FILE *stream);

/* The uids for desktops and jobs, both included, and the first of those for builds. */
uint32_t launch_options_first_uid(const struct launch_options *options);
uint32_t launch_options_last_uid(const struct launch_options *options);
uint32_t launch_options_job_gid(
	const struct launch_options *options); /* of all jobs: they read templates and images */
uint32_t launch_options_build_uid(const struct launch_options *options);

#endif
