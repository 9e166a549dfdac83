/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forbidden_acts.c - the start-up self-test of the system call filters (carrel-vmm, before the guest starts)
 *
 * How it works: the real filters kill at the first such act, so a child tries them under filters that are compiled from the same
 * rules but refuse with an errno of their own. Only that errno counts: what fails for another reason was let through. All
 * arguments are such that an act that is let through does no harm to the child's parent. The child's exit status is the
 * number of the first act that was let through, counted from 1.
 */
#include "vmm/forbidden_acts.h"

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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox_filter.h"

#define NOWHERE	      "/nowhere"
#define NO_PROCESS    0x7ffffff0 /* above any pid */
#define CHILD_FAILED  255
#define LINUX_TIOCSTI 0x5412 /* types into a terminal: asm-generic/ioctls.h */

struct forbidden_act {
	const char *words;
	long call;
	long arguments[6];
};

static const struct forbidden_act act_table[] = {
	{ "open a file", SYS_openat, { AT_FDCWD, 0, O_RDONLY } },
	{ "open a file (open)", SYS_open, { 0, O_RDONLY } },
	{ "make a file", SYS_creat, { 0, 0600 } },
	{ "remove a file", SYS_unlinkat, { AT_FDCWD, 0, 0 } },
	{ "rename a file", SYS_renameat2, { AT_FDCWD, 0, AT_FDCWD, 0, 0 } },
	{ "change a file's mode", SYS_fchmod, { -1, 0777 } },
	{ "make a socket", SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "connect", SYS_connect, { -1, 0, 0 } },
	{ "listen at a new address", SYS_bind, { -1, 0, 0 } },
	{ "run a program", SYS_execve, { 0, 0, 0 } },
	{ "run a program (execveat)", SYS_execveat, { -1, 0, 0, 0, 0 } },
	{ "make a process", SYS_clone, { SIGCHLD, 0, 0, 0, 0 } },
	{ "make a process (clone3)", SYS_clone3, { 0, 0 } },
	{ "make a process (fork)", SYS_fork, { 0 } },
	{ "trace a process", SYS_ptrace, { PTRACE_ATTACH, NO_PROCESS, 0, 0 } },
	{ "write into a process", SYS_process_vm_writev, { NO_PROCESS, 0, 0, 0, 0, 0 } },
	{ "kill a process", SYS_kill, { NO_PROCESS, 0 } },
	{ "send a thread of another process a signal", SYS_tgkill, { NO_PROCESS, NO_PROCESS, 0 } },
	{ "become another user", SYS_setuid, { 0 } },
	{ "take capabilities", SYS_capset, { 0, 0 } },
	{ "mount", SYS_mount, { 0, 0, 0, 0, 0 } },
	{ "change the root", SYS_pivot_root, { 0, 0 } },
	{ "make namespaces", SYS_unshare, { CLONE_NEWUSER } },
	{ "enter namespaces", SYS_setns, { -1, 0 } },
	{ "make memory executable", SYS_mprotect, { 0, 0, PROT_READ | PROT_EXEC } },
	{ "map executable memory",
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "make an io_uring", SYS_io_uring_setup, { 1, 0 } },
	{ "lift an io_uring's restrictions", SYS_io_uring_register, { -1, 0, 0, 0 } },
	{ "load a BPF program", SYS_bpf, { BPF_PROG_LOAD, 0, 0 } },
	{ "handle its own page faults", SYS_userfaultfd, { 0 } },
	{ "count the processor's events", SYS_perf_event_open, { 0, 0, -1, -1, 0 } },
	{ "read keys", SYS_keyctl, { 0, 0, 0, 0, 0 } },
	{ "load a kernel module", SYS_finit_module, { -1, 0, 0 } },
	{ "change what it is by prctl", SYS_prctl, { PR_SET_DUMPABLE, 1, 0, 0, 0 } },
	{ "type into a terminal", SYS_ioctl, { -1, LINUX_TIOCSTI, 0 } },
	{ "have a descriptor send signals", SYS_fcntl, { -1, F_SETOWN, 0 } },
};

static_assert(sizeof(act_table) / sizeof(act_table[0]) < CHILD_FAILED, "an exit status each");

static bool
forbidden_act_is_refused(const struct forbidden_act *act)
{
	const long *a = act->arguments;

	errno = 0;
	return syscall(act->call, a[0], a[1], a[2], a[3], a[4], a[5]) == -1 &&
	       errno == SANDBOX_FILTER_REFUSED;
}

/* In the child: nothing of the C library's own ending. */
static void __attribute__((noreturn)) forbidden_acts_run(const struct sandbox_filter *filter)
{
	int status = sandbox_filter_enter(filter) < 0 ? CHILD_FAILED : 0;

	for (size_t i = 0; status == 0 && i < sizeof(act_table) / sizeof(act_table[0]); i++)
		if (!forbidden_act_is_refused(&act_table[i]))
			status = (int)i + 1;
	_exit(status);
}

static int
forbidden_acts_judge(int status, char ret_act[FORBIDDEN_ACTS_WORDS])
{
	size_t act = (size_t)WEXITSTATUS(status);

	if (!WIFEXITED(status) || act > sizeof(act_table) / sizeof(act_table[0]))
		return -EIO;
	if (act == 0)
		return 0;
	snprintf(ret_act, FORBIDDEN_ACTS_WORDS, "%s", act_table[act - 1].words);
	return -EPERM;
}

int
forbidden_acts_try(const struct sandbox_rule *rules, size_t n_rules,
		   char ret_act[FORBIDDEN_ACTS_WORDS])
{
	struct sandbox_filter *filter;
	int error = sandbox_filter_new(rules, n_rules, SANDBOX_FILTER_REFUSE, &filter);
	int status;
	pid_t pid;

	if (error < 0)
		return error;
	pid = fork();
	if (pid == 0)
		forbidden_acts_run(filter);
	error = pid < 0 ? -errno : 0;
	sandbox_filter_free(filter);
	if (error < 0)
		return error;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return forbidden_acts_judge(status, ret_act);
}
