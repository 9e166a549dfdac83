/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * disk_stage.c - files for tests of disks: bases with contents that can be told apart, and a file system without room
 */
#include "tests/unit/disk_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"

uint32_t
disk_stage_random(uint32_t *seed)
{
	/* xorshift32, Marsaglia 2003 */
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

void
disk_stage_fill(void *data, size_t bytes, uint32_t seed)
{
	char *at = data;

	seed = seed * 2654435761U | 1;
	for (size_t i = 0; i + sizeof(seed) <= bytes; i += sizeof(seed)) {
		uint32_t word = disk_stage_random(&seed);

		memcpy(at + i, &word, sizeof(word));
	}
}

int
disk_stage_make_file(uint64_t bytes, uint32_t seed)
{
	CLEANUP_CLOSE int fd = memfd_create("disk", MFD_CLOEXEC);
	CLEANUP_FREE char *data = calloc(1, bytes + 1);

	if (fd < 0 || !data || ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	if (seed != 0) {
		disk_stage_fill(data, bytes, seed);
		if (pwrite(fd, data, bytes, 0) != (ssize_t)bytes)
			return -EIO;
	}
	return take_fd(&fd);
}

int
disk_stage_reopen_read_only(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

int
disk_stage_make_tight(uint64_t room, uint64_t left, int *ret_fd, int *ret_filler)
{
	CLEANUP_CLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	CLEANUP_CLOSE int mount = -1;
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_CLOSE int filler = -1;
	char size[32];

	if (fs < 0)
		return -errno;
	snprintf(size, sizeof(size), "%ju", (uintmax_t)room);
	if (fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return -errno;
	fd = openat(mount, "overlay", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	filler = openat(mount, "filler", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || filler < 0 || fallocate(filler, 0, 0, (off_t)(room - left)) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	*ret_filler = take_fd(&filler);
	return 0;
}
