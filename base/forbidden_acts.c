/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forbidden_acts.c - the start-up self-test of what contains a process (carrel-vmm, carrel-display, before a stranger is heard)
 *
 * How it works: forbidden_acts_begin() makes one child, which goes through stages. In the first it tries what lies outside, by
 * outside_acts.c, as it is. The others are the filters: the real ones kill at the first such act, so it tries them under the same
 * programs except that these refuse with an errno of their own. Only that errno counts: what fails for another reason was let through.
 * A filter cannot be taken off again, so each has a child of the child, which ends in there. All arguments are such that an act that
 * is let through does no harm to its parent. An exit status is the number of the first act that was possible, counted from 1; that of
 * the trial has the stage, too: STAGE_ACTS times it.
 */
#include "base/forbidden_acts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/outside_acts.h"
#include "base/sandbox_filter.h"

#define NOWHERE	      "/nowhere"
#define NO_PROCESS    0x7ffffff0 /* above any pid */
#define STAGE_ACTS    64	 /* more than a stage has */
#define STAGE_FAILED  (STAGE_ACTS - 1)
#define LINUX_TIOCSTI 0x5412 /* types into a terminal: asm-generic/ioctls.h */

struct forbidden_act {
	const char *words;
	long call;
	long arguments[6];
	bool in_service; /* refused by sandbox_service_refuse_calls(), too */
};

static const struct forbidden_act act_table[] = {
	{ "open a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY }, false },
	{ "open a file (open)", SYS_open, { 0, O_RDONLY }, false },
	{ "make a file", SYS_creat, { 0, 0600 }, false },
	{ "remove a file", SYS_unlinkat, { AT_FDCWD, 0, 0 }, true },
	{ "rename a file", SYS_renameat2, { AT_FDCWD, 0, AT_FDCWD, 0, 0 }, true },
	{ "change a file's mode", SYS_fchmod, { -1, 0777 }, true },
	{ "make a socket", SYS_socket, { AF_INET, SOCK_STREAM, 0 }, true },
	{ "connect", SYS_connect, { -1, 0, 0 }, true },
	{ "listen at a new address", SYS_bind, { -1, 0, 0 }, true },
	{ "run a program", SYS_execve, { 0, 0, 0 }, true },
	{ "run a program (execveat)", SYS_execveat, { -1, 0, 0, 0, 0 }, true },
	{ "make a process", SYS_clone, { SIGCHLD, 0, 0, 0, 0 }, true },
	{ "make a process (clone3)", SYS_clone3, { 0, 0 }, false },
	{ "make a process (fork)", SYS_fork, { 0 }, true },
	{ "trace a process", SYS_ptrace, { PTRACE_ATTACH, NO_PROCESS, 0, 0 }, true },
	{ "write into a process", SYS_process_vm_writev, { NO_PROCESS, 0, 0, 0, 0, 0 }, true },
	{ "kill a process", SYS_kill, { NO_PROCESS, 0 }, false },
	{ "send a thread of another process a signal",
	  SYS_tgkill,
	  { NO_PROCESS, NO_PROCESS, 0 },
	  false },
	{ "become another user", SYS_setuid, { 0 }, true },
	{ "take capabilities", SYS_capset, { 0, 0 }, false },
	{ "mount", SYS_mount, { 0, 0, 0, 0, 0 }, true },
	{ "change the root", SYS_pivot_root, { 0, 0 }, true },
	{ "make namespaces", SYS_unshare, { CLONE_NEWUSER }, true },
	{ "enter namespaces", SYS_setns, { -1, 0 }, true },
	{ "make memory executable", SYS_mprotect, { 0, 0, PROT_READ | PROT_EXEC }, false },
	{ "map executable memory",
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 },
	  false },
	{ "make an io_uring", SYS_io_uring_setup, { 1, 0 }, true },
	{ "lift an io_uring's restrictions", SYS_io_uring_register, { -1, 0, 0, 0 }, false },
	{ "load a BPF program", SYS_bpf, { BPF_PROG_LOAD, 0, 0 }, true },
	{ "handle its own page faults", SYS_userfaultfd, { 0 }, true },
	{ "count the processor's events", SYS_perf_event_open, { 0, 0, -1, -1, 0 }, true },
	{ "read keys", SYS_keyctl, { 0, 0, 0, 0, 0 }, true },
	{ "load a kernel module", SYS_finit_module, { -1, 0, 0 }, true },
	{ "change what it is by prctl", SYS_prctl, { PR_SET_DUMPABLE, 1, 0, 0, 0 }, false },
	{ "type into a terminal", SYS_ioctl, { -1, LINUX_TIOCSTI, 0 }, false },
	{ "have a descriptor send signals", SYS_fcntl, { -1, F_SETOWN, 0 }, false },
};

#define N_ACTS (sizeof(act_table) / sizeof(act_table[0]))
static_assert(N_ACTS < STAGE_FAILED && OUTSIDE_ACTS_MAX < STAGE_FAILED, "a number each");
static_assert(STAGE_ACTS * (FORBIDDEN_ACTS_MAX_FILTERS + 1) <= 256, "an exit status each");

static bool
forbidden_act_is_refused(const struct forbidden_act *act)
{
	const long *a = act->arguments;

	errno = 0;
	return syscall(act->call, a[0], a[1], a[2], a[3], a[4], a[5]) == -1 &&
	       errno == SANDBOX_FILTER_REFUSED;
}

static int
forbidden_acts_find_refused(bool in_service)
{
	for (size_t i = 0; i < N_ACTS; i++)
		if ((act_table[i].in_service || !in_service) &&
		    !forbidden_act_is_refused(&act_table[i]))
			return (int)i + 1;
	return 0;
}

/* In a child of its own, which it does not come back from. */
static void __attribute__((noreturn))
forbidden_acts_end_in_filter(const struct sandbox_filter *filter)
{
	_exit(sandbox_filter_enter(filter) < 0 ? STAGE_FAILED : forbidden_acts_find_refused(false));
}

static int
forbidden_acts_wait(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* In the child: the act that was possible, STAGE_FAILED, or 0. */
static int
forbidden_acts_find_in_filter(const struct sandbox_filter *filter)
{
	struct sandbox_filter *refusing;
	int status;
	pid_t pid;

	if (sandbox_filter_new_refusing(filter, &refusing) < 0)
		return STAGE_FAILED;
	/* Its memory may be ours, which waits: nothing is copied, and nothing is at stake. */
	pid = vfork();
	if (pid == 0)
		forbidden_acts_end_in_filter(refusing);
	if (pid < 0 || forbidden_acts_wait(pid, &status) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) > STAGE_FAILED)
		return STAGE_FAILED;
	return WEXITSTATUS(status);
}

/* As an exit status. */
static int
forbidden_acts_in_stage(size_t stage, int found)
{
	return found == 0 ? 0 : (int)stage * STAGE_ACTS + found;
}

static int
forbidden_acts_find(const struct sandbox_filter *const *filters, size_t n_filters)
{
	int found = outside_acts_find();

	for (size_t i = 0; found == 0 && i < n_filters; i++)
		found = forbidden_acts_in_stage(i + 1, forbidden_acts_find_in_filter(filters[i]));
	return found;
}

static const char *
forbidden_acts_words(size_t stage, int act)
{
	if (stage == 0)
		return outside_acts_words(act);
	return act >= 1 && (size_t)act <= N_ACTS ? act_table[act - 1].words : NULL;
}

static int
forbidden_acts_judge(int status, size_t n_filters, struct forbidden_acts_finding *ret_finding)
{
	const char *words;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	*ret_finding = (struct forbidden_acts_finding){ 0 };
	if (!WIFEXITED(status) || (size_t)WEXITSTATUS(status) / STAGE_ACTS > n_filters)
		return -EIO;
	ret_finding->stage = (size_t)WEXITSTATUS(status) / STAGE_ACTS;
	words = forbidden_acts_words(ret_finding->stage, WEXITSTATUS(status) % STAGE_ACTS);
	if (!words)
		return -EIO;
	snprintf(ret_finding->act, sizeof(ret_finding->act), "%s", words);
	return -EPERM;
}

/* In the child nothing of the C library's own ending. */
int
forbidden_acts_begin(const struct sandbox_filter *const *filters, size_t n_filters,
		     struct forbidden_acts_trial *ret_trial)
{
	pid_t pid;

	if (n_filters > FORBIDDEN_ACTS_MAX_FILTERS)
		return -EINVAL;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(forbidden_acts_find(filters, n_filters));
	*ret_trial = (struct forbidden_acts_trial){ .pid = pid, .n_filters = n_filters };
	return 0;
}

int
forbidden_acts_finish(const struct forbidden_acts_trial *trial,
		      struct forbidden_acts_finding *ret_finding)
{
	int status;
	int error = forbidden_acts_wait(trial->pid, &status);

	if (error < 0)
		*ret_finding = (struct forbidden_acts_finding){ 0 };
	return error < 0 ? error : forbidden_acts_judge(status, trial->n_filters, ret_finding);
}

static int
forbidden_acts_finish_act(const struct forbidden_acts_trial *trial,
			  char ret_act[FORBIDDEN_ACTS_WORDS])
{
	struct forbidden_acts_finding finding;
	int error = forbidden_acts_finish(trial, &finding);

	if (error == -EPERM)
		memcpy(ret_act, finding.act, sizeof(finding.act));
	return error;
}

int
forbidden_acts_try_outside(char ret_act[FORBIDDEN_ACTS_WORDS])
{
	struct forbidden_acts_trial trial;
	int error = forbidden_acts_begin(NULL, 0, &trial);

	return error < 0 ? error : forbidden_acts_finish_act(&trial, ret_act);
}

int
forbidden_acts_try_service(int (*refuse)(const char *const *extra, size_t n_extra),
			   const char *const *extra, size_t n_extra,
			   char ret_act[FORBIDDEN_ACTS_WORDS])
{
	struct forbidden_acts_trial trial = { .pid = fork(), .n_filters = 1 };

	if (trial.pid < 0)
		return -errno;
	if (trial.pid == 0)
		_exit(forbidden_acts_in_stage(1, refuse(extra, n_extra) < 0
							 ? STAGE_FAILED
							 : forbidden_acts_find_refused(true)));
	return forbidden_acts_finish_act(&trial, ret_act);
}
