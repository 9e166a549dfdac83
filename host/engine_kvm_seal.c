/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm_seal.c - boot a machine, let it settle, keep it (carrel-worker)
 *
 * How it works: seal_steps, of which host/seal.c has what every engine does. The machine boots from the staging folder's own
 * disk.img, with its link down, an empty slot for a home and nobody at its screen. When the guest is quiet its vCPUs stop
 * (PAUSE); carrel-vmm writes what the machine is besides its memory (SEAL), and ends, which makes the disk durable (QUIT).
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config.h"
#include "host/engine_kvm_vm.h"
#include "host/kvm_device.h"
#include "host/seal.h"

#define SPAWN_MS 20000
#define PAUSE_MS 60000 /* until what is on its way to the disk is there */
#define SAVE_MS	 60000
#define QUIT_MS	 120000 /* until all that the guest wrote is durable */

struct kvm_seal {
	struct seal seal; /* first: the steps of host/seal.c get this one */
	struct kvm_vm *kvm;
};

static void
kvm_seal_free(gpointer data)
{
	struct kvm_seal *seal = data;

	seal_done(&seal->seal);
	g_free(seal);
}

/* What a fork's host has to have as this one has it. */
static void
seal_start_describe(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;
	CLEANUP_CLOSE int device = -1;
	g_autofree char *sha256 = NULL;
	GError *error = NULL;

	if (vmm_machine_check_size(seal->seal.cpus, seal->seal.ram_mib, &error)) {
		device = kvm_vm_open_device(seal->kvm, steps);
		if (device < 0)
			return;
		sha256 = kvm_device_hash_cpu(device, VMM_MACHINE_CPU, seal->seal.cpus, &error);
	}
	if (error) {
		steps_fail(steps, error);
		return;
	}
	seal_set_engine(&seal->seal, "kvm", PACKAGE_VERSION, VMM_STATE_FORMAT);
	seal_set_machine(&seal->seal, VMM_MACHINE_TYPE, VMM_MACHINE_CPU, sha256,
			 vmm_machine_list_devices());
	steps_next(steps);
}

static void
seal_start_spawn(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;
	CLEANUP_CLOSE int device = kvm_vm_open_device(seal->kvm, steps);
	struct seal_files files;

	if (device < 0)
		return;
	if (seal_open_files(&seal->seal, steps, &files) && seal_make_memory(&seal->seal, steps))
		kvm_vm_start(seal->kvm, steps,
			     &(struct vmm_machine){ .cpus = seal->seal.cpus,
						    .ram_mib = seal->seal.ram_mib,
						    .command_line = seal->seal.command_line,
						    .kvm = device,
						    .memory = seal->seal.memory,
						    .state = -1,
						    .pages = -1,
						    .kernel = files.kernel,
						    .initrd = files.initrd,
						    .disk = files.disk,
						    .overlay = -1 },
			     0);
	seal_close_files(&files);
}

static void
seal_start_connect(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;

	kvm_vm_set_booting(seal->kvm, steps);
	kvm_vm_set_filling(seal->kvm, steps);
	kvm_vm_connect(seal->kvm, steps);
}

static void
seal_start_boot(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;
	int fd = kvm_vm_dial(seal->kvm, steps, "agent", SOCK_STREAM);

	if (fd < 0)
		return;
	seal_take_agent(&seal->seal, fd, seal->kvm->vm.generation);
	seal_start_hello(steps, context);
}

static void
seal_start_pause(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;

	kvm_vm_ask(seal->kvm, steps, context, VMM_PAUSE, NULL, 0, -1, NULL);
}

static void
seal_start_save(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;

	if (seal_make_state(&seal->seal, steps))
		kvm_vm_ask(seal->kvm, steps, context, VMM_SEAL, NULL, 0, seal->seal.state, NULL);
}

static void
seal_start_quit(struct steps *steps, void *context)
{
	struct kvm_seal *seal = context;

	steps_set_json(steps, json_incref(seal->seal.result));
	kvm_vm_quit(seal->kvm, steps);
}

static const struct step seal_steps[] = {
	{ "describe the machine", seal_start_describe, SPAWN_MS },
	{ "start the process", seal_start_spawn, SPAWN_MS },
	{ "connect to it", seal_start_connect, SPAWN_MS },
	{ "boot until the agent answers", seal_start_boot, SEAL_BOOT_MS + 1000 },
	{ "wait for the desktop", seal_start_settle, SEAL_SETTLE_MS },
	{ "quiesce the guest", seal_start_quiesce, SEAL_QUIESCE_MS + 1000 },
	{ "stop its vCPUs", seal_start_pause, PAUSE_MS },
	{ "save the state", seal_start_save, SAVE_MS },
	{ "save the memory", seal_start_memory, SEAL_MEMORY_MS },
	{ "end the process", seal_start_quit, QUIT_MS },
};

void
engine_kvm_seal(struct engine_vm *vm, const struct engine_seal *request,
		const struct steps_call *call)
{
	struct kvm_seal *seal = g_new0(struct kvm_seal, 1);

	seal->kvm = kvm_vm_of(vm);
	seal_init(&seal->seal, "kvm", request);
	steps_run(seal_steps, G_N_ELEMENTS(seal_steps), seal, kvm_seal_free, call);
}
