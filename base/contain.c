/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * contain.c - leave a process nothing but its descriptors (carrel-vmm, carrel-display)
 */
#include "base/contain.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox.h"

#define ROOT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Where the empty root is made: any folder that each host has. */
#define ROOT_PLACE "/tmp"

/* pivot_root(2), "pivot_root(".", ".")": the old root comes to lie upon the new one, and is taken off it. */
static int
contain_leave_files(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", ROOT_PLACE, "tmpfs", ROOT_FLAGS, "size=4k,nr_inodes=1,mode=0555") < 0 ||
	    chdir(ROOT_PLACE) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/*
 * What follows is the calling thread's alone, and another one would keep its rights. unshare(2):
 * without others nothing is done.
 */
static int
contain_expect_one_thread(void)
{
	if (unshare(CLONE_THREAD) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	log_error(
		"the process has another thread, perhaps a library's, which would keep its rights: "
		"nothing is contained");
	return -EBUSY;
}

int
contain_enter(void)
{
	int error = contain_expect_one_thread();

	if (error == 0)
		error = contain_leave_files();
	if (error == 0)
		error = sandbox_hide_memory();
	if (error == 0)
		error = sandbox_drop_capabilities();
	return error;
}
