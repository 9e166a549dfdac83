/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_folders.h - the state folder of "carrel up": docs/PROTOCOL.md "Folders", with uids instead of accounts
 */
#ifndef CLI_UP_FOLDERS_H
#define CLI_UP_FOLDERS_H

#include <glib.h>
#include <sys/types.h>

/* Service uids are the first of uid_range; one gid for the three of them, which only <run> is open to. */
struct up_ids {
	uid_t broker;
	uid_t gateway;
	uid_t hostd;
	gid_t group;
	char *range; /* "FIRST-LAST", for carrel-launch */
};

struct up_folders {
	char *state;
	char *run;
	char *lib;
	char *pam; /* the private PAM service of --demo-user */
	int lock_fd;
};

/* FALSE and error when "FIRST-LAST" is not a range with room for services, desktops and builds. */
gboolean up_ids_parse(struct up_ids *ids, const char *range, GError **error);

/*
 * Makes what is missing, sets owners and modes, and takes the lock: one "carrel up" a state folder. Refuses one that was
 * made with another uid_range, and changes nothing in it.
 */
gboolean up_folders_make(struct up_folders *folders, const char *state, const struct up_ids *ids,
			 GError **error);
void up_folders_done(struct up_folders *folders);

#endif
