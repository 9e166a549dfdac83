/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_seal.c - boot a machine, let it settle, keep it (carrel-worker)
 *
 * How it works: seal_steps, of which host/seal.c has what every engine does. When the guest is quiet its CPUs stop, the
 * link having been down since before the first instruction, and the device state is migrated to a file.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"
#include "host/engine_qemu_vm.h"
#include "host/seal.h"

#define SPAWN_MS 20000
#define SAVE_MS	 120000

struct qemu_seal {
	struct seal seal; /* first: the steps of host/seal.c get this one */
	struct qemu_vm *qemu;
	char *cpu;
};

static void
qemu_seal_free(gpointer data)
{
	struct qemu_seal *seal = data;

	seal_done(&seal->seal);
	g_free(seal->cpu);
	g_free(seal);
}

static void
seal_start_spawn(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;
	struct qemu_vm *qemu = seal->qemu;
	struct seal_files files;
	struct qemu_machine machine = {
		.mode = QEMU_MACHINE_SEAL,
		.id = qemu->vm.id,
		.accelerator = seal->seal.accelerator,
		.cpu = seal->cpu,
		.cpus = seal->seal.cpus,
		.ram_mib = seal->seal.ram_mib,
		.command_line = seal->seal.command_line,
		.sockets = { qemu->sockets[0], qemu->sockets[1], qemu->sockets[2] },
		.overlay = -1,
	};
	struct qemu_command command;

	if (seal_open_files(&seal->seal, steps, &files) && seal_make_memory(&seal->seal, steps)) {
		machine.disk = files.disk;
		machine.kernel = files.kernel;
		machine.initrd = files.initrd;
		machine.memory = seal->seal.memory;
		qemu_machine_build(&machine, &command);
		qemu_vm_spawn(qemu, steps, &command, 0);
		qemu_command_done(&command);
	}
	seal_close_files(&files);
}

static void
seal_start_connect(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	if (qemu_vm_connect(seal->qemu, steps))
		qemu_vm_execute(seal->qemu, steps, context, "set_link",
				json_pack("{s:s, s:b}", "name", QEMU_ID_NET, "up", 0), -1, NULL);
}

static void
seal_take_version(struct steps *steps, void *context, const json_t *value)
{
	struct qemu_seal *seal = context;
	g_autofree char *version = qemu_vm_read_version(value);

	seal_set_engine(&seal->seal, "qemu", version, QEMU_MACHINE_STATE_FORMAT);
	steps_next(steps);
}

static void
seal_start_version(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	qemu_vm_execute(seal->qemu, steps, context, "query-version", NULL, -1, seal_take_version);
}

static void
seal_take_cpu(struct steps *steps, void *context, const json_t *value)
{
	struct qemu_seal *seal = context;
	g_autofree char *sha256 = qemu_vm_read_cpu(value);

	seal_set_machine(&seal->seal, QEMU_MACHINE_TYPE, seal->cpu, sha256,
			 qemu_machine_describe_devices());
	steps_next(steps);
}

static void
seal_start_cpu(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	qemu_vm_execute(seal->qemu, steps, context, "query-cpu-model-expansion",
			qemu_vm_cpu_arguments(seal->cpu), -1, seal_take_cpu);
}

static void
seal_take_started(struct steps *steps, void *context, const json_t *value)
{
	(void)value;
	seal_start_hello(steps, context);
}

static void
seal_start_boot(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;
	g_autofree char *path = g_build_filename(seal->qemu->folder, "agent", NULL);
	int fd;
	int error = io_unix_connect(path, SOCK_STREAM, &fd);

	if (error < 0) {
		steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(-error),
					      "%s: %s", path, g_strerror(-error)));
		return;
	}
	seal_take_agent(&seal->seal, fd, seal->qemu->vm.generation);
	qemu_space_watch(seal->qemu, steps);
	qemu_vm_execute(seal->qemu, steps, context, "cont", NULL, -1, seal_take_started);
}

static void
seal_start_stop(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	qemu_vm_execute(seal->qemu, steps, context, "stop", NULL, -1, NULL);
}

static void
seal_start_capabilities(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	qemu_vm_execute(seal->qemu, steps, context, "migrate-set-capabilities",
			qemu_vm_migration_capabilities(FALSE), -1, NULL);
}

static void
seal_start_getfd(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	if (!seal_make_state(&seal->seal, steps))
		return;
	qemu_vm_execute(seal->qemu, steps, context, "getfd", json_pack("{s:s}", "fdname", "state"),
			seal->seal.state, NULL);
}

static void
seal_ignore_answer(struct steps *steps, void *context, const json_t *value)
{
	(void)steps, (void)context, (void)value;
}

static void
seal_start_save(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	qemu_vm_await_migration(seal->qemu, steps);
	qemu_vm_execute(seal->qemu, steps, context, "migrate",
			json_pack("{s:s}", "uri", "fd:state"), -1, seal_ignore_answer);
}

static void
seal_start_quit(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	steps_set_json(steps, json_incref(seal->seal.result));
	qemu_vm_quit(seal->qemu, steps);
}

static const struct step seal_steps[] = {
	{ "start the process", seal_start_spawn, SPAWN_MS },
	{ "connect to it", seal_start_connect, SPAWN_MS },
	{ "read its version", seal_start_version, SPAWN_MS },
	{ "read its CPU", seal_start_cpu, SPAWN_MS },
	{ "boot until the agent answers", seal_start_boot, SEAL_BOOT_MS + 1000 },
	{ "wait for the desktop", seal_start_settle, SEAL_SETTLE_MS },
	{ "quiesce the guest", seal_start_quiesce, SEAL_QUIESCE_MS + 1000 },
	{ "stop its CPUs", seal_start_stop, SPAWN_MS },
	{ "prepare saving", seal_start_capabilities, SPAWN_MS },
	{ "hand over the state file", seal_start_getfd, SPAWN_MS },
	{ "save the state", seal_start_save, SAVE_MS },
	{ "save the memory", seal_start_memory, SEAL_MEMORY_MS },
	{ "end the process", seal_start_quit, SPAWN_MS },
};

void
engine_qemu_seal(struct engine_vm *vm, const struct engine_seal *request,
		 const struct steps_call *call)
{
	struct qemu_seal *seal = g_new0(struct qemu_seal, 1);

	seal->qemu = qemu_vm_of(vm);
	seal_init(&seal->seal, "qemu", request);
	seal->cpu = g_strdup(request->cpu ? request->cpu
					  : qemu_machine_default_cpu(request->accelerator));
	steps_run(seal_steps, G_N_ELEMENTS(seal_steps), seal, qemu_seal_free, call);
}
