/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_forbidden_acts.c - a contained process can do none of them, and each part of the containment that is missing is found
 *
 * A child is cloned and contained as carrel-launch and its program do it, but for one part, and says what it still could. Not left
 * out are what nothing is to be seen of without capabilities (the uts namespace, the uid), and the user namespace: without it
 * this host's own limit of namespaces would be changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/contain.h"
#include "base/forbidden_acts.h"
#include "base/io.h"
#include "base/sandbox.h"
#include "base/sandbox_service.h"
#include "tests/unit/stderr_capture.h"

#define EXIT_SKIP  77
#define TEST_UID   64124
#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

struct omission {
	unsigned long namespace;
	bool root;
	bool capabilities;
	bool namespaces_limit;
	bool folder;
	bool dumpable;
	bool early_thread; /* another one of the process, before it is contained */
	bool thread;
	bool child;
	int prctl;	   /* what is asked of prctl(2), and not done */
	const char *words; /* NULL: nothing is possible */
	int error;	   /* 0: -EPERM with words */
};

struct finding {
	int error;
	char words[FORBIDDEN_ACTS_WORDS];
};

static bool keep_capabilities; /* what the wrapped functions do */
static int ignored_prctl;

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __real_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

int __wrap_sandbox_drop_capabilities(void);
int __real_sandbox_drop_capabilities(void);

int
__wrap_sandbox_drop_capabilities(void)
{
	return keep_capabilities ? 0 : __real_sandbox_drop_capabilities();
}

int
__wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return ignored_prctl && option == ignored_prctl ? 0 : __real_prctl(option, a, b, c, d);
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

static void *
wait_for_the_end(void *context)
{
	for (;;)
		pause();
	return context;
}

static int
contain_but_for(const struct omission *omission)
{
	pthread_t thread;
	int error = 0;

	if (omission->early_thread && pthread_create(&thread, NULL, wait_for_the_end, NULL) != 0)
		return -EAGAIN;
	ignored_prctl = omission->prctl;
	if (!omission->namespaces_limit)
		error = write_text("/proc/sys/user/max_user_namespaces", "0");
	if (omission->folder) {
		int folder = open("/", O_RDONLY | O_DIRECTORY); /* which stays open */

		error = folder < 0 ? -errno : error;
	}
	if (error == 0)
		error = sandbox_become_keeping(TEST_UID, TEST_UID, CAP_SYS_ADMIN);
	keep_capabilities = omission->capabilities;
	if (error == 0)
		error = omission->root ? sandbox_hide_memory() : contain_enter();
	if (error == 0 && omission->dumpable && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		error = -errno;
	return error;
}

/* After the containment: they have no more rights than the process. */
static int
add_company(const struct omission *omission)
{
	pthread_t thread;
	pid_t pid = omission->child ? fork() : getpid();

	if (pid == 0)
		wait_for_the_end(NULL);
	if (omission->thread && pthread_create(&thread, NULL, wait_for_the_end, NULL) != 0)
		return -EAGAIN;
	return pid < 0 ? -errno : 0;
}

static void __attribute__((noreturn))
run_child(const struct omission *omission, int gate, int report)
{
	struct finding finding = { 0 };
	char byte;

	if (io_read_full(gate, &byte, 1) < 0)
		_exit(1);
	finding.error = contain_but_for(omission);
	if (finding.error == 0)
		finding.error = add_company(omission);
	if (finding.error < 0)
		snprintf(finding.words, sizeof(finding.words), "be contained at all");
	else
		finding.error = forbidden_acts_try_outside(finding.words);
	io_write_full(report, &finding, sizeof(finding));
	_exit(0);
}

static int
write_maps(pid_t pid)
{
	char path[64];
	char text[64];
	int error;

	snprintf(text, sizeof(text), "%d %d 1\n", TEST_UID, TEST_UID);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	error = write_text(path, text);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	return error < 0 ? error : write_text(path, text);
}

static void
find_with(const struct omission *omission, struct finding *ret_finding)
{
	unsigned long flags = (NAMESPACES & ~omission->namespace) | SIGCHLD;
	int gate[2];
	int report[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid == 0)
		run_child(omission, gate[0], report[1]);
	assert_true(pid > 0);
	assert_int_equal(write_maps(pid), 0);
	assert_int_equal(io_write_full(gate[1], "g", 1), 0);
	close(report[1]);
	assert_int_equal(io_read_full(report[0], ret_finding, sizeof(*ret_finding)), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(report[0]);
	close(gate[0]);
	close(gate[1]);
}

static bool
may_make_namespaces(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(geteuid() == 0 && unshare(NAMESPACES) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	return status == 0;
}

static void
test_forbidden_acts__each_missing_part_is_found(void **state)
{
	static const struct omission cases[] = {
		{ .words = NULL },
		{ .early_thread = true, .words = "be contained at all", .error = -EBUSY },
		{ .thread = true, .words = NULL },
		{ .child = true, .words = "see other processes" },
		{ .namespace = CLONE_NEWPID, .words = "see other processes" },
		{ .namespace = CLONE_NEWNET, .words = "reach this host's services" },
		{ .namespace = CLONE_NEWIPC, .words = "see System V shared memory" },
		{ .root = true, .words = "open a file of the host" },
		{ .capabilities = true, .words = "mount a file system" },
		{ .namespaces_limit = true, .words = "make a user namespace" },
		{ .folder = true, .words = "use a folder by its descriptor" },
		{ .dumpable = true, .words = "be traced" },
		{ .prctl = PR_SET_NO_NEW_PRIVS, .words = "gain a capability" },
		{ .prctl = PR_CAPBSET_DROP, .words = "gain a capability" },
	};
	int memory = shmget(IPC_PRIVATE, 4096, 0600);

	(void)state;
	if (!may_make_namespaces())
		skip();
	assert_true(memory >= 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct finding finding;

		find_with(&cases[i], &finding);
		assert_string_equal(finding.words, cases[i].words ? cases[i].words : "");
		assert_int_equal(finding.error, cases[i].error	 ? cases[i].error
						: cases[i].words ? -EPERM
								 : 0);
	}
	shmctl(memory, IPC_RMID, NULL);
}

/* "Device or resource busy" would tell nobody. */
static void
test_forbidden_acts__an_early_thread_is_named(void **state)
{
	const struct omission omission = { .early_thread = true };
	struct stderr_capture capture;
	struct finding finding;
	char *log;

	(void)state;
	if (!may_make_namespaces())
		skip();
	stderr_capture_begin(&capture);
	find_with(&omission, &finding);
	log = stderr_capture_end(&capture);
	assert_int_equal(finding.error, -EBUSY);
	assert_non_null(strstr(log, "the process has another thread"));
	free(log);
}

static void
test_forbidden_acts__a_service_is_refused_them(void **state)
{
	static const char *const denied[] = { "socket", "connect", "bind", "listen" };
	char words[FORBIDDEN_ACTS_WORDS];

	(void)state;
	assert_int_equal(forbidden_acts_try_service(sandbox_service_refuse_calls, denied, 4, words),
			 0);
	assert_int_equal(forbidden_acts_try_service(sandbox_service_refuse_calls, denied, 1, words),
			 -EPERM);
	assert_string_equal(words, "connect");
}

/* The trial's child is another one, which ends with what is given. */
static int
judge_end(int status, size_t n_filters, struct forbidden_acts_finding *ret_finding)
{
	struct forbidden_acts_trial trial = { .pid = fork(), .n_filters = n_filters };

	assert_true(trial.pid >= 0);
	if (trial.pid == 0) {
		if (status < 0)
			raise(-status);
		_exit(status);
	}
	return forbidden_acts_finish(&trial, ret_finding);
}

static void
test_forbidden_acts__no_end_but_its_own_is_a_verdict(void **state)
{
	static const struct {
		int status; /* or a signal, less than 0 */
		size_t n_filters;
		int error;
		const char *words;
	} cases[] = {
		{ 0, 3, 0, "" },
		{ 1, 0, -EPERM, "open a file of the host" },
		{ 64 + 1, 1, -EPERM, "open a file" },
		{ 128 + 1, 2, -EPERM, "open a file" },
		{ 63, 0, -EIO, "" },	  /* it could not be tried */
		{ 64 + 63, 1, -EIO, "" }, /* nor in there */
		{ 64, 1, -EIO, "" },	  /* a stage, and no act */
		{ 64 + 60, 1, -EIO, "" }, /* an act that there is not */
		{ 64 + 1, 0, -EIO, "" },  /* a stage that there is not */
		{ 192 + 1, 2, -EIO, "" },
		{ 255, 3, -EIO, "" },
		{ -SIGKILL, 1, -EIO, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct forbidden_acts_finding finding = { 0 };

		assert_int_equal(judge_end(cases[i].status, cases[i].n_filters, &finding),
				 cases[i].error);
		assert_string_equal(finding.act, cases[i].words);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden_acts__each_missing_part_is_found),
		cmocka_unit_test(test_forbidden_acts__an_early_thread_is_named),
		cmocka_unit_test(test_forbidden_acts__a_service_is_refused_them),
		cmocka_unit_test(test_forbidden_acts__no_end_but_its_own_is_a_verdict),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (failed || may_make_namespaces())
		return failed;
	printf("namespaces cannot be made as carrel-launch does\n");
	return EXIT_SKIP;
}
