/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sandbox.c - rights given up are gone
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sandbox.h"
#include "base/sandbox_service.h"

#define TEST_UID   64123
#define TEST_GROUP 77778

/* Runs "act" in a child; its exit code, or minus the signal that ended it. */
static int
in_child(int (*act)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(act());
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int
status_has(const char *line)
{
	char *text = NULL;
	size_t size;
	int found;

	if (io_read_file("/proc/self/status", 16384, &text, &size) < 0)
		return 0;
	found = strstr(text, line) != NULL;
	free(text);
	return found;
}

static int
become_and_look(void)
{
	if (sandbox_become(TEST_UID, TEST_UID) < 0)
		return 1;
	if (getuid() != TEST_UID || getgroups(0, NULL) != 0 || setuid(0) == 0)
		return 2;
	if (!status_has("CapEff:\t0000000000000000") || !status_has("CapBnd:\t0000000000000000"))
		return 3;
	return status_has("NoNewPrivs:\t1") ? 0 : 4;
}

static int
become_member_and_look(void)
{
	gid_t groups[2];

	if (sandbox_become_member(TEST_UID, TEST_UID, TEST_GROUP) < 0)
		return 1;
	if (getuid() != TEST_UID || getgroups(2, groups) != 1 || groups[0] != TEST_GROUP)
		return 2;
	return status_has("CapEff:\t0000000000000000") ? 0 : 3;
}

static int
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return error;
}

/* As carrel-launch makes them: with all capabilities, and without a root. */
static int
enter_namespace(void)
{
	char map[64];

	if (setgroups(0, NULL) < 0 || unshare(CLONE_NEWUSER) < 0)
		return -errno;
	snprintf(map, sizeof(map), "%d 0 1", TEST_UID);
	if (write_text("/proc/self/setgroups", "deny") < 0 ||
	    write_text("/proc/self/uid_map", map) < 0 || write_text("/proc/self/gid_map", map) < 0)
		return -EINVAL;
	return getuid() == TEST_UID && !status_has("CapEff:\t0000000000000000") ? 0 : -EINVAL;
}

static int
become_keeping_and_look(void)
{
	if (enter_namespace() < 0)
		return 1;
	if (sandbox_become_keeping(TEST_UID, TEST_UID, CAP_KILL) < 0)
		return 2;
	if (!status_has("CapPrm:\t0000000000000020") || !status_has("CapEff:\t0000000000000020") ||
	    !status_has("CapInh:\t0000000000000020") || !status_has("CapAmb:\t0000000000000020"))
		return 3;
	if (!status_has("CapBnd:\t0000000000000000"))
		return 4;
	return status_has("NoNewPrivs:\t1") ? 0 : 5;
}

/* From here on the kernel says of the bounding set that it may not be emptied. */
static int
refuse_to_bound(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
				     SCMP_A0(SCMP_CMP_EQ, PR_CAPBSET_DROP));

	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

static int
become_keeping_unbound(void)
{
	if (enter_namespace() < 0 || refuse_to_bound() < 0)
		return 1;
	return sandbox_become_keeping(TEST_UID, TEST_UID, CAP_KILL) == -EPERM ? 0 : 2;
}

/* One that has no right to it keeps no other either. */
static int
become_unbound(void)
{
	if (enter_namespace() < 0 || refuse_to_bound() < 0)
		return 1;
	if (sandbox_become(TEST_UID, TEST_UID) < 0)
		return 2;
	return status_has("CapPrm:\t0000000000000000") ? 0 : 3;
}

static void
test_sandbox__keeps_one_capability_when_told(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(become_keeping_and_look), 0);
}

static void
test_sandbox__keeps_none_with_a_full_bounding_set(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(become_keeping_unbound), 0);
	assert_int_equal(in_child(become_unbound), 0);
}

static void
test_sandbox__keeps_one_group_when_told(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(become_member_and_look), 0);
}

static void
test_sandbox__becomes_nobody_for_good(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(become_and_look), 0);
}

/* The common list and the extra one, of which neither may hide the other. */
static int
deny_service_and_try(const char *path)
{
	static const char *const extra[] = { "mkdir" };

	if (sandbox_service_deny_calls(extra, 1) < 0)
		return 1;
	if (!path)
		return syscall(SYS_execve, "/nowhere", NULL, NULL) < 0 ? 2 : 3;
	return mkdir(path, 0700) < 0 ? 4 : 5;
}

static int
deny_service_and_execute(void)
{
	return deny_service_and_try(NULL);
}

static int
deny_service_and_use_extra(void)
{
	return deny_service_and_try("/tmp");
}

static int
deny_service_and_go_on(void)
{
	int fds[2];

	if (sandbox_service_deny_calls(NULL, 0) < 0)
		return 1;
	return pipe(fds) == 0 && mkdir("/tmp", 0700) < 0 && errno == EEXIST ? 0 : 2;
}

static int
deny_service_and_fork(void)
{
	if (sandbox_service_deny_calls(NULL, 0) < 0)
		return 1;
	return fork() < 0 ? 2 : 3;
}

static void *
do_nothing(void *context)
{
	return context;
}

static int
deny_service_and_start_thread(void)
{
	pthread_t thread;

	if (sandbox_service_deny_calls(NULL, 0) < 0)
		return 1;
	return pthread_create(&thread, NULL, do_nothing, NULL) == 0 &&
			       pthread_join(thread, NULL) == 0
		       ? 0
		       : 2;
}

static int
deny_unknown(void)
{
	static const char *const calls[] = { "no_such_call" };

	return sandbox_service_deny_calls(calls, 1) == -EINVAL ? 0 : 1;
}

static void
test_sandbox__service_does_only_what_it_must(void **state)
{
	(void)state;
	assert_int_equal(in_child(deny_service_and_execute), -SIGSYS);
	assert_int_equal(in_child(deny_service_and_use_extra), -SIGSYS);
	assert_int_equal(in_child(deny_service_and_fork), -SIGSYS);
	assert_int_equal(in_child(deny_service_and_start_thread), 0);
	assert_int_equal(in_child(deny_service_and_go_on), 0);
	assert_int_equal(in_child(deny_unknown), 0);
}

static int
close_and_look(void)
{
	int fd = fcntl(0, F_DUPFD, 20);

	if (fd < 0 || sandbox_close_from(3) < 0)
		return 1;
	return fcntl(fd, F_GETFD) < 0 && fcntl(0, F_GETFD) >= 0 ? 0 : 2;
}

static int
hide_and_look(void)
{
	return sandbox_hide_memory() == 0 && prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1;
}

static void
test_sandbox__descriptors_and_memory(void **state)
{
	(void)state;
	assert_int_equal(in_child(close_and_look), 0);
	assert_int_equal(in_child(hide_and_look), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sandbox__becomes_nobody_for_good),
		cmocka_unit_test(test_sandbox__keeps_one_group_when_told),
		cmocka_unit_test(test_sandbox__keeps_one_capability_when_told),
		cmocka_unit_test(test_sandbox__keeps_none_with_a_full_bounding_set),
		cmocka_unit_test(test_sandbox__service_does_only_what_it_must),
		cmocka_unit_test(test_sandbox__descriptors_and_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
