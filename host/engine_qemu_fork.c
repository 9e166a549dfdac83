/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_fork.c - a new machine from a template's sealed state, or a suspended one's (carrel-hostd, carrel-worker)
 *
 * How it works: the process starts with "-incoming defer", RAM mapped privately from the sealed memfd and the disk
 * behind a new overlay; the state comes from an inherited descriptor with x-ignore-shared, so no RAM is copied. The
 * state carries the link as it was sealed: down.
 *
 * A suspended machine's state (engine_qemu_suspend.c) has all of its RAM in it. It is loaded into the same private mapping,
 * where it replaces the template's pages, and the overlay is the one that it had.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/engine_error.h"
#include "host/engine_qemu_vm.h"
#include "host/overlay.h"

#define SPAWN_MS 10000
#define LOAD_MS	 30000
/* What the process needs beside the guest's RAM: its code, JIT buffer, firmware and the files of a direct boot. */
#define PROCESS_BYTES (G_GUINT64_CONSTANT(512) << 20)

struct qemu_fork {
	struct qemu_vm *qemu;
	struct manifest *manifest; /* a copy: the caller's may go while this runs */
	char *overlay_path;
	int memory;
	int kernel;
	int initrd;
	int disk;
	int overlay;
	int state;
	gboolean suspended; /* the state is a suspended machine's */
	char *genid;
};

static void
qemu_fork_free(gpointer data)
{
	struct qemu_fork *fork = data;
	int fds[] = { fork->memory, fork->kernel,  fork->initrd,
		      fork->disk,   fork->overlay, fork->state };

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	manifest_free(fork->manifest);
	g_free(fork->overlay_path);
	g_free(fork->genid);
	g_free(fork);
}

static int
qemu_fork_open(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Open for reading and writing, or a negative errno. */
static int
qemu_fork_open_overlay(const struct qemu_fork *fork)
{
	struct stat disk;
	int fd;

	if (!fork->suspended)
		return fstat(fork->disk, &disk) < 0
			       ? -errno
			       : overlay_create(fork->overlay_path, (guint64)disk.st_size);
	fd = open(fork->overlay_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static void
fork_start_spawn(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;
	struct qemu_vm *qemu = fork->qemu;
	struct qemu_machine machine = {
		.mode = QEMU_MACHINE_FORK,
		.id = qemu->vm.id,
		.accelerator = fork->manifest->accelerator,
		.cpu = fork->manifest->cpu,
		.cpus = fork->manifest->cpus,
		.ram_mib = fork->manifest->ram_mib,
		.command_line = fork->manifest->command_line,
		.sockets = { qemu->sockets[0], qemu->sockets[1], qemu->sockets[2] },
		.kernel = fork->kernel,
		.initrd = fork->initrd,
		.memory = fork->memory,
		.disk = fork->disk,
		.genid = fork->genid,
	};
	struct qemu_command command;

	if (fork->kernel < 0 || fork->initrd < 0 || fork->state < 0 || fork->memory < 0 ||
	    fork->disk < 0) {
		steps_fail(steps,
			   g_error_new_literal(
				   G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
				   "a file of the template version is missing: publish it again"));
		return;
	}
	fork->overlay = qemu_fork_open_overlay(fork);
	if (fork->overlay < 0) {
		steps_fail(steps,
			   g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-fork->overlay),
				       "cannot open '%s': %s", fork->overlay_path,
				       g_strerror(-fork->overlay)));
		return;
	}
	machine.overlay = fork->overlay;
	qemu_machine_build(&machine, &command);
	qemu_vm_spawn(qemu, steps, &command, ((guint64)machine.ram_mib << 20) + PROCESS_BYTES);
	qemu_command_done(&command);
}

static void
fork_start_connect(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;

	if (qemu_vm_connect(fork->qemu, steps))
		qemu_vm_execute(fork->qemu, steps, context, "migrate-set-capabilities",
				qemu_vm_migration_capabilities(fork->suspended), -1, NULL);
}

/* A state is loaded only where it was made: QEMU might take another one and go wrong later. */
static void
fork_refuse(struct steps *steps, const char *what, const char *sealed, const char *here)
{
	GError *error = NULL;

	engine_error_set_foreign(&error, what, sealed, here);
	steps_fail(steps, error);
}

static void
fork_take_version(struct steps *steps, void *context, const json_t *value)
{
	struct qemu_fork *fork = context;
	g_autofree char *version = qemu_vm_read_version(value);

	if (strcmp(version, fork->manifest->engine_version) == 0)
		steps_next(steps);
	else
		fork_refuse(steps, "QEMU", fork->manifest->engine_version, version);
}

static void
fork_start_version(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;

	qemu_vm_execute(fork->qemu, steps, context, "query-version", NULL, -1, fork_take_version);
}

static void
fork_take_cpu(struct steps *steps, void *context, const json_t *value)
{
	struct qemu_fork *fork = context;
	g_autofree char *sha256 = qemu_vm_read_cpu(value);

	if (strcmp(sha256, fork->manifest->cpuid_sha256) == 0)
		steps_next(steps);
	else
		fork_refuse(steps, "CPU", fork->manifest->cpu, "another one under this name");
}

static void
fork_start_cpu(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;

	qemu_vm_execute(fork->qemu, steps, context, "query-cpu-model-expansion",
			qemu_vm_cpu_arguments(fork->manifest->cpu), -1, fork_take_cpu);
}

static void
fork_start_getfd(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;

	qemu_vm_execute(fork->qemu, steps, context, "getfd", json_pack("{s:s}", "fdname", "state"),
			fork->state, NULL);
}

static void
fork_ignore_answer(struct steps *steps, void *context, const json_t *value)
{
	(void)steps, (void)context, (void)value;
}

static void
fork_start_load(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;

	qemu_vm_await_migration(fork->qemu, steps);
	qemu_vm_execute(fork->qemu, steps, context, "migrate-incoming",
			json_pack("{s:s}", "uri", "fd:state"), -1, fork_ignore_answer);
}

static void
fork_start_run(struct steps *steps, void *context)
{
	struct qemu_fork *fork = context;

	qemu_vm_execute(fork->qemu, steps, context, "cont", NULL, -1, NULL);
}

#define FORK_STEPS(load_ms)                                              \
	{ "start the process", fork_start_spawn, SPAWN_MS },             \
		{ "connect to it", fork_start_connect, SPAWN_MS },       \
		{ "compare its version", fork_start_version, SPAWN_MS }, \
		{ "compare its CPU", fork_start_cpu, SPAWN_MS },         \
		{ "hand over the state", fork_start_getfd, SPAWN_MS },   \
		{ "load the state", fork_start_load, load_ms },          \
	{                                                                \
		"run", fork_start_run, SPAWN_MS                          \
	}

static const struct step fork_steps[] = { FORK_STEPS(LOAD_MS) };
static const struct step restore_steps[] = { FORK_STEPS(QEMU_MEMORY_MS) };
static_assert(G_N_ELEMENTS(fork_steps) == G_N_ELEMENTS(restore_steps), "they are the same steps");

static void
fork_start_again(struct steps *steps, void *context)
{
	(void)context;
	steps_next(steps);
}

static const struct step again_steps[] = { { "runs already", fork_start_again, 1000 } };

/* image: of a suspended machine; NULL: a new one. */
static void
qemu_fork_run(struct engine_vm *vm, const struct engine_template *source, const char *overlay_path,
	      const struct engine_image *image, const struct steps_call *call)
{
	struct qemu_vm *qemu = qemu_vm_of(vm);
	g_autofree char *state = g_strdup_printf("qemu/%s/state", source->kind);
	struct qemu_fork *fork;

	if (process_watch_is_on(&qemu->process)) {
		steps_run(again_steps, G_N_ELEMENTS(again_steps), NULL, NULL, call);
		return;
	}
	fork = g_new0(struct qemu_fork, 1);
	fork->qemu = qemu;
	fork->manifest = manifest_new(json_deep_copy(source->manifest->object), NULL);
	fork->overlay_path = g_strdup(overlay_path);
	fork->genid = g_strdup(source->genid);
	fork->suspended = image != NULL;
	fork->memory = dup(source->memory);
	fork->kernel = qemu_fork_open(source->folder, "kernel");
	fork->initrd = qemu_fork_open(source->folder, "initrd");
	fork->disk = qemu_fork_open(source->folder, "disk.img");
	fork->state = image ? dup(image->state) : qemu_fork_open(source->folder, state);
	fork->overlay = -1;
	steps_run(image ? restore_steps : fork_steps, G_N_ELEMENTS(fork_steps), fork,
		  qemu_fork_free, call);
}

void
engine_qemu_fork(struct engine_vm *vm, const struct engine_template *source,
		 const char *overlay_path, const struct steps_call *call)
{
	qemu_fork_run(vm, source, overlay_path, NULL, call);
}

void
engine_qemu_restore(struct engine_vm *vm, const struct engine_template *source,
		    const char *overlay_path, const struct engine_image *image,
		    const struct steps_call *call)
{
	qemu_fork_run(vm, source, overlay_path, image, call);
}
