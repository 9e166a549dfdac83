/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm.c - engine kvm's table of operations: carrel-vmm (carrel-hostd, carrel-worker)
 *
 * How it works: each operation is a short table of steps over the connection of engine_kvm_vm.c. Forking is in
 * engine_kvm_fork.c. Sealing only describes the machine, for the forks boot from the disk.
 */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/proto_source.h"
#include "common/hash.h"
#include "host/engine_kvm_vm.h"
#include "host/kvm_device.h"
#include "host/picture.h"

#define PICTURE_MS   10000
#define STATE_FORMAT 1

struct kvm_operation {
	struct kvm_vm *kvm;
	gboolean flag;
	int fd;
	int picture; /* the memfd that carrel-vmm fills */
	struct vmm_picture shape;
};

static void
kvm_operation_free(gpointer data)
{
	struct kvm_operation *operation = data;

	if (operation->fd >= 0)
		close(operation->fd);
	if (operation->picture >= 0)
		close(operation->picture);
	g_free(operation);
}

static void
kvm_operation_run(struct engine_vm *vm, const struct step *table, gsize n, gboolean flag, int fd,
		  const struct steps_call *call)
{
	struct kvm_operation *operation = g_new0(struct kvm_operation, 1);

	operation->kvm = kvm_vm_of(vm);
	operation->flag = flag;
	operation->fd = fd >= 0 ? dup(fd) : -1;
	operation->picture = -1;
	steps_run(table, n, operation, kvm_operation_free, call);
}

static json_t *
engine_kvm_probe(int device)
{
	const char *refusal = kvm_device_find_refusal("", device);
	g_autofree char *reason = refusal ? g_strdup(refusal) : kvm_device_find_lack("", device);

	return json_pack("{s:s, s:b, s:s, s:s, s:s}", "name", "kvm", "usable", reason == NULL,
			 "accelerator", "kvm", "isolation", "hardware", "reason",
			 reason ? reason : "");
}

static struct engine_vm *
engine_kvm_vm_new(const char *id, guint64 generation, const struct engine_place *place,
		  engine_event_callback callback, void *context)
{
	struct kvm_vm *kvm = g_new0(struct kvm_vm, 1);

	kvm->vm.ops = &engine_kvm_ops;
	g_strlcpy(kvm->vm.id, id, sizeof(kvm->vm.id));
	kvm->vm.generation = generation;
	kvm->spawner = place->spawner;
	kvm->folder = g_strdup(place->folder);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		kvm->sockets[i] = place->sockets[i] >= 0 ? dup(place->sockets[i]) : -1;
	kvm->device = place->kvm >= 0 ? dup(place->kvm) : -1;
	kvm->callback = callback;
	kvm->context = context;
	kvm_vm_init_process(kvm);
	return &kvm->vm;
}

static void
engine_kvm_vm_free(struct engine_vm *vm)
{
	struct kvm_vm *kvm = kvm_vm_of(vm);

	if (!vm)
		return;
	kvm->callback = NULL;
	kvm_vm_disconnect(kvm);
	kvm_vm_set_booting(kvm, NULL);
	process_watch_stop(&kvm->process);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		if (kvm->sockets[i] >= 0)
			close(kvm->sockets[i]);
	if (kvm->device >= 0)
		close(kvm->device);
	g_free(kvm->folder);
	g_free(kvm);
}

struct kvm_seal {
	guint cpus;
	guint ram_mib;
	char *command_line;
};

static void
kvm_seal_free(gpointer data)
{
	struct kvm_seal *seal = data;

	g_free(seal->command_line);
	g_free(seal);
}

static void
seal_start_describe(struct steps *steps, void *context)
{
	const struct kvm_seal *seal = context;
	/* The name stands for the whole: a model never changes (vmm/cpu_model.h). */
	g_autofree char *cpu = hash_text(VMM_MACHINE_CPU);
	GError *error = NULL;

	if (!vmm_machine_check_size(seal->cpus, seal->ram_mib, &error)) {
		steps_fail(steps, error);
		return;
	}
	steps_set_json(steps,
		       json_pack("{s:{s:s, s:s, s:s, s:i}, s:{s:s, s:s, s:s, s:i, s:i, s:s, s:o}}",
				 "engine", "name", "kvm", "version", PACKAGE_VERSION, "accelerator",
				 "kvm", "state_format", STATE_FORMAT, "machine", "type",
				 VMM_MACHINE_TYPE, "cpu", VMM_MACHINE_CPU, "cpuid_sha256", cpu,
				 "cpus", (int)seal->cpus, "ram_mib", (int)seal->ram_mib,
				 "command_line", seal->command_line, "devices",
				 vmm_machine_list_devices()));
	steps_next(steps);
}

static const struct step seal_steps[] = { { "describe the machine", seal_start_describe, 1000 } };

static void
engine_kvm_seal(struct engine_vm *vm, const struct engine_seal *request,
		const struct steps_call *call)
{
	struct kvm_seal *seal = g_new0(struct kvm_seal, 1);

	(void)vm;
	seal->cpus = request->cpus;
	seal->ram_mib = request->ram_mib;
	seal->command_line = g_strdup(request->command_line);
	steps_run(seal_steps, G_N_ELEMENTS(seal_steps), seal, kvm_seal_free, call);
}

static void
adopt_start_connect(struct steps *steps, void *context)
{
	struct kvm_operation *operation = context;

	kvm_vm_connect(operation->kvm, steps);
}

static const struct step adopt_steps[] = { { "connect", adopt_start_connect, KVM_COMMAND_MS } };

static void
engine_kvm_adopt(struct engine_vm *vm, int pidfd, const struct steps_call *call)
{
	process_watch_begin(&kvm_vm_of(vm)->process, pidfd);
	kvm_operation_run(vm, adopt_steps, G_N_ELEMENTS(adopt_steps), FALSE, -1, call);
}

static void
powerdown_start(struct steps *steps, void *context)
{
	struct kvm_operation *operation = context;

	kvm_vm_ask(operation->kvm, steps, context, VMM_POWERDOWN, NULL, 0, -1, NULL);
}

static const struct step powerdown_steps[] = { { "press the power button", powerdown_start,
						 KVM_COMMAND_MS } };

static void
engine_kvm_powerdown(struct engine_vm *vm, const struct steps_call *call)
{
	kvm_operation_run(vm, powerdown_steps, G_N_ELEMENTS(powerdown_steps), FALSE, -1, call);
}

static void
link_start(struct steps *steps, void *context)
{
	struct kvm_operation *operation = context;
	const struct vmm_link wish = { .up = operation->flag };

	if (operation->flag && operation->fd < 0)
		steps_fail(steps, g_error_new_literal(
					  G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
					  "no network process is there for the link to go up"));
	else
		kvm_vm_ask(operation->kvm, steps, context, VMM_LINK, &wish, sizeof(wish),
			   operation->fd, NULL);
}

static const struct step link_steps[] = { { "change the link", link_start, KVM_COMMAND_MS } };

static void
engine_kvm_set_link(struct engine_vm *vm, gboolean up, int peer, const struct steps_call *call)
{
	kvm_operation_run(vm, link_steps, G_N_ELEMENTS(link_steps), up, up ? peer : -1, call);
}

static void
shot_take_shape(struct steps *steps, void *context, const void *payload)
{
	struct kvm_operation *operation = context;

	memcpy(&operation->shape, payload, sizeof(operation->shape));
	steps_next(steps);
}

static void
shot_start_ask(struct steps *steps, void *context)
{
	struct kvm_operation *operation = context;

	operation->picture = memfd_create("picture", MFD_CLOEXEC);
	if (operation->picture < 0)
		steps_fail(steps, g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED,
						      "there is no memory for the picture"));
	else
		kvm_vm_ask(operation->kvm, steps, context, VMM_SCREENSHOT, NULL, 0,
			   operation->picture, shot_take_shape);
}

static void
shot_run_write(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	const struct kvm_operation *operation = g_object_get_data(G_OBJECT(task), "operation");
	const struct picture picture = { .fd = operation->picture,
					 .width = operation->shape.width,
					 .height = operation->shape.height,
					 .stride = operation->shape.stride };
	GError *error = NULL;

	(void)source, (void)data, (void)cancellable;
	if (picture_write_png(&picture, operation->fd, &error))
		g_task_return_boolean(task, TRUE);
	else
		g_task_return_error(task, error);
}

static void
shot_start_write(struct steps *steps, void *context)
{
	GTask *task = g_task_new(NULL, steps_get_cancellable(steps), steps_handle_boolean,
				 steps_ref(steps));

	g_object_set_data(G_OBJECT(task), "operation", context);
	g_task_run_in_thread(task, shot_run_write);
	g_object_unref(task);
}

static const struct step shot_steps[] = {
	{ "take the picture", shot_start_ask, KVM_COMMAND_MS },
	{ "write it as PNG", shot_start_write, PICTURE_MS },
};

static void
engine_kvm_screenshot(struct engine_vm *vm, int file, const struct steps_call *call)
{
	kvm_operation_run(vm, shot_steps, G_N_ELEMENTS(shot_steps), FALSE, file, call);
}

/* The step's result is a new connection to one of the machine's sockets. */
static void
kvm_operation_dial(struct steps *steps, struct kvm_operation *operation, const char *name, int type)
{
	int fd = kvm_vm_dial(operation->kvm, steps, name, type);

	if (fd < 0)
		return;
	steps_set_fd(steps, fd);
	steps_next(steps);
}

static void
display_start(struct steps *steps, void *context)
{
	kvm_operation_dial(steps, context, "display", SOCK_SEQPACKET);
}

static const struct step display_steps[] = { { "connect", display_start, 1000 } };

static void
engine_kvm_display_source(struct engine_vm *vm, const struct steps_call *call)
{
	kvm_operation_run(vm, display_steps, G_N_ELEMENTS(display_steps), FALSE, -1, call);
}

static void
channel_start(struct steps *steps, void *context)
{
	const struct kvm_operation *operation = context;

	kvm_operation_dial(steps, context, operation->flag ? "vdagent" : "agent", SOCK_STREAM);
}

static const struct step channel_steps[] = { { "connect", channel_start, 1000 } };

static void
engine_kvm_agent_channel(struct engine_vm *vm, gboolean vdagent, const struct steps_call *call)
{
	kvm_operation_run(vm, channel_steps, G_N_ELEMENTS(channel_steps), vdagent, -1, call);
}

const struct engine_ops engine_kvm_ops = {
	.name = "kvm",
	.role = LAUNCH_ROLE_VMM,
	.process = "vmm",
	.source = DISPLAY_SOURCE_VMM,
	.control = LAUNCH_SOCKET_VMM,
	.boots = TRUE,
	.probe = engine_kvm_probe,
	.vm_new = engine_kvm_vm_new,
	.vm_free = engine_kvm_vm_free,
	.seal = engine_kvm_seal,
	.fork = engine_kvm_fork,
	.adopt = engine_kvm_adopt,
	.powerdown = engine_kvm_powerdown,
	.set_link = engine_kvm_set_link,
	.screenshot = engine_kvm_screenshot,
	.display_source = engine_kvm_display_source,
	.agent_channel = engine_kvm_agent_channel,
};
