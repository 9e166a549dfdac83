/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_unit.c - what a desktop and a job have in common on disk (carrel-launch)
 */
#include "host/launch_unit.h"

#include <string.h>

#include "host/launch_state.h"
#include "host/launch_tree.h"
#include "host/launch_uids.h"

#define UNIT_PATH_SIZE 320

int
launch_unit_make(struct launch *launch, struct launch_unit *unit, size_t n_uids, uid_t owner,
		 gid_t group)
{
	char path[UNIT_PATH_SIZE] = "a uid of its own";
	int error = 0;

	if (unit->uids[0] == 0)
		error = launch_uids_find(launch, n_uids, unit->uids);
	if (error == 0)
		error = launch_state_run_path(launch, unit->name, "", path, sizeof(path));
	if (error == 0)
		error = launch_tree_make_folder(path, 0, 0, 0711);
	/* Recorded before a file can be owned by the uid. */
	if (error == 0)
		error = launch_state_save(launch, unit);
	if (error == 0)
		error = launch_state_lib_path(launch, unit->name, path, sizeof(path));
	if (error == 0)
		error = launch_tree_make_folder(
			path, owner == LAUNCH_UNIT_OWN_UID ? unit->uids[0] : owner, group, 0700);
	return error < 0 ? launch_state_refuse(launch, error, "%s: %s", path, strerror(-error)) : 0;
}
