/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm_fork.c - a new machine from a template's sealed state, or a suspended one's (carrel-hostd, carrel-worker)
 *
 * How it works: carrel-vmm gets the version's memory, which it maps privately, and its state, both open for reading only; what
 * the guest writes to its disk goes to an overlay of its own. It loads the state and runs on from there, with a new VM
 * generation id and its link down. Kernel and initrd are for a guest that reboots.
 *
 * A suspended machine (engine_kvm_suspend.c) has its state and its own pages in files, and its overlay and generation id
 * already.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/engine_kvm_vm.h"

#define SPAWN_MS 10000
#define LOAD_MS	 30000
#define PAGES_MS 600000 /* what a guest may have changed of 16 GiB, from a slow disk */
/* What the process may need beside the guest's RAM: its code, the surface, the host's page tables for the guest. */
#define PROCESS_BYTES (G_GUINT64_CONSTANT(128) << 20)

struct kvm_fork {
	struct kvm_vm *kvm;
	struct manifest *manifest; /* a copy: the caller's may go while this runs */
	int folder;
	char *state; /* below the folder */
	char *overlay_path;
	char *genid;
	int memory;
	gboolean memory_random;
	struct engine_image image; /* of a suspended machine; -1: a new one */
};

static void
kvm_fork_free(gpointer data)
{
	struct kvm_fork *fork = data;

	const int fds[] = { fork->folder, fork->memory, fork->image.state, fork->image.pages };

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	manifest_free(fork->manifest);
	g_free(fork->state);
	g_free(fork->overlay_path);
	g_free(fork->genid);
	g_free(fork);
}

/* A descriptor; or -1 when the step was failed. */
static int
kvm_fork_check(struct steps *steps, const char *what, int fd)
{
	int error = errno;

	if (fd < 0)
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(error),
					      "%s: %s", what, g_strerror(error)));
	return fd;
}

static int
kvm_fork_open(const struct kvm_fork *fork, struct steps *steps, const char *name)
{
	g_autofree char *what = g_strdup_printf("'%s' of template '%s@%u'", name,
						fork->manifest->name, fork->manifest->version);

	return kvm_fork_check(steps, what,
			      openat(fork->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

static int
kvm_fork_open_state(const struct kvm_fork *fork, struct steps *steps)
{
	return fork->image.state < 0 ? kvm_fork_open(fork, steps, fork->state)
				     : kvm_fork_check(steps, "its state",
						      fcntl(fork->image.state, F_DUPFD_CLOEXEC, 3));
}

static int
kvm_fork_open_overlay(const struct kvm_fork *fork, struct steps *steps)
{
	int new = fork->image.state < 0 ? O_CREAT | O_EXCL : 0;

	return kvm_fork_check(
		steps, fork->overlay_path,
		open(fork->overlay_path, O_RDWR | new | O_CLOEXEC | O_NOFOLLOW, 0600));
}

static void
fork_start_spawn(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;
	CLEANUP_CLOSE int device = kvm_vm_open_device(fork->kvm, steps);
	CLEANUP_CLOSE int kernel = device < 0 ? -1 : kvm_fork_open(fork, steps, "kernel");
	CLEANUP_CLOSE int initrd = kernel < 0 ? -1 : kvm_fork_open(fork, steps, "initrd");
	CLEANUP_CLOSE int disk = initrd < 0 ? -1 : kvm_fork_open(fork, steps, "disk.img");
	CLEANUP_CLOSE int state = disk < 0 ? -1 : kvm_fork_open_state(fork, steps);
	CLEANUP_CLOSE int overlay = state < 0 ? -1 : kvm_fork_open_overlay(fork, steps);
	const struct manifest *manifest = fork->manifest;

	if (overlay >= 0)
		kvm_vm_start(fork->kvm, steps,
			     &(struct vmm_machine){ .cpus = manifest->cpus,
						    .ram_mib = manifest->ram_mib,
						    .command_line = manifest->command_line,
						    .kvm = device,
						    .memory = fork->memory,
						    .memory_random = fork->memory_random,
						    .state = state,
						    .pages = fork->image.pages,
						    .genid = fork->genid,
						    .kernel = kernel,
						    .initrd = initrd,
						    .disk = disk,
						    .overlay = overlay },
			     ((guint64)manifest->ram_mib << 20) + PROCESS_BYTES);
}

static void
fork_start_connect(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;

	kvm_vm_set_booting(fork->kvm, steps);
	kvm_vm_connect(fork->kvm, steps);
}

static void
fork_start_let_go(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;

	kvm_vm_set_booting(fork->kvm, NULL);
	steps_next(steps);
}

#define FORK_STEPS(load_ms)                                        \
	{ "start the process", fork_start_spawn, SPAWN_MS },       \
		{ "load the state", fork_start_connect, load_ms }, \
	{                                                          \
		"run", fork_start_let_go, 1000                     \
	}

static const struct step fork_steps[] = { FORK_STEPS(LOAD_MS) };
static const struct step restore_steps[] = { FORK_STEPS(PAGES_MS) };
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
kvm_fork_run(struct engine_vm *vm, const struct engine_template *source, const char *overlay_path,
	     const struct engine_image *image, const struct steps_call *call)
{
	struct kvm_vm *kvm = kvm_vm_of(vm);
	struct kvm_fork *fork;

	if (process_watch_is_on(&kvm->process)) {
		steps_run(again_steps, G_N_ELEMENTS(again_steps), NULL, NULL, call);
		return;
	}
	fork = g_new0(struct kvm_fork, 1);
	fork->kvm = kvm;
	fork->manifest = manifest_new(json_deep_copy(source->manifest->object), NULL);
	fork->folder = fcntl(source->folder, F_DUPFD_CLOEXEC, 3);
	fork->state = g_strdup_printf("kvm/%s/state", source->kind);
	fork->overlay_path = g_strdup(overlay_path);
	fork->genid = g_strdup(source->genid);
	fork->memory = source->memory >= 0 ? fcntl(source->memory, F_DUPFD_CLOEXEC, 3) : -1;
	fork->memory_random = source->memory_random;
	fork->image.state = image ? fcntl(image->state, F_DUPFD_CLOEXEC, 3) : -1;
	fork->image.pages = image ? fcntl(image->pages, F_DUPFD_CLOEXEC, 3) : -1;
	steps_run(image ? restore_steps : fork_steps, G_N_ELEMENTS(fork_steps), fork, kvm_fork_free,
		  call);
}

void
engine_kvm_fork(struct engine_vm *vm, const struct engine_template *source,
		const char *overlay_path, const struct steps_call *call)
{
	kvm_fork_run(vm, source, overlay_path, NULL, call);
}

void
engine_kvm_restore(struct engine_vm *vm, const struct engine_template *source,
		   const char *overlay_path, const struct engine_image *image,
		   const struct steps_call *call)
{
	kvm_fork_run(vm, source, overlay_path, image, call);
}
