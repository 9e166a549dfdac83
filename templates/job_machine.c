/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_machine.c - one machine for a job (carrel-worker)
 *
 * How it works: a worker is in its sandbox already, so job_machine_spawn() starts the machine's program itself, as its
 * own child that dies with it. The sockets lie in a folder of the job; they are bound and dialled through
 * /proc/self/fd/<folder>, because the real path may be longer than a socket's address can be (unix(7)). What the program
 * prints goes to a log in that folder, for job_machine_get_words(), and from there to the job's log.
 */
#include "templates/job_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "host/engine_list.h"
#include "host/process_log.h"
#include "templates/job_contain.h"
#include "templates/job_files.h"

#define FIRST_HIGH_FD  128 /* above all targets (3..63) */
#define EXIT_NO_EXEC   127
#define MAX_LOG_BYTES  (64 * 1024) /* of a machine, in the job's log */
#define LOG_PART_BYTES 4096

struct job_machine {
	const struct engine_ops *ops;
	struct engine_vm *vm;
	struct engine_spawner spawner;
	struct engine_place place;
	char *parent;
	char *folder; /* <parent>/machine */
	int handle;   /* O_PATH of the folder */
	int log;      /* <folder>/<process>.log */
	pid_t pid;    /* 0: none */
};

/* What the child needs between fork and exec, where it may allocate nothing. */
struct job_machine_child {
	const char *program;
	char *const *argv;
	const int *fds;
	const int *targets;
	gsize n_fds;
	int report; /* gets the errno when the program cannot be started */
	int log;
	bool contained;
	uid_t uid; /* of this process */
	gid_t gid;
};

/* NULL: a job has none. */
static const char *const socket_names[LAUNCH_SOCKET_COUNT] = {
	[LAUNCH_SOCKET_CONTROL] = "control", [LAUNCH_SOCKET_AGENT] = "agent",
	[LAUNCH_SOCKET_VDAGENT] = "vdagent", [LAUNCH_SOCKET_DISPLAY] = "display",
	[LAUNCH_SOCKET_WATCH] = NULL,	     [LAUNCH_SOCKET_VMM] = "vmm",
};

const struct engine_ops *
job_machine_find_engine(const char *name, int kvm, char **ret_accelerator, GError **error)
{
	const struct engine_ops *ops = engine_list_find(name);
	json_t *probe;

	if (!ops) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "there is no engine '%s' for jobs", name);
		return NULL;
	}
	probe = ops->probe(kvm);
	if (json_get_flag(probe, "usable", 0)) {
		*ret_accelerator = g_strdup(json_get_text(probe, "accelerator", ""));
	} else {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			    "engine '%s' cannot run here: %s", name,
			    json_get_text(probe, "reason", ""));
		ops = NULL;
	}
	json_decref(probe);
	return ops;
}

/* Nobody would read the report: the parent ended before its end could be noticed. */
static bool
job_machine_is_orphan(int report)
{
	struct pollfd pipe = { .fd = report };

	return poll(&pipe, 1, 0) > 0 && (pipe.revents & POLLERR);
}

/* An errno; on success it does not return. As in carrel-launch: first all copies up, then each to its place. */
static int
job_machine_exec(const struct job_machine_child *child)
{
	int high[LAUNCH_MAX_FDS];
	int report = fcntl(child->report, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || job_machine_is_orphan(report))
		return ESRCH;
	if (child->contained) {
		int error = job_contain_settle(child->uid, child->gid);

		if (error < 0)
			return -error;
	}
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (dup2(child->log, STDOUT_FILENO) < 0 || dup2(child->log, STDERR_FILENO) < 0)
		return errno;
	for (gsize i = 0; i < child->n_fds; i++) {
		high[i] = fcntl(child->fds[i], F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
		if (high[i] < 0)
			return errno;
	}
	if (report < 0 || syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return errno;
	for (gsize i = 0; i < child->n_fds; i++)
		if (dup2(high[i], child->targets[i]) < 0)
			return errno;
	execv(child->program, child->argv);
	return errno;
}

static int
job_machine_fork(const struct job_machine_child *child, pid_t *ret_pid)
{
	struct job_machine_child here = *child;
	int report[2];
	int code = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	here.report = fcntl(report[1], F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
	close(report[1]);
	pid = here.report < 0 ? -1 : here.contained ? job_contain_fork() : fork();
	if (pid == 0) {
		close(report[0]);
		code = job_machine_exec(&here);
		if (write(here.report, &code, sizeof(code)) < 0)
			_exit(EXIT_NO_EXEC);
		_exit(EXIT_NO_EXEC);
	}
	if (here.report >= 0)
		close(here.report);
	if (pid < 0)
		code = errno;
	else if (io_read_full(report[0], &code, sizeof(code)) == 0)
		waitpid(pid, NULL, 0);
	close(report[0]);
	*ret_pid = pid;
	return code;
}

/* As launch does: QEMU from the system, ours from where this program is. NULL: not installed. */
static char *
job_machine_find_program(enum launch_role role)
{
	const char *folder = g_getenv("CARREL_LIBEXEC_DIR");

	if (role == LAUNCH_ROLE_QEMU)
		return g_find_program_in_path("qemu-system-x86_64");
	return g_build_filename(folder ? folder : CARREL_LIBEXECDIR, "carrel-vmm", NULL);
}

static void
job_machine_spawn(void *context, const char *name, guint64 generation, enum launch_role role,
		  const char *const *argv, const int *fds, const int *targets, gsize n_fds,
		  guint64 memory_max_bytes, engine_spawned_callback callback, void *data)
{
	struct job_machine *machine = context;
	g_autofree char *program = job_machine_find_program(role);
	g_autoptr(GPtrArray) full = g_ptr_array_new();
	struct job_machine_child child = { .program = program,
					   .fds = fds,
					   .targets = targets,
					   .n_fds = n_fds,
					   .report = -1,
					   .log = machine->log,
					   .contained = role == LAUNCH_ROLE_VMM,
					   .uid = getuid(),
					   .gid = getgid() };
	int pidfd = -1;
	g_autoptr(GError) error = NULL;
	int code = ENOENT;

	(void)name, (void)generation, (void)memory_max_bytes;
	g_ptr_array_add(full, program);
	for (gsize i = 0; argv[i]; i++)
		g_ptr_array_add(full, (gpointer)(uintptr_t)argv[i]);
	g_ptr_array_add(full, NULL);
	child.argv = (char *const *)full->pdata;
	if (program && machine->pid == 0 && n_fds <= LAUNCH_MAX_FDS)
		code = job_machine_fork(&child, &machine->pid);
	if (code == 0)
		code = -io_pidfd_open(machine->pid, &pidfd);
	else
		machine->pid = 0;
	if (code == 0) {
		callback(data, pidfd, NULL);
		return;
	}
	error = g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(code), "cannot start '%s': %s%s",
			    machine->ops->process, g_strerror(code),
			    child.contained && (code == EPERM || code == ENOSPC)
				    ? "; it must have a user namespace of its own: sysctl "
				      "user.max_user_namespaces, kernel.unprivileged_userns_clone"
				    : "");
	callback(data, -1, error);
}

/* Its name is that of a desktop's. */
static int
job_machine_open_log(const struct job_machine *machine)
{
	g_autofree char *path =
		g_strconcat(machine->folder, "/", machine->ops->process, ".log", NULL);

	return open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
}

/* Where the last MAX_LOG_BYTES begin, at a line's start: what ended the machine stands last. */
static off_t
job_machine_find_log_part(int log)
{
	char part[LOG_PART_BYTES];
	struct stat about;
	const char *end;
	off_t at;
	ssize_t n;

	if (fstat(log, &about) < 0 || about.st_size <= MAX_LOG_BYTES)
		return 0;
	at = about.st_size - MAX_LOG_BYTES;
	n = pread(log, part, sizeof(part), at);
	end = n > 0 ? memchr(part, '\n', (size_t)n) : NULL;
	return end ? at + (end - part) + 1 : at;
}

/* This program's standard error is the job's log. */
static void
job_machine_keep_log(const struct job_machine *machine)
{
	const off_t begin = job_machine_find_log_part(machine->log);
	char part[LOG_PART_BYTES];
	ssize_t n;

	for (off_t at = begin; at < begin + MAX_LOG_BYTES; at += n) {
		n = pread(machine->log, part, sizeof(part), at);
		if (n <= 0 || io_write_full(STDERR_FILENO, part, (size_t)n) < 0)
			return;
	}
}

static gboolean
job_machine_listen(struct job_machine *machine, GError **error)
{
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		machine->place.sockets[i] = -1;
	for (gsize i = 0; i < G_N_ELEMENTS(socket_names); i++) {
		const int type = i == LAUNCH_SOCKET_DISPLAY || i == LAUNCH_SOCKET_VMM
					 ? SOCK_SEQPACKET
					 : SOCK_STREAM;
		g_autofree char *path = socket_names[i] ? g_build_filename(machine->place.folder,
									   socket_names[i], NULL)
							: NULL;
		int result =
			path ? io_unix_listen(path, type, 0600, &machine->place.sockets[i]) : 0;

		if (result == 0)
			continue;
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(-result),
			    "cannot listen in '%s': %s", machine->folder, g_strerror(-result));
		return FALSE;
	}
	return TRUE;
}

struct job_machine *
job_machine_new(const struct engine_ops *ops, const char *folder, int kvm,
		engine_event_callback callback, void *context, GError **error)
{
	struct job_machine *machine = g_new0(struct job_machine, 1);
	char id[ID_SIZE] = "";

	machine->ops = ops;
	machine->parent = g_strdup(folder);
	machine->folder = g_build_filename(folder, JOB_MACHINE_FOLDER, NULL);
	machine->spawner = (struct engine_spawner){ machine, job_machine_spawn };
	machine->place.spawner = &machine->spawner;
	machine->place.kvm = kvm;
	machine->handle = machine->log = -1;
	if (mkdir(machine->folder, 0700) == 0)
		machine->handle = open(machine->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (machine->handle >= 0)
		machine->log = job_machine_open_log(machine);
	if (machine->log < 0 || id_new(ID_KIND_DESKTOP, id) < 0) {
		g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(errno),
			    "cannot make '%s': %s", machine->folder, g_strerror(errno));
		for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
			machine->place.sockets[i] = -1;
		job_machine_free(machine);
		return NULL;
	}
	machine->place.folder = g_strdup_printf("/proc/self/fd/%d", machine->handle);
	if (!job_machine_listen(machine, error)) {
		job_machine_free(machine);
		return NULL;
	}
	machine->vm = ops->vm_new(id, 1, &machine->place, callback, context);
	return machine;
}

void
job_machine_free(struct job_machine *machine)
{
	if (!machine)
		return;
	if (machine->pid > 0) {
		kill(machine->pid, SIGKILL);
		waitpid(machine->pid, NULL, 0);
	}
	if (machine->vm)
		machine->ops->vm_free(machine->vm);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		if (machine->place.sockets[i] >= 0)
			close(machine->place.sockets[i]);
	if (machine->handle >= 0) {
		close(machine->handle);
		job_machine_keep_log(machine);
		job_files_remove(machine->parent, JOB_MACHINE_FOLDER);
	}
	if (machine->log >= 0)
		close(machine->log);
	g_free((char *)(uintptr_t)machine->place.folder);
	g_free(machine->folder);
	g_free(machine->parent);
	g_free(machine);
}

struct engine_vm *
job_machine_get_vm(const struct job_machine *machine)
{
	return machine->vm;
}

char *
job_machine_make_path(const struct job_machine *machine, const char *name)
{
	return g_build_filename(machine->folder, name, NULL);
}

char *
job_machine_get_words(const struct job_machine *machine)
{
	return process_log_explain(machine->folder, machine->ops->process, "");
}

void
job_machine_blame(const char *words, GError *error)
{
	char *message;

	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	message = g_strconcat(error->message, words, NULL);
	g_free(error->message);
	error->message = message;
}
