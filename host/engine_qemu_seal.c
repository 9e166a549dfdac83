/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_qemu_seal.c - boot a machine, let it settle, keep it (carrel-worker)
 *
 * How it works: the machine boots from the staging folder's own disk.img with its RAM in a memfd that we hold too. The
 * agent says when X is up; it quiesces the guest; then the CPUs stop, the link having been down since before the
 * first instruction, the device state is migrated to a file and the memfd's data is copied to another, holes kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/proto_agent.h"
#include "host/agent_settle.h"
#include "host/engine_qemu_vm.h"
#include "host/template_memory.h"

#define SPAWN_MS   20000
#define BOOT_MS	   300000
#define SETTLE_MS  240000
#define QUIESCE_MS 90000
#define SAVE_MS	   120000

struct qemu_seal {
	struct qemu_vm *qemu;
	char *folder; /* staging */
	char *target; /* <folder>/qemu/<kind> */
	char *accelerator;
	char *cpu;
	char *command_line;
	guint cpus;
	guint ram_mib;
	int memory;
	int state;
	struct agent_link *agent;
	json_t *result;
};

static void
qemu_seal_free(gpointer data)
{
	struct qemu_seal *seal = data;

	agent_link_free(seal->agent);
	if (seal->memory >= 0)
		close(seal->memory);
	if (seal->state >= 0)
		close(seal->state);
	json_decref(seal->result);
	g_free(seal->folder);
	g_free(seal->target);
	g_free(seal->accelerator);
	g_free(seal->cpu);
	g_free(seal->command_line);
	g_free(seal);
}

static int
qemu_seal_open(const char *folder, const char *name, int flags)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

static void
qemu_seal_fail_errno(struct steps *steps, const char *what, int code)
{
	steps_fail(steps, g_error_new(G_IO_ERROR, (int)g_io_error_from_errno(code), "%s: %s", what,
				      g_strerror(code)));
}

static void
seal_start_spawn(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;
	struct qemu_vm *qemu = seal->qemu;
	CLEANUP_CLOSE int disk = qemu_seal_open(seal->folder, "disk.img", O_RDWR);
	CLEANUP_CLOSE int kernel = qemu_seal_open(seal->folder, "kernel", O_RDONLY);
	CLEANUP_CLOSE int initrd = qemu_seal_open(seal->folder, "initrd", O_RDONLY);
	struct qemu_machine machine = {
		.mode = QEMU_MACHINE_SEAL,
		.id = qemu->vm.id,
		.accelerator = seal->accelerator,
		.cpu = seal->cpu,
		.cpus = seal->cpus,
		.ram_mib = seal->ram_mib,
		.command_line = seal->command_line,
		.sockets = { qemu->sockets[0], qemu->sockets[1], qemu->sockets[2] },
		.kernel = kernel,
		.initrd = initrd,
		.disk = disk,
		.overlay = -1,
	};
	struct qemu_command command;
	GError *error = NULL;

	if (disk < 0 || kernel < 0 || initrd < 0) {
		qemu_seal_fail_errno(steps, "the image's disk.img, kernel or initrd", errno);
		return;
	}
	if (g_mkdir_with_parents(seal->target, 0755) < 0) {
		qemu_seal_fail_errno(steps, seal->target, errno);
		return;
	}
	seal->memory = template_memory_new((guint64)seal->ram_mib << 20, &error);
	if (seal->memory < 0) {
		steps_fail(steps, error);
		return;
	}
	machine.memory = seal->memory;
	qemu_machine_build(&machine, &command);
	qemu_vm_spawn(qemu, steps, &command, 0);
	qemu_command_done(&command);
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

	json_object_set_new(seal->result, "engine",
			    json_pack("{s:s, s:s, s:s, s:i}", "name", "qemu", "version", version,
				      "accelerator", seal->accelerator, "state_format",
				      QEMU_MACHINE_STATE_FORMAT));
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

	json_object_set_new(seal->result, "machine",
			    json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:o}", "type",
				      QEMU_MACHINE_TYPE, "cpu", seal->cpu, "cpuid_sha256", sha256,
				      "cpus", (int)seal->cpus, "ram_mib", (int)seal->ram_mib,
				      "command_line", seal->command_line, "devices",
				      qemu_machine_describe_devices()));
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
seal_handle_agent(void *context, const char *verb, const json_t *body)
{
	(void)context, (void)verb, (void)body;
}

static void
seal_take_started(struct steps *steps, void *context, const json_t *value)
{
	struct qemu_seal *seal = context;

	(void)value;
	agent_link_resync(seal->agent, BOOT_MS, steps_get_cancellable(steps), steps_handle_json,
			  steps_ref(steps));
}

static void
seal_start_boot(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;
	g_autofree char *path = g_build_filename(seal->qemu->folder, "agent", NULL);
	int fd;
	int error = io_unix_connect(path, SOCK_STREAM, &fd);

	if (error < 0) {
		qemu_seal_fail_errno(steps, path, -error);
		return;
	}
	seal->agent = agent_link_new(fd, seal->qemu->vm.generation, seal_handle_agent, seal);
	qemu_space_watch(seal->qemu, steps);
	qemu_vm_execute(seal->qemu, steps, context, "cont", NULL, -1, seal_take_started);
}

static void
seal_start_settle(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	agent_settle_start(seal->agent, SETTLE_MS, steps);
}

static void
seal_start_quiesce(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	agent_link_request(seal->agent, AGENT_VERB_QUIESCE, NULL, QUIESCE_MS,
			   steps_get_cancellable(steps), steps_handle_json, steps_ref(steps));
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
			qemu_vm_migration_capabilities(), -1, NULL);
}

static void
seal_start_getfd(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	seal->state = qemu_seal_open(seal->target, "state", O_RDWR | O_CREAT | O_EXCL);
	if (seal->state < 0) {
		qemu_seal_fail_errno(steps, seal->target, errno);
		return;
	}
	qemu_vm_execute(seal->qemu, steps, context, "getfd", json_pack("{s:s}", "fdname", "state"),
			seal->state, NULL);
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
seal_run_memory(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	struct qemu_seal *seal = g_object_get_data(G_OBJECT(task), "seal");
	g_autofree char *path = g_build_filename(seal->target, "memory", NULL);
	GError *error = NULL;

	(void)source, (void)data;
	if (fsync(seal->state) < 0 ||
	    !template_memory_save(seal->memory, path, cancellable, &error))
		g_task_return_error(
			task,
			error ? error : g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "fsync failed"));
	else
		g_task_return_boolean(task, TRUE);
}

static void
seal_start_memory(struct steps *steps, void *context)
{
	GTask *task = g_task_new(NULL, steps_get_cancellable(steps), steps_handle_boolean,
				 steps_ref(steps));

	g_object_set_data(G_OBJECT(task), "seal", context);
	g_task_run_in_thread(task, seal_run_memory);
	g_object_unref(task);
}

static void
seal_start_quit(struct steps *steps, void *context)
{
	struct qemu_seal *seal = context;

	steps_set_json(steps, json_incref(seal->result));
	qemu_vm_await_exit(seal->qemu, steps);
	qemu_vm_execute(seal->qemu, steps, context, "quit", NULL, -1, seal_ignore_answer);
}

static const struct step seal_steps[] = {
	{ "start the process", seal_start_spawn, SPAWN_MS },
	{ "connect to it", seal_start_connect, SPAWN_MS },
	{ "read its version", seal_start_version, SPAWN_MS },
	{ "read its CPU", seal_start_cpu, SPAWN_MS },
	{ "boot until the agent answers", seal_start_boot, BOOT_MS + 1000 },
	{ "wait for the desktop", seal_start_settle, SETTLE_MS },
	{ "quiesce the guest", seal_start_quiesce, QUIESCE_MS + 1000 },
	{ "stop its CPUs", seal_start_stop, SPAWN_MS },
	{ "prepare saving", seal_start_capabilities, SPAWN_MS },
	{ "hand over the state file", seal_start_getfd, SPAWN_MS },
	{ "save the state", seal_start_save, SAVE_MS },
	{ "save the memory", seal_start_memory, SAVE_MS },
	{ "end the process", seal_start_quit, SPAWN_MS },
};

void
engine_qemu_seal(struct engine_vm *vm, const struct engine_seal *request,
		 const struct steps_call *call)
{
	struct qemu_seal *seal = g_new0(struct qemu_seal, 1);

	seal->qemu = qemu_vm_of(vm);
	seal->folder = g_strdup(request->folder);
	seal->target = g_build_filename(request->folder, "qemu", request->kind, NULL);
	seal->accelerator = g_strdup(request->accelerator);
	seal->cpu = g_strdup(request->cpu ? request->cpu
					  : qemu_machine_default_cpu(request->accelerator));
	seal->command_line = g_strdup(request->command_line);
	seal->cpus = request->cpus;
	seal->ram_mib = request->ram_mib;
	seal->memory = -1;
	seal->state = -1;
	seal->result = json_object();
	steps_run(seal_steps, G_N_ELEMENTS(seal_steps), seal, qemu_seal_free, call);
}
