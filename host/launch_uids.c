/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_uids.c - uids that nobody else has (carrel-launch)
 *
 * How it works: launch_uids_find() goes through the range from its start and takes the first uids that pass every
 * check. Nothing is remembered here: units name theirs in their records, the kernel names those of processes, and
 * a staging folder left over names its owner.
 */
#include "host/launch_uids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "host/launch_state.h"

#define STATUS_MAX_BYTES 16384
#define SUBIDS_MAX_BYTES (1024 * 1024)

static bool
launch_uids_process_has(pid_t pid, uint32_t uid)
{
	CLEANUP_FREE char *text = NULL;
	uint32_t uids[4];
	const char *line;
	char path[64];
	size_t size;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (io_read_file(path, STATUS_MAX_BYTES, &text, &size) < 0)
		return false;
	/* A zombie holds nothing any more, and may wait long for its parent. */
	if (strstr(text, "\nState:\tZ"))
		return false;
	line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, &uids[0],
			    &uids[1], &uids[2], &uids[3]) != 4)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

/* The next process with this uid; 0 at the end. */
static pid_t
launch_uids_next(DIR *processes, uint32_t uid)
{
	struct dirent *entry;

	// cppcheck-suppress readdirCalled ; one thread
	while ((entry = readdir(processes))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && launch_uids_process_has(pid, uid))
			return pid;
	}
	return 0;
}

bool
launch_uids_in_use(uint32_t uid)
{
	DIR *processes = opendir("/proc");
	bool found = true; /* when /proc cannot be read nothing is known to be free */

	if (processes) {
		found = launch_uids_next(processes, uid) != 0;
		closedir(processes);
	}
	return found;
}

void
launch_uids_kill(uint32_t uid)
{
	DIR *processes = opendir("/proc");
	pid_t pid;

	while (processes && (pid = launch_uids_next(processes, uid)) != 0) {
		CLEANUP_CLOSE int pidfd = -1;

		/* The pidfd holds one process; look again that it is still the one that was found. */
		if (io_pidfd_open(pid, &pidfd) == 0 && launch_uids_process_has(pid, uid))
			io_pidfd_kill(pidfd, SIGKILL);
	}
	if (processes)
		closedir(processes);
}

bool
launch_uids_in_subids(const char *text, uint32_t first, uint32_t count)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		const char *colon = memchr(text, ':', length);
		uint64_t from;
		uint64_t many;

		if (colon && sscanf(colon, ":%10" SCNu64 ":%10" SCNu64, &from, &many) == 2 &&
		    from < (uint64_t)first + count && first < from + many)
			return true;
		text += length + (text[length] == '\n');
	}
	return false;
}

static bool
launch_uids_in_file(const char *path, uint32_t first, uint32_t count)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	int error = io_read_file(path, SUBIDS_MAX_BYTES, &text, &size);

	if (error < 0)
		return error != -ENOENT;
	return launch_uids_in_subids(text, first, count);
}

static bool
launch_uids_owns_staging(const struct launch *launch, uint32_t uid)
{
	struct dirent *entry;
	struct stat status;
	bool found = false;
	char path[256];
	DIR *folder;

	snprintf(path, sizeof(path), "%s/staging", launch->options.lib);
	folder = opendir(path);
	// cppcheck-suppress readdirCalled ; one thread
	while (folder && !found && (entry = readdir(folder)))
		found = fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
			status.st_uid == uid;
	if (folder)
		closedir(folder);
	return found;
}

static bool
launch_uids_in_units(const struct launch *launch, uint32_t uid)
{
	for (size_t i = 0; i < LAUNCH_MAX_RECORDS; i++)
		if (launch->units[i].name[0] &&
		    (launch->units[i].uids[0] == uid || launch->units[i].uids[1] == uid))
			return true;
	return false;
}

static bool
launch_uids_free(const struct launch *launch, uint32_t uid)
{
	/* The cheap question first: most uids that are not free are those of our own desktops. */
	if (launch_uids_in_units(launch, uid) || uid == launch->options.hostd_uid ||
	    uid == launch->options.hostd_gid)
		return false;
	// cppcheck-suppress getpwuidCalled ; one thread
	if (getpwuid(uid))
		return false;
	// cppcheck-suppress getgrgidCalled ; one thread
	if (getgrgid(uid))
		return false;
	return !launch_uids_in_file("/etc/subuid", uid, 1) &&
	       !launch_uids_in_file("/etc/subgid", uid, 1) &&
	       !launch_uids_owns_staging(launch, uid) && !launch_uids_in_use(uid);
}

int
launch_uids_find(struct launch *launch, size_t count, uint32_t *ret_uids)
{
	uint32_t last = launch_options_last_uid(&launch->options);
	size_t have = 0;

	for (uint32_t uid = launch_options_first_uid(&launch->options); uid <= last; uid++) {
		have = launch_uids_free(launch, uid) ? have + 1 : 0;
		if (have < count)
			continue;
		for (size_t i = 0; i < count; i++)
			ret_uids[i] = uid - (uint32_t)(count - 1 - i);
		return 0;
	}
	return -EUSERS;
}
