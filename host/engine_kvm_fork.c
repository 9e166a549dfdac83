/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm_fork.c - a new machine of a template's version (carrel-hostd, carrel-worker)
 *
 * How it works: a version of engine kvm holds nothing sealed. Its machine boots from the version's disk.img, which it only reads,
 * with what it writes in an overlay of its own, and the "fork" ends when the agent inside says that the desktop is up. The
 * guest's RAM is a memfd that belongs to the process alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/agent_settle.h"
#include "host/engine_kvm_vm.h"
#include "host/kvm_device.h"

#define SPAWN_MS 10000
/* Enough for a host that is emulated itself; a guest that ends or panics is told at once. */
#define BOOT_MS	  900000
#define SETTLE_MS 600000
/* What the process may need beside the guest's RAM: its code, the surface, the host's page tables for the guest. */
#define PROCESS_BYTES (G_GUINT64_CONSTANT(128) << 20)

struct kvm_fork {
	struct kvm_vm *kvm;
	struct manifest *manifest; /* a copy: the caller's may go while this runs */
	char *folder;
	char *overlay_path;
	struct agent_link *agent;
};

static void
kvm_fork_free(gpointer data)
{
	struct kvm_fork *fork = data;

	agent_link_free(fork->agent);
	manifest_free(fork->manifest);
	g_free(fork->folder);
	g_free(fork->overlay_path);
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
	g_autofree char *path = g_build_filename(fork->folder, name, NULL);

	return kvm_fork_check(steps, path, open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

static int
kvm_fork_make_memory(const struct kvm_fork *fork, struct steps *steps)
{
	CLEANUP_CLOSE int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)fork->manifest->ram_mib << 20) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return kvm_fork_check(steps, "the guest's memory", -1);
	return take_fd(&fd);
}

static int
kvm_fork_open_device(const struct kvm_fork *fork, struct steps *steps)
{
	int fd = fork->kvm->device >= 0 ? fcntl(fork->kvm->device, F_DUPFD_CLOEXEC, 3)
					: kvm_device_open("");

	if (fd < 0)
		steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
						      kvm_device_explain(fd)));
	return fd;
}

static void
kvm_fork_spawn(struct kvm_fork *fork, struct steps *steps, struct vmm_machine *machine)
{
	const struct manifest *manifest = fork->manifest;
	struct vmm_command command;
	int error;

	machine->id = fork->kvm->vm.id;
	machine->cpus = manifest->cpus;
	machine->ram_mib = manifest->ram_mib;
	machine->command_line = manifest->command_line;
	memcpy(machine->sockets, fork->kvm->sockets, sizeof(machine->sockets));
	error = vmm_machine_build(machine, &command);
	if (error < 0) {
		errno = -error;
		kvm_fork_check(steps, "the machine's description", -1);
		return;
	}
	kvm_vm_spawn(fork->kvm, steps, &command,
		     ((guint64)manifest->ram_mib << 20) + PROCESS_BYTES);
	vmm_command_done(&command);
}

/* A version may have been copied here from elsewhere. */
static void
fork_start_check(struct steps *steps, void *context)
{
	const struct kvm_fork *fork = context;
	GError *error = NULL;

	if (vmm_machine_check_size(fork->manifest->cpus, fork->manifest->ram_mib, &error))
		steps_next(steps);
	else
		steps_fail(steps, error);
}

static void
fork_start_spawn(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;
	CLEANUP_CLOSE int device = kvm_fork_open_device(fork, steps);
	CLEANUP_CLOSE int kernel = device < 0 ? -1 : kvm_fork_open(fork, steps, "kernel");
	CLEANUP_CLOSE int initrd = kernel < 0 ? -1 : kvm_fork_open(fork, steps, "initrd");
	CLEANUP_CLOSE int disk = initrd < 0 ? -1 : kvm_fork_open(fork, steps, "disk.img");
	CLEANUP_CLOSE int memory = disk < 0 ? -1 : kvm_fork_make_memory(fork, steps);
	CLEANUP_CLOSE int overlay = -1;

	if (memory < 0)
		return;
	overlay = kvm_fork_check(
		steps, fork->overlay_path,
		open(fork->overlay_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (overlay >= 0)
		kvm_fork_spawn(fork, steps,
			       &(struct vmm_machine){ .kvm = device,
						      .memory = memory,
						      .kernel = kernel,
						      .initrd = initrd,
						      .disk = disk,
						      .overlay = overlay });
}

static void
fork_start_connect(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;

	kvm_vm_set_booting(fork->kvm, steps);
	kvm_vm_connect(fork->kvm, steps);
}

/* What an agent says here by itself is told again to the desktop's own link. */
static void
fork_handle_agent(void *context, const char *verb, const json_t *body)
{
	(void)context, (void)verb, (void)body;
}

static void
fork_start_boot(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;
	int fd = kvm_vm_dial(fork->kvm, steps, "agent", SOCK_STREAM);

	if (fd < 0)
		return;
	fork->agent = agent_link_new(fd, fork->kvm->vm.generation, fork_handle_agent, fork);
	agent_link_resync(fork->agent, BOOT_MS, steps_get_cancellable(steps), steps_handle_json,
			  steps_ref(steps));
}

static void
fork_start_settle(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;

	agent_settle_start(fork->agent, SETTLE_MS, steps);
}

/* The port is free for the desktop's link. */
static void
fork_start_hand_over(struct steps *steps, void *context)
{
	struct kvm_fork *fork = context;

	kvm_vm_set_booting(fork->kvm, NULL);
	g_clear_pointer(&fork->agent, agent_link_free);
	steps_next(steps);
}

static const struct step fork_steps[] = {
	{ "check the machine", fork_start_check, 1000 },
	{ "start the process", fork_start_spawn, SPAWN_MS },
	{ "connect to it", fork_start_connect, SPAWN_MS },
	{ "boot until the agent answers", fork_start_boot, BOOT_MS + 1000 },
	{ "wait for the desktop", fork_start_settle, SETTLE_MS },
	{ "hand over the agent's port", fork_start_hand_over, 1000 },
};

static void
fork_start_again(struct steps *steps, void *context)
{
	(void)context;
	steps_next(steps);
}

static const struct step again_steps[] = { { "runs already", fork_start_again, 1000 } };

void
engine_kvm_fork(struct engine_vm *vm, const struct engine_template *source,
		const char *overlay_path, const struct steps_call *call)
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
	fork->folder = g_strdup(source->folder);
	fork->overlay_path = g_strdup(overlay_path);
	steps_run(fork_steps, G_N_ELEMENTS(fork_steps), fork, kvm_fork_free, call);
}
