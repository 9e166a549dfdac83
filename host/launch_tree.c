/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_tree.c - walk folders that others wrote, following no link (carrel-launch)
 *
 * How it works: every step is taken with openat(2) O_NOFOLLOW from the descriptor of the folder above, so that whoever
 * owns a folder can exchange what is in it, but never lead launch out of it.
 */
#include "host/launch_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TREE_MAX_DEPTH	      32
#define TREE_MAX_REMOVE_DEPTH 1024 /* a descriptor a level */
#define TREE_MAX_ENTRIES      100000
#define TREE_FLAGS	      (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

struct launch_tree_seal {
	uid_t uid;
	gid_t gid;
	size_t entries;
};

static int launch_tree_remove_at(int parent, const char *name, int depth);
static int launch_tree_seal_at(struct launch_tree_seal *seal, int parent, const char *name,
			       int depth);

int
launch_tree_make_folder(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	CLEANUP_CLOSE int fd = -1;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, TREE_FLAGS | O_DIRECTORY);
	if (fd < 0)
		return -errno;
	return fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0 ? -errno : 0;
}

static bool
launch_tree_is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes what is in the folder "fd", which it takes. */
static int
launch_tree_empty(int fd, int depth)
{
	DIR *folder = fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (!folder) {
		error = -errno;
		close(fd);
		return error;
	}
	// cppcheck-suppress readdirCalled ; one thread
	while (error == 0 && (entry = readdir(folder)))
		if (!launch_tree_is_dots(entry->d_name))
			error = launch_tree_remove_at(dirfd(folder), entry->d_name, depth + 1);
	closedir(folder);
	return error;
}

static int
launch_tree_remove_at(int parent, const char *name, int depth)
{
	struct stat status;
	int error;
	int fd;

	/* A read-only disk says EROFS even of what is not there. */
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (depth > TREE_MAX_REMOVE_DEPTH)
		return -E2BIG;
	fd = openat(parent, name, TREE_FLAGS | O_DIRECTORY);
	if (fd < 0)
		return -errno;
	error = launch_tree_empty(fd, depth);
	if (error < 0)
		return error;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int
launch_tree_remove(int parent, const char *name)
{
	return launch_tree_remove_at(parent, name, 0);
}

int
launch_tree_remove_path(const char *path)
{
	return launch_tree_remove_at(AT_FDCWD, path, 0);
}

static int
launch_tree_seal_folder(struct launch_tree_seal *seal, int fd, int depth)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *folder = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int error = 0;

	if (!folder) {
		error = -errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	// cppcheck-suppress readdirCalled ; one thread
	while (error == 0 && (entry = readdir(folder)))
		if (!launch_tree_is_dots(entry->d_name))
			error = launch_tree_seal_at(seal, fd, entry->d_name, depth + 1);
	closedir(folder);
	return error;
}

static int
launch_tree_seal_at(struct launch_tree_seal *seal, int parent, const char *name, int depth)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat status;
	int error = 0;

	if (depth > TREE_MAX_DEPTH || ++seal->entries > TREE_MAX_ENTRIES)
		return -E2BIG;
	/* Looked at before it is opened, because opening a device may do something. */
	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
		return -EINVAL;
	fd = openat(parent, name, TREE_FLAGS);
	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		error = launch_tree_seal_folder(seal, fd, depth);
	else if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
		error = -EINVAL;
	if (error < 0)
		return error;
	/*
	 * Only hostd gets through the folders. A desktop's machine opens kernel and initrd again by the descriptor it was given
	 * (/proc/self/fd), for which the file itself must be readable to its uid.
	 */
	if (fchown(fd, seal->uid, seal->gid) < 0 ||
	    fchmod(fd, S_ISDIR(status.st_mode) ? 0550 : 0444) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int
launch_tree_seal(int parent, const char *name, uid_t uid, gid_t gid)
{
	struct launch_tree_seal seal = { uid, gid, 0 };

	return launch_tree_seal_at(&seal, parent, name, 0);
}
