/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_role.h - what each role is: its program, its uid, its namespaces, what its arguments must say
 */
#ifndef HOST_LAUNCH_ROLE_H
#define HOST_LAUNCH_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct launch_options;

enum launch_role_uid {
	LAUNCH_ROLE_UID_FIRST,	/* the desktop's vm uid, or the job's */
	LAUNCH_ROLE_UID_SECOND, /* the desktop's display uid */
	LAUNCH_ROLE_UID_BUILD,	/* root of a user namespace */
};

struct launch_role_rule {
	const char *name; /* of its log and cgroup */
	enum id_kind kind;
	enum launch_role_uid uid;
	unsigned long namespaces; /* of its own, from its first instruction: CLONE_NEW* */
	bool outward_only;	  /* the host's network, behind launch_fence.h */
	/* NULL, or checks the arguments: 0 or -EPERM and a text */
	int (*check)(char *const *argv, size_t argc, char *ret_text, size_t text_size);
};

/* NULL for an unknown role. */
const struct launch_role_rule *launch_role_find(uint32_t role);

/* The role's program into ret_path. */
int launch_role_program(const struct launch_options *options, uint32_t role, char *ret_path,
			size_t path_size);

/*
 * Splits "bytes" bytes of NUL-terminated arguments into ret_argv[0 .. argc-1], which point into "text".
 * -EINVAL when there are more, fewer, or the last one has no NUL.
 */
int launch_role_split_argv(char *text, size_t bytes, size_t argc, char **ret_argv);

#endif
