/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_unit.h - what a desktop and a job have in common on disk: uids, a record, two folders
 */
#ifndef HOST_LAUNCH_UNIT_H
#define HOST_LAUNCH_UNIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct launch;
struct launch_unit;

#define LAUNCH_UNIT_OWN_UID 0 /* as an owner: the unit's first uid; root owns no folder of a unit */

/*
 * Finds n_uids uids unless the unit has some, makes its folder below --run (root's), its record, and its folder below
 * --lib, which nobody but the owner may enter. May be repeated. 0 or a negative errno, the refusal's text written; what was made then stays.
 */
int launch_unit_make(struct launch *launch, struct launch_unit *unit, size_t n_uids, uid_t owner,
		     gid_t group);

#endif
