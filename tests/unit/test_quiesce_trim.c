/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_quiesce_trim.c - what a file system does not use any more becomes holes in its image
 *
 * The image is mounted through a loop device, which makes holes of discards as a machine's disk does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/quiesce.h"
#include "base/io.h"

#define EXIT_SKIP   77
#define FILE_BYTES  ((size_t)16 << 20)
#define MAKE_IMAGE  "truncate -s 64M image && mke2fs -q -t ext4 image && mkdir disk"
#define MOUNT_IMAGE "mount -o loop image disk"

static char folder[] = "/tmp/test-quiesce-XXXXXX";

static int64_t
count_bytes(void)
{
	struct stat status;

	sync();
	assert_int_equal(stat("image", &status), 0);
	return (int64_t)status.st_blocks * 512;
}

static void
write_file(const char *path)
{
	char *data = malloc(FILE_BYTES);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_non_null(data);
	assert_true(fd >= 0);
	memset(data, 'x', FILE_BYTES);
	assert_int_equal(io_write_full(fd, data, FILE_BYTES), 0);
	close(fd);
	free(data);
}

static void
test_quiesce_trim__makes_holes(void **state)
{
	int64_t full;

	(void)state;
	write_file("disk/dropped");
	full = count_bytes();
	assert_true(full >= (int64_t)FILE_BYTES);
	assert_int_equal(unlink("disk/dropped"), 0);
	assert_true(count_bytes() >= (int64_t)FILE_BYTES);
	assert_int_equal(quiesce_trim("disk"), 0);
	assert_true(count_bytes() <= full - (int64_t)FILE_BYTES);
}

/* In a mount namespace of its own, with which the mount goes. */
static int
mount_image(void)
{
	if (!mkdtemp(folder) || chdir(folder) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return system(MAKE_IMAGE) == 0 && system(MOUNT_IMAGE) == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiesce_trim__makes_holes),
	};
	int failed = EXIT_SKIP;

	if (mount_image() == 0) {
		failed = cmocka_run_group_tests(tests, NULL, NULL);
		umount2("disk", MNT_DETACH);
	} else {
		puts("no image can be mounted here");
	}
	unlink("image");
	rmdir("disk");
	rmdir(folder);
	return failed;
}
