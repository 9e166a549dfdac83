/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox.c - give up rights before touching what strangers send (all processes)
 */
#include "base/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
sandbox_change_ids(uid_t uid, gid_t gid, gid_t group)
{
	size_t n_groups = group == SANDBOX_NO_GROUP ? 0 : 1;

	/* Where there are none, even those who may not change them can go on. */
	if (((n_groups > 0 || getgroups(0, NULL) != 0) && setgroups(n_groups, &group) < 0) ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	/* A kernel that lets us back would have been asked in vain. */
	if (uid != 0 && setresuid(0, 0, 0) == 0)
		return -EPERM;
	return 0;
}

/* capset(2): sets of 1 << CAP_*. What is no longer permitted or inheritable is no longer ambient either. */
static int
sandbox_set_capabilities(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* The kernel knows where the capabilities end. */
static int
sandbox_empty_bounding_set(void)
{
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
	     capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

/* No program can bring back what is given up. */
static int
sandbox_bound(void)
{
	int error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	error = sandbox_empty_bounding_set();
	return error == -EPERM ? 0 : error; /* one without the right to has nothing to bound */
}

int
sandbox_become(uid_t uid, gid_t gid)
{
	return sandbox_become_member(uid, gid, SANDBOX_NO_GROUP);
}

int
sandbox_become_member(uid_t uid, gid_t gid, gid_t group)
{
	int error = sandbox_bound();

	if (error == 0 && geteuid() == 0)
		error = sandbox_change_ids(uid, gid, group);
	return error < 0 ? error : sandbox_set_capabilities(0, 0);
}

int
sandbox_become_keeping(uid_t uid, gid_t gid, unsigned int capability)
{
	const uint64_t kept = UINT64_C(1) << capability;
	int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (error == 0)
		error = sandbox_change_ids(uid, gid, SANDBOX_NO_GROUP);
	/* Only what is in the bounding set can become inheritable: so that is emptied after, which takes a right, too. */
	if (error == 0)
		error = sandbox_set_capabilities(kept | UINT64_C(1) << CAP_SETPCAP, kept);
	if (error == 0)
		error = sandbox_empty_bounding_set();
	if (error == 0)
		error = sandbox_set_capabilities(kept, kept);
	if (error == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
		error = -errno;
	return error;
}

int
sandbox_drop_capabilities(void)
{
	int error = sandbox_bound();

	return error < 0 ? error : sandbox_set_capabilities(0, 0);
}

int
sandbox_hide_memory(void)
{
	static const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

int
sandbox_close_from(int first)
{
	return syscall(SYS_close_range, (unsigned int)first, ~0U, 0) < 0 ? -errno : 0;
}
