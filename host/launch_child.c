/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_child.c - what happens between fork(2) and execve(2) (carrel-launch's child)
 *
 * How it works: launch_child_run() goes through step_table in order. It first waits at the gate: launch has then
 * written the record, the cgroup and the id maps, and if launch died before that, the child ends with it. What fails
 * is reported through a close-on-exec pipe, so that launch knows which step it was, or that the program runs.
 */
#include "host/launch_child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/sandbox.h"

#define FIRST_HIGH_FD	128 /* above all targets (3..63) */
#define CHILD_MAX_FILES 1024

static int
launch_child_pass_gate(const struct launch_child_plan *plan)
{
	char byte;

	return io_read_full(plan->gate, &byte, 1);
}

static int
launch_child_reset_signals(const struct launch_child_plan *plan)
{
	sigset_t none;

	(void)plan;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setsid() < 0)
		return -errno;
	return 0;
}

/*
 * A source may have the number of another's target: so all are first copied above every target, then everything is
 * marked close-on-exec, then the copies are put where they belong, which takes the mark off these.
 */
static int
launch_child_place_fds(const struct launch_child_plan *plan)
{
	int high[LAUNCH_MAX_FDS + 3];
	int target[LAUNCH_MAX_FDS + 3] = { 0, 1, 2 };
	int source[LAUNCH_MAX_FDS + 3] = { plan->null, plan->log, plan->log };
	size_t count = plan->n_fds + 3;

	for (size_t i = 0; i < plan->n_fds; i++) {
		source[i + 3] = plan->fds[i];
		target[i + 3] = plan->targets[i];
	}
	for (size_t i = 0; i < count; i++) {
		high[i] = fcntl(source[i], F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
		if (high[i] < 0)
			return -errno;
	}
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < count; i++)
		if (dup2(high[i], target[i]) < 0)
			return -errno;
	return 0;
}

static int
launch_child_set_limits(const struct launch_child_plan *plan)
{
	static const struct rlimit no_core = { 0, 0 };
	static const struct rlimit files = { CHILD_MAX_FILES, CHILD_MAX_FILES };

	(void)plan;
	umask(077);
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    chdir("/") < 0)
		return -errno;
	return 0;
}

/* A namespace in which it could have all capabilities again would let it at parts of the kernel that nobody else reaches. */
static int
launch_child_forbid_namespaces(void)
{
	CLEANUP_CLOSE int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : io_write_full(fd, "0", 1);
}

/* The pid namespace wants a /proc of its own. */
static int
launch_child_mount_proc(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

static int
launch_child_settle(const struct launch_child_plan *plan)
{
	if (plan->kind == LAUNCH_CHILD_CONTAINED)
		return launch_child_forbid_namespaces();
	return plan->kind == LAUNCH_CHILD_BUILD ? launch_child_mount_proc() : 0;
}

static int
launch_child_become(const struct launch_child_plan *plan)
{
	if (plan->kind == LAUNCH_CHILD_PLAIN)
		return sandbox_become(plan->uid, plan->gid);
	/* mount(2) and pivot_root(2), once the dynamic loader needs no file any more: base/contain.h */
	if (plan->kind == LAUNCH_CHILD_CONTAINED)
		return sandbox_become_keeping(plan->uid, plan->gid, CAP_SYS_ADMIN);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int
launch_child_exec(const struct launch_child_plan *plan)
{
	execve(plan->program, plan->argv, plan->environment);
	return -errno;
}

static const struct {
	const char *name;
	int (*act)(const struct launch_child_plan *plan);
} step_table[] = {
	[LAUNCH_CHILD_GATE] = { "waiting for its record", launch_child_pass_gate },
	[LAUNCH_CHILD_SIGNALS] = { "a session of its own", launch_child_reset_signals },
	[LAUNCH_CHILD_DESCRIPTORS] = { "placing descriptors", launch_child_place_fds },
	[LAUNCH_CHILD_LIMITS] = { "setting limits", launch_child_set_limits },
	[LAUNCH_CHILD_NAMESPACES] = { "setting up its namespaces", launch_child_settle },
	[LAUNCH_CHILD_IDENTITY] = { "changing its uid", launch_child_become },
	[LAUNCH_CHILD_EXEC] = { "starting the program", launch_child_exec },
};
static_assert(sizeof(step_table) / sizeof(step_table[0]) == LAUNCH_CHILD_STEP_COUNT,
	      "an act a step");

/* Root of the user namespace, before anything that needs its rights. */
static int
launch_child_become_build_root(const struct launch_child_plan *plan)
{
	if (plan->kind != LAUNCH_CHILD_BUILD)
		return 0;
	return setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0 ? -errno
											  : 0;
}

void
launch_child_run(const struct launch_child_plan *plan)
{
	/* The report pipe may have a target's number, too. */
	int failure = fcntl(plan->failure, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
	struct launch_child_failure report = { 0, 0 };

	for (int step = 0; step < LAUNCH_CHILD_STEP_COUNT && report.error == 0; step++) {
		report.step = step;
		report.error = step_table[step].act(plan);
		if (report.error == 0 && step == LAUNCH_CHILD_GATE)
			report.error = launch_child_become_build_root(plan);
	}
	io_write_full(failure, &report, sizeof(report));
	_exit(127);
}

const char *
launch_child_step_name(int32_t step)
{
	return step >= 0 && step < LAUNCH_CHILD_STEP_COUNT ? step_table[step].name : "unknown step";
}
