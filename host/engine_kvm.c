/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm.c - engine kvm's table of operations: carrel-vmm (carrel-hostd, carrel-worker)
 *
 * How it works: each operation is a short table of steps over the connection of engine_kvm_vm.c. Sealing is in
 * engine_kvm_seal.c, forking and restoring in engine_kvm_fork.c, suspending in engine_kvm_suspend.c. engine_kvm_check() says beforehand what a carrel-vmm would refuse a version for.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proto_source.h"
#include "host/engine_error.h"
#include "host/engine_kvm_vm.h"
#include "host/kvm_device.h"
#include "host/picture.h"

#define PICTURE_MS 10000

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

static gboolean
engine_kvm_check_machine(const struct manifest *manifest, GError **error)
{
	g_autofree char *format = g_strdup_printf("%d", manifest->state_format);

	if (strcmp(manifest->machine_type, VMM_MACHINE_TYPE) != 0)
		engine_error_set_foreign(error, "machine type", manifest->machine_type,
					 VMM_MACHINE_TYPE);
	else if (manifest->state_format != VMM_STATE_FORMAT)
		engine_error_set_foreign(error, "state format", format,
					 G_STRINGIFY(VMM_STATE_FORMAT));
	else if (strcmp(manifest->cpu, VMM_MACHINE_CPU) != 0)
		engine_error_set_foreign(error, "CPU model", manifest->cpu, VMM_MACHINE_CPU);
	else
		return TRUE;
	return FALSE;
}

static gboolean
engine_kvm_check(const struct manifest *manifest, int device, GError **error)
{
	CLEANUP_CLOSE int own = device < 0 ? kvm_device_open("") : -1;
	g_autofree char *sha256 = NULL;

	if (!vmm_machine_check_size(manifest->cpus, manifest->ram_mib, error) ||
	    !engine_kvm_check_machine(manifest, error))
		return FALSE;
	if (device < 0 && own < 0) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
				    kvm_device_explain(own));
		return FALSE;
	}
	sha256 = kvm_device_hash_cpu(device < 0 ? own : device, manifest->cpu, manifest->cpus,
				     error);
	if (!sha256)
		return FALSE;
	if (strcmp(sha256, manifest->cpuid_sha256) == 0)
		return TRUE;
	engine_error_set_foreign(error, "CPU", manifest->cpu, "another one under this name");
	return FALSE;
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
	kvm_vm_set_filling(kvm, NULL);
	g_clear_pointer(&kvm->exiting, steps_unref);
	process_watch_stop(&kvm->process);
	g_clear_handle_id(&kvm->ended, g_source_remove);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		if (kvm->sockets[i] >= 0)
			close(kvm->sockets[i]);
	if (kvm->device >= 0)
		close(kvm->device);
	g_free(kvm->folder);
	g_free(kvm);
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
	.probe = engine_kvm_probe,
	.check = engine_kvm_check,
	.vm_new = engine_kvm_vm_new,
	.vm_free = engine_kvm_vm_free,
	.seal = engine_kvm_seal,
	.fork = engine_kvm_fork,
	.suspend = engine_kvm_suspend,
	.measure = engine_kvm_measure,
	.restore = engine_kvm_restore,
	.end = engine_kvm_end,
	.resume = engine_kvm_resume,
	.adopt = engine_kvm_adopt,
	.powerdown = engine_kvm_powerdown,
	.set_link = engine_kvm_set_link,
	.screenshot = engine_kvm_screenshot,
	.display_source = engine_kvm_display_source,
	.agent_channel = engine_kvm_agent_channel,
};
