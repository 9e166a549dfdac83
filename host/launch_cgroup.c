/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_cgroup.c - cgroup v2 limits, where a tree is ours to use (carrel-launch)
 *
 * How it works: launch_cgroup_init() looks where launch itself is in the version 2 tree (which a hybrid system mounts
 * at /sys/fs/cgroup/unified) and makes carrel-desktops.slice there. Each process of a desktop or job gets a group of
 * its own below, so that cgroup.kill ends its children with it.
 */
#include "host/launch_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_launch.h"
#include "host/launch_fence.h"
#include "host/launch_role.h"

#define GROUP_MAX_BYTES	   4096
#define GROUP_PATH_SIZE	   400
#define OWN_GROUP_MAX_SIZE 160

static const char *const mount_table[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

static int
launch_cgroup_write(const char *folder, const char *file, const char *text)
{
	char path[GROUP_PATH_SIZE + 32];
	CLEANUP_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	return io_write_full(fd, text, strlen(text));
}

static bool
launch_cgroup_has(const char *folder, const char *file)
{
	char path[GROUP_PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return access(path, F_OK) == 0;
}

/* Launch's own group in the version 2 tree: the line "0::/..." of /proc/self/cgroup. */
static int
launch_cgroup_find_own(char ret_path[OWN_GROUP_MAX_SIZE])
{
	CLEANUP_FREE char *text = NULL;
	const char *line;
	size_t length;
	size_t size;
	int error = io_read_file("/proc/self/cgroup", GROUP_MAX_BYTES, &text, &size);

	if (error < 0)
		return error;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	length = line ? strcspn(line, "\n") : 0;
	if (length == 0 || length >= OWN_GROUP_MAX_SIZE)
		return -ENOENT;
	memcpy(ret_path, line, length);
	ret_path[length == 1 ? 0 : length] = '\0';
	return 0;
}

static int
launch_cgroup_make(const char *folder)
{
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int
launch_cgroup_find_slice(struct launch_cgroup *cgroup)
{
	char own[OWN_GROUP_MAX_SIZE];
	int error = launch_cgroup_find_own(own);

	for (size_t i = 0; error == 0 && i < sizeof(mount_table) / sizeof(mount_table[0]); i++) {
		char folder[sizeof(cgroup->slice) - 32];

		snprintf(folder, sizeof(folder), "%s%s", mount_table[i], own);
		if (!launch_cgroup_has(folder, "cgroup.procs") ||
		    !launch_cgroup_has(mount_table[i], "cgroup.controllers"))
			continue;
		/* Refused where launch itself is in this group and the kernel allows no inner processes: no limits then. */
		launch_cgroup_write(folder, "cgroup.subtree_control", "+memory");
		snprintf(cgroup->slice, sizeof(cgroup->slice), "%s/carrel-desktops.slice", folder);
		return launch_cgroup_make(cgroup->slice);
	}
	return error < 0 ? error : -ENOENT;
}

void
launch_cgroup_init(struct launch_cgroup *ret_cgroup)
{
	int error;

	memset(ret_cgroup, 0, sizeof(*ret_cgroup));
	error = launch_cgroup_find_slice(ret_cgroup);
	if (error < 0) {
		ret_cgroup->slice[0] = '\0';
		log_warning("limits: none (no cgroup v2 tree of my own: %s)", strerror(-error));
		return;
	}
	ret_cgroup->memory =
		launch_cgroup_write(ret_cgroup->slice, "cgroup.subtree_control", "+memory") == 0;
	if (ret_cgroup->memory)
		log_info("limits: memory in '%s'", ret_cgroup->slice);
	else
		log_warning("limits: none (no memory controller in '%s'; it is used to kill only)",
			    ret_cgroup->slice);
}

/* <slice>/<unit>/<role> */
static int
launch_cgroup_make_group(const struct launch_cgroup *cgroup, const char *unit, const char *role,
			 char ret_folder[GROUP_PATH_SIZE])
{
	int error;

	snprintf(ret_folder, GROUP_PATH_SIZE, "%s/%s", cgroup->slice, unit);
	error = launch_cgroup_make(ret_folder);
	if (cgroup->memory)
		launch_cgroup_write(ret_folder, "cgroup.subtree_control", "+memory");
	snprintf(ret_folder, GROUP_PATH_SIZE, "%s/%s/%s", cgroup->slice, unit, role);
	return error < 0 ? error : launch_cgroup_make(ret_folder);
}

int
launch_cgroup_fence(const struct launch_cgroup *cgroup, const char *unit, const char *role)
{
	char folder[GROUP_PATH_SIZE];
	int error;

	if (cgroup->slice[0] == '\0')
		return -ENOTSUP;
	error = launch_cgroup_make_group(cgroup, unit, role, folder);
	return error < 0 ? error : launch_fence_attach(folder);
}

int
launch_cgroup_enter(const struct launch_cgroup *cgroup, const char *unit, const char *role,
		    pid_t pid, uint64_t memory_max_bytes)
{
	char folder[GROUP_PATH_SIZE];
	char number[32];
	int error;

	if (cgroup->slice[0] == '\0')
		return 0;
	error = launch_cgroup_make_group(cgroup, unit, role, folder);
	if (error == 0 && cgroup->memory) {
		snprintf(number, sizeof(number), "%" PRIu64, memory_max_bytes);
		error = launch_cgroup_write(folder, "memory.max",
					    memory_max_bytes > 0 ? number : "max");
	}
	snprintf(number, sizeof(number), "%d", (int)pid);
	return error < 0 ? error : launch_cgroup_write(folder, "cgroup.procs", number);
}

int
launch_cgroup_kill(const struct launch_cgroup *cgroup, const char *unit, const char *role)
{
	char folder[GROUP_PATH_SIZE];

	if (cgroup->slice[0] == '\0')
		return -ENOENT;
	snprintf(folder, sizeof(folder), "%s/%s/%s", cgroup->slice, unit, role);
	return launch_cgroup_write(folder, "cgroup.kill", "1");
}

void
launch_cgroup_remove(const struct launch_cgroup *cgroup, const char *unit)
{
	char folder[GROUP_PATH_SIZE];

	if (cgroup->slice[0] == '\0')
		return;
	for (uint32_t role = 0; role < LAUNCH_ROLE_COUNT; role++) {
		snprintf(folder, sizeof(folder), "%s/%s/%s", cgroup->slice, unit,
			 launch_role_find(role)->name);
		rmdir(folder);
	}
	snprintf(folder, sizeof(folder), "%s/%s", cgroup->slice, unit);
	if (rmdir(folder) < 0 && errno != ENOENT)
		log_debug("cgroup '%s' stays: %s", folder, strerror(errno));
}
