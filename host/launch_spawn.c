/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_spawn.c - start, end and bury processes (carrel-launch)
 *
 * How it works: launch_spawn_handle() refuses first (launch_spawn_check(), the role's own check), then
 * launch_spawn_open() opens what the child needs, launch_spawn_start() forks and lets it through its gate once it is
 * recorded, and waits for the report pipe: closed by execve(2), or naming the step that failed.
 */
#include "host/launch_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "host/launch_child.h"
#include "host/launch_role.h"
#include "host/launch_stage.h"
#include "host/launch_state.h"
#include "host/launch_uids.h"

#define LOG_MAX_BYTES	(8 * 1024 * 1024)
#define LAUNCH_FIRST_FD 3
#define LAUNCH_LAST_FD	63
#define SPAWN_PATH_SIZE 320
#define START_MS	5000 /* a child from its gate to its program; launch does nothing else meanwhile */

#define SPAWN_MAX_ENVIRONMENT 4

struct launch_spawn_request {
	const struct launch_spawn *wish;
	const struct launch_role_rule *rule;
	struct launch_unit *unit;
	char program[SPAWN_PATH_SIZE];
	char *argv[LAUNCH_MAX_ARGS + 2];
	char libexec[SPAWN_PATH_SIZE];
	char *environment[SPAWN_MAX_ENVIRONMENT + 1];
	struct launch_child_plan plan;
};

static int
launch_spawn_check_fds(const struct launch_spawn *wish, size_t n_fds)
{
	uint64_t seen = 0;

	if (wish->n_fds != n_fds || wish->n_fds > LAUNCH_MAX_FDS)
		return -EINVAL;
	for (size_t i = 0; i < wish->n_fds; i++) {
		int target = wish->fd_targets[i];

		if (target < LAUNCH_FIRST_FD || target > LAUNCH_LAST_FD ||
		    (seen & (UINT64_C(1) << target)))
			return -EINVAL;
		seen |= UINT64_C(1) << target;
	}
	return 0;
}

static int
launch_spawn_check(struct launch *launch, struct launch_spawn_request *request,
		   struct seq_message *message)
{
	const struct launch_spawn *wish = request->wish;
	char *text = (char *)message->payload + sizeof(*wish);
	char why[160];

	request->rule = launch_role_find(wish->role);
	if (!request->rule)
		return launch_state_refuse(launch, -EINVAL, "role %" PRIu32 " is unknown",
					   wish->role);
	if (!seq_text_ok(wish->name, sizeof(wish->name)) ||
	    !id_valid(request->rule->kind, wish->name))
		return launch_state_refuse(launch, -EINVAL, "the name is no id of a %s for role %s",
					   request->rule->kind == ID_KIND_JOB ? "job" : "desktop",
					   request->rule->name);
	if (wish->argc > LAUNCH_MAX_ARGS || wish->argv_bytes > LAUNCH_MAX_ARGV_BYTES ||
	    message->head.size != sizeof(*wish) + wish->argv_bytes ||
	    launch_role_split_argv(text, wish->argv_bytes, wish->argc, request->argv + 1) < 0)
		return launch_state_refuse(launch, -EINVAL,
					   "argc and argv_bytes do not fit the arguments sent");
	if (launch_spawn_check_fds(wish, message->n_fds) < 0)
		return launch_state_refuse(launch, -EINVAL,
					   "%zu descriptors came for %" PRIu32
					   " targets, which must be different numbers from 3 to 63",
					   message->n_fds, wish->n_fds);
	if (request->rule->check &&
	    request->rule->check(request->argv + 1, wish->argc, why, sizeof(why)) < 0)
		return launch_state_refuse(launch, -EPERM, "%s", why);
	if (launch_role_program(&launch->options, wish->role, request->program,
				sizeof(request->program)) < 0)
		return launch_state_refuse(launch, -ENAMETOOLONG, "the program's path is too long");
	return 0;
}

static int
launch_spawn_find_unit(struct launch *launch, struct launch_spawn_request *request)
{
	const struct launch_spawn *wish = request->wish;
	struct launch_unit *unit;
	int error = 0;

	if (request->rule->kind == ID_KIND_JOB)
		error = launch_stage_open(launch, wish->name,
					  request->rule->uid == LAUNCH_ROLE_UID_BUILD);
	if (error < 0)
		return error;
	unit = launch_state_find(launch, wish->name);
	if (!unit)
		return launch_state_refuse(launch, -ENOENT, "'%s' is unknown: make it first",
					   wish->name);
	if (request->rule->kind == ID_KIND_DESKTOP && unit->generation != wish->generation)
		return launch_state_refuse(launch, -ESTALE,
					   "'%s' has generation %" PRIu64 ", not %" PRIu64,
					   wish->name, unit->generation, wish->generation);
	if (unit->children[wish->role].pid > 0)
		return launch_state_refuse(
			launch, -EEXIST, "'%s' has a %s already, pid %d: end it first", wish->name,
			request->rule->name, unit->children[wish->role].pid);
	request->unit = unit;
	return 0;
}

/* The log's folder is hostd's: what lies there is opened only if it is a plain file with one name. */
static int
launch_spawn_open_log(struct launch *launch, const struct launch_spawn_request *request,
		      int *ret_fd)
{
	char folder[SPAWN_PATH_SIZE];
	char name[ID_SIZE + 16];
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_CLOSE int at = -1;
	struct stat status;
	char old[ID_SIZE + 24];

	if (request->rule->kind == ID_KIND_JOB) {
		snprintf(folder, sizeof(folder), "%s/jobs", launch->options.lib);
		snprintf(name, sizeof(name), "%s.log", request->unit->name);
	} else {
		launch_state_lib_path(launch, request->unit->name, folder, sizeof(folder));
		snprintf(name, sizeof(name), "%s.log", request->rule->name);
	}
	at = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return -errno;
	snprintf(old, sizeof(old), "%s.old", name);
	if (fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    status.st_size > LOG_MAX_BYTES && renameat(at, name, at, old) < 0)
		return -errno;
	fd = openat(at, name,
		    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		    0640);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_nlink != 1)
		return -EPERM;
	if (fchown(fd, 0, launch->options.hostd_gid) < 0 || fchmod(fd, 0640) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static void
launch_spawn_plan_uids(const struct launch *launch, struct launch_spawn_request *request)
{
	struct launch_child_plan *plan = &request->plan;

	if (request->rule->uid == LAUNCH_ROLE_UID_BUILD)
		plan->kind = LAUNCH_CHILD_BUILD;
	else if (request->rule->namespaces & CLONE_NEWUSER)
		plan->kind = LAUNCH_CHILD_CONTAINED;
	plan->uid = request->unit->uids[request->rule->uid == LAUNCH_ROLE_UID_SECOND];
	/* Templates and images are readable for this group: a worker reads them, a desktop gets descriptors. */
	plan->gid = request->rule->kind == ID_KIND_JOB ? launch_options_job_gid(&launch->options)
						       : plan->uid;
}

static int
launch_spawn_write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];
	CLEANUP_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return io_write_full(fd, text, strlen(text));
}

/*
 * Which ids there are in the child's user namespace. A build has a root and users. One that is contained has its own, by which others know
 * it, and hostd's, whom it knows by that (SO_PEERCRED); it cannot take that, and nobody there is root.
 */
static int
launch_spawn_write_maps(const struct launch *launch, const struct launch_child_plan *plan,
			pid_t pid)
{
	uint32_t first = launch_options_build_uid(&launch->options);
	char uids[64];
	char gids[64];
	int error;

	if (plan->kind == LAUNCH_CHILD_PLAIN)
		return 0;
	if (plan->kind == LAUNCH_CHILD_BUILD) {
		snprintf(uids, sizeof(uids), "0 %" PRIu32 " %d\n", first, LAUNCH_BUILD_UIDS);
		snprintf(gids, sizeof(gids), "%s", uids);
	} else {
		snprintf(uids, sizeof(uids),
			 "%" PRIu32 " %" PRIu32 " 1\n%" PRIu32 " %" PRIu32 " 1\n", plan->uid,
			 plan->uid, launch->options.hostd_uid, launch->options.hostd_uid);
		snprintf(gids, sizeof(gids), "%" PRIu32 " %" PRIu32 " 1\n", plan->gid, plan->gid);
	}
	error = launch_spawn_write_map(pid, "uid_map", uids);
	return error < 0 ? error : launch_spawn_write_map(pid, "gid_map", gids);
}

/* -ECANCELED: said already. */
static int
launch_spawn_refuse_unfenced(struct launch *launch, const struct launch_spawn_request *request,
			     int error)
{
	launch_state_refuse(
		launch, error,
		"%s of '%s' could reach this host's own services: the kernel keeps it outside only "
		"with cgroup v2 and BPF (%s)",
		request->rule->name, request->unit->name, strerror(-error));
	return -ECANCELED;
}

/* What must be true before the child goes on: its record, maps and cgroup. */
static int
launch_spawn_prepare(struct launch *launch, struct launch_spawn_request *request, pid_t pid)
{
	struct launch_child *child = &request->unit->children[request->wish->role];
	int error = io_pidfd_open(pid, &child->pidfd);

	child->pid = pid;
	if (error == 0)
		error = io_process_start(pid, &child->start_ticks);
	if (error == 0)
		error = launch_state_save(launch, request->unit);
	if (error == 0)
		error = launch_spawn_write_maps(launch, &request->plan, pid);
	if (error == 0 && request->rule->outward_only) {
		error = launch_cgroup_fence(&launch->cgroup, request->unit->name,
					    request->rule->name);
		if (error < 0)
			return launch_spawn_refuse_unfenced(launch, request, error);
	}
	if (error == 0)
		error = launch_cgroup_enter(&launch->cgroup, request->unit->name,
					    request->rule->name, pid,
					    request->wish->memory_max_bytes);
	return error;
}

static void
launch_spawn_forget(struct launch *launch, struct launch_unit *unit, uint32_t role)
{
	struct launch_child *child = &unit->children[role];

	if (child->pidfd >= 0)
		close(child->pidfd);
	*child = (struct launch_child){ 0, 0, -1 };
	launch_state_save(launch, unit);
}

/* 1: the child reports a failure; 0: it runs the program; -ETIMEDOUT: neither, somebody has stopped it. */
static int
launch_spawn_await(int report, struct launch_child_failure *ret_failure)
{
	struct pollfd end = { .fd = report, .events = POLLIN };
	int n;

	do {
		n = poll(&end, 1, START_MS);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	return io_read_full(report, ret_failure, sizeof(*ret_failure)) == 0 ? 1 : 0;
}

/* Lets the child through its gate and waits until it runs the program or has failed. */
static int
launch_spawn_release(struct launch *launch, struct launch_spawn_request *request, pid_t pid,
		     int gate, int report)
{
	struct launch_child_failure failure = { 0, 0 };
	int error = launch_spawn_prepare(launch, request, pid);

	if (error < 0 && error != -ECANCELED)
		launch_state_refuse(launch, error, "%s of '%s' cannot be prepared: %s",
				    request->rule->name, request->unit->name, strerror(-error));
	else if (error == 0)
		error = io_write_full(gate, "g", 1);
	if (error == 0) {
		error = launch_spawn_await(report, &failure);
		if (error < 0)
			launch_state_refuse(launch, error, "%s of '%s' does not start: %s",
					    request->rule->name, request->unit->name,
					    strerror(-error));
	}
	if (error == 1) {
		error = failure.error < 0 ? failure.error : -EIO;
		launch_state_refuse(
			launch, error, "%s '%s': %s: %s%s", request->rule->name, request->program,
			launch_child_step_name(failure.step), strerror(-error),
			error == -ENOENT ? "; install it, or name its path to carrel-launch" : "");
	}
	if (error < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		launch_spawn_forget(launch, request->unit, request->wish->role);
	}
	return error;
}

static void
launch_spawn_refuse_clone(struct launch *launch, const struct launch_spawn_request *request,
			  int error)
{
	bool own = request->rule->namespaces & CLONE_NEWUSER;

	/* clone(2): ENOSPC for too many or none at all, EINVAL for a kernel without them, EPERM in a chroot */
	if (own && (error == -ENOSPC || error == -EINVAL || error == -EPERM))
		launch_state_refuse(
			launch, error,
			"%s of '%s' must have a user namespace of its own, and this host forbids it (%s): "
			"sysctl user.max_user_namespaces says how many there may be",
			request->rule->name, request->unit->name, strerror(-error));
	else
		launch_state_refuse(launch, error, "%s of '%s': no new process: %s",
				    request->rule->name, request->unit->name, strerror(-error));
}

static int
launch_spawn_start(struct launch *launch, struct launch_spawn_request *request)
{
	unsigned long flags = SIGCHLD | request->rule->namespaces;
	int gate[2];
	int report[2];
	pid_t pid;
	int error;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(report, O_CLOEXEC) < 0) {
		error = -errno;
		close(gate[0]);
		close(gate[1]);
		return error;
	}
	request->plan.gate = gate[0];
	request->plan.failure = report[1];
	pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		close(gate[1]);
		close(report[0]);
		launch_child_run(&request->plan);
	}
	error = pid < 0 ? -errno : 0;
	close(gate[0]);
	close(report[1]);
	if (error == 0)
		error = launch_spawn_release(launch, request, pid, gate[1], report[0]);
	else
		launch_spawn_refuse_clone(launch, request, error);
	close(gate[1]);
	close(report[0]);
	return error;
}

/* Nothing of launch's own is handed on. Workers look for programs of the same build as launch. */
static void
launch_spawn_set_environment(const struct launch *launch, struct launch_spawn_request *request)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char language[] = "LANG=C.UTF-8";
	static char debug[] = "CARREL_DEBUG=1";
	size_t n = 0;

	request->environment[n++] = path;
	request->environment[n++] = language;
	if (getenv("CARREL_DEBUG"))
		request->environment[n++] = debug;
	if (request->rule->kind == ID_KIND_JOB) {
		snprintf(request->libexec, sizeof(request->libexec), "CARREL_LIBEXEC_DIR=%s",
			 launch->options.libexec);
		request->environment[n++] = request->libexec;
	}
	request->plan.environment = request->environment;
}

int
launch_spawn_handle(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	struct launch_spawn_request request = { .wish = (const void *)message->payload };
	CLEANUP_CLOSE int log = -1;
	CLEANUP_CLOSE int null = -1;
	struct launch_child *child;
	int error = launch_spawn_check(launch, &request, message);

	if (error == 0)
		error = launch_spawn_find_unit(launch, &request);
	if (error < 0)
		return error;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	error = null < 0 ? -errno : launch_spawn_open_log(launch, &request, &log);
	if (error < 0)
		return launch_state_refuse(launch, error, "the log of '%s' cannot be opened: %s",
					   request.unit->name, strerror(-error));
	request.argv[0] = request.program;
	request.plan.program = request.program;
	request.plan.argv = request.argv;
	launch_spawn_set_environment(launch, &request);
	request.plan.log = log;
	request.plan.null = null;
	request.plan.n_fds = message->n_fds;
	memcpy(request.plan.fds, message->fds, message->n_fds * sizeof(int));
	memcpy(request.plan.targets, request.wish->fd_targets, message->n_fds * sizeof(int));
	launch_spawn_plan_uids(launch, &request);
	error = launch_spawn_start(launch, &request);
	if (error < 0)
		return error;
	child = &request.unit->children[request.wish->role];
	launch->payload.spawned = (struct launch_spawned){ child->pid, child->start_ticks };
	launch->answer = (struct launch_answer){ .payload = &launch->payload.spawned,
						 .size = sizeof(launch->payload.spawned),
						 .fds = { child->pidfd },
						 .n_fds = 1 };
	log_info("started name=%s role=%s pid=%d", request.unit->name, request.rule->name,
		 child->pid);
	return 0;
}

static void
launch_spawn_kill_role(struct launch *launch, struct launch_unit *unit, uint32_t role)
{
	const struct launch_role_rule *rule = launch_role_find(role);

	/* The cgroup first: it ends the children of a worker, too. */
	launch_cgroup_kill(&launch->cgroup, unit->name, rule->name);
	if (unit->children[role].pidfd >= 0)
		io_pidfd_kill(unit->children[role].pidfd, SIGKILL);
}

/* What a killed process leaves behind, where there is no cgroup. A build's uid is that of all builds: its pid namespace ends them. */
static void
launch_spawn_kill_uids(const struct launch *launch, const struct launch_unit *unit)
{
	for (size_t i = 0; i < 2; i++)
		if (unit->uids[i] && unit->uids[i] != launch_options_build_uid(&launch->options))
			launch_uids_kill(unit->uids[i]);
}

int
launch_spawn_handle_kill(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	const struct launch_kill *wish = (const void *)message->payload;
	struct launch_unit *unit;

	if (!seq_text_ok(wish->name, sizeof(wish->name)) || wish->role > LAUNCH_ROLE_COUNT)
		return launch_state_refuse(launch, -EINVAL, "no name or role that can be ended");
	unit = launch_state_find(launch, wish->name);
	if (!unit)
		return launch_state_refuse(launch, -ENOENT, "'%s' is unknown: nothing of it runs",
					   wish->name);
	for (uint32_t role = 0; role < LAUNCH_ROLE_COUNT; role++)
		if ((wish->role == role || wish->role == LAUNCH_ROLE_COUNT) &&
		    launch_role_find(role)->kind ==
			    (unit->name[0] == 'j' ? ID_KIND_JOB : ID_KIND_DESKTOP))
			launch_spawn_kill_role(launch, unit, role);
	if (wish->role == LAUNCH_ROLE_COUNT ||
	    (wish->role == LAUNCH_ROLE_WORKER && id_valid(ID_KIND_JOB, unit->name)))
		launch_spawn_kill_uids(launch, unit);
	return 0;
}

void
launch_spawn_reap(struct launch *launch, struct launch_unit *unit, uint32_t role,
		  struct launch_exited *ret_exited)
{
	struct launch_child *child = &unit->children[role];
	int wait_status;

	/* One that was adopted is no child of ours: how it ended is then not known. */
	if (waitpid(child->pid, &wait_status, WNOHANG) != child->pid)
		wait_status = -1;
	memset(ret_exited, 0, sizeof(*ret_exited));
	memcpy(ret_exited->name, unit->name, sizeof(ret_exited->name));
	ret_exited->role = role;
	ret_exited->pid = child->pid;
	ret_exited->wait_status = wait_status;
	log_info("ended name=%s role=%s pid=%d status=%d", unit->name, launch_role_find(role)->name,
		 child->pid, wait_status);
	launch_spawn_forget(launch, unit, role);
}
