/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_tree.h - walk folders that others wrote, following no link
 */
#ifndef HOST_LAUNCH_TREE_H
#define HOST_LAUNCH_TREE_H

#include <sys/types.h>

/* Makes a folder if it is missing, and sets its owner and mode. -ENOTDIR when something else is there. */
int launch_tree_make_folder(const char *path, uid_t uid, gid_t gid, mode_t mode);

/* Removes parent/name with all that is in it; 0 also when it is not there. */
int launch_tree_remove(int parent, const char *name);
int launch_tree_remove_path(const char *path);

/*
 * Gives all of parent/name to uid/gid, files 0440, folders 0550, each fsynced. -EINVAL when it holds anything but
 * folders and files that have one name; -E2BIG when it is too large or too deep.
 */
int launch_tree_seal(int parent, const char *name, uid_t uid, gid_t gid);

#endif
