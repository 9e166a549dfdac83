/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm_suspend.c - a fork is written to files, or goes on (carrel-hostd)
 *
 * How it works: its vCPUs stop (PAUSE), and carrel-vmm writes what the machine is into one file and the memory that is not its
 * template's into the other (SEAL with two descriptors). Before it does, what it knows of the overlay is in the file and durable
 * (virtio_blk_sync()), so that it may end by QUIT or by a crash.
 *
 * A hostd that was restarted may find a machine that stands in the middle of that. Therefore adopting includes resuming, and
 * both wait for one that writes: until it has done so it answers nobody. One that waits for room on the host's disk goes on by
 * itself, and one that is let go on may turn out to (resume_take_outcome).
 */
#include <string.h>
#include <unistd.h>

#include "host/engine_kvm_vm.h"
#include "host/process_memory.h"

#define PAUSE_MS 60000	/* until what is on its way to the disk is there */
#define SAVE_MS	 600000 /* what a guest may have changed of 16 GiB, on a slow disk */
#define QUIT_MS	 120000 /* until all that the guest wrote is durable */

struct kvm_suspend {
	struct kvm_vm *kvm;
	struct engine_image image; /* -1: not for this */
	gboolean stands;	   /* by a PAUSE */
};

static void
kvm_suspend_free(gpointer data)
{
	struct kvm_suspend *suspend = data;

	if (suspend->image.state >= 0)
		close(suspend->image.state);
	if (suspend->image.pages >= 0)
		close(suspend->image.pages);
	g_free(suspend);
}

static void
suspend_start_pause(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	kvm_vm_ask(suspend->kvm, steps, context, VMM_PAUSE, NULL, 0, -1, NULL);
}

static void
suspend_start_save(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	kvm_vm_suspend(suspend->kvm, steps, &suspend->image);
}

static const struct step suspend_steps[] = {
	{ "stop its vCPUs", suspend_start_pause, PAUSE_MS },
	{ "save state and memory", suspend_start_save, SAVE_MS },
};

static void
end_start_quit(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	kvm_vm_quit(suspend->kvm, steps);
}

static const struct step end_steps[] = {
	{ "end the process", end_start_quit, QUIT_MS },
};

static void
suspend_start_connect(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	if (suspend->kvm->link)
		steps_next(steps);
	else
		kvm_vm_connect(suspend->kvm, steps);
}

static void
resume_take_status(struct steps *steps, void *context, const void *payload)
{
	struct kvm_suspend *suspend = context;
	struct vmm_status status;

	memcpy(&status, payload, sizeof(status));
	suspend->stands =
		status.state == VMM_STATE_PAUSED && status.pause_reason == VMM_PAUSE_ASKED;
	steps_next(steps);
}

static void
resume_start_status(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	kvm_vm_ask(suspend->kvm, steps, context, VMM_STATUS, NULL, 0, -1, resume_take_status);
}

static void
resume_start_run(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	if (suspend->stands)
		kvm_vm_try(suspend->kvm, steps, VMM_RESUME);
	else
		steps_next(steps);
}

static void
resume_take_outcome(struct steps *steps, void *context, const void *payload)
{
	struct vmm_status status;

	(void)context;
	memcpy(&status, payload, sizeof(status));
	if (status.state == VMM_STATE_PAUSED && status.pause_reason == VMM_PAUSE_ASKED)
		steps_fail(steps,
			   g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED,
					       "carrel-vmm does not let its guest go on; its log "
					       "says why"));
	else
		steps_next(steps);
}

static void
resume_start_look(struct steps *steps, void *context)
{
	struct kvm_suspend *suspend = context;

	if (suspend->stands)
		kvm_vm_ask(suspend->kvm, steps, context, VMM_STATUS, NULL, 0, -1,
			   resume_take_outcome);
	else
		steps_next(steps);
}

static const struct step adopt_steps[] = {
	{ "connect", suspend_start_connect, SAVE_MS },
	{ "ask whether it runs", resume_start_status, SAVE_MS },
	{ "run", resume_start_run, PAUSE_MS },
	{ "ask whether it does", resume_start_look, KVM_COMMAND_MS },
};

static void
kvm_suspend_run(struct engine_vm *vm, const struct step *table, gsize n,
		const struct engine_image *image, const struct steps_call *call)
{
	struct kvm_suspend *suspend = g_new0(struct kvm_suspend, 1);

	suspend->kvm = kvm_vm_of(vm);
	suspend->image.state = image ? dup(image->state) : -1;
	suspend->image.pages = image ? dup(image->pages) : -1;
	steps_run(table, n, suspend, kvm_suspend_free, call);
}

void
engine_kvm_suspend(struct engine_vm *vm, const struct engine_image *image,
		   const struct steps_call *call)
{
	kvm_suspend_run(vm, suspend_steps, G_N_ELEMENTS(suspend_steps), image, call);
}

/* Its own pages are among what its process does not share. */
guint64
engine_kvm_measure(struct engine_vm *vm, guint64 ram_bytes)
{
	const struct kvm_vm *kvm = kvm_vm_of(vm);
	guint64 bytes = process_memory_get_private("", kvm->process.pidfd);

	return MIN(bytes, ram_bytes);
}

void
engine_kvm_end(struct engine_vm *vm, int pidfd, const struct steps_call *call)
{
	if (pidfd >= 0)
		process_watch_begin(&kvm_vm_of(vm)->process, pidfd);
	kvm_suspend_run(vm, end_steps, G_N_ELEMENTS(end_steps), NULL, call);
}

void
engine_kvm_adopt(struct engine_vm *vm, int pidfd, const struct steps_call *call)
{
	process_watch_begin(&kvm_vm_of(vm)->process, pidfd);
	kvm_suspend_run(vm, adopt_steps, G_N_ELEMENTS(adopt_steps), NULL, call);
}

/* What is adopted; mostly it is connected. */
void
engine_kvm_resume(struct engine_vm *vm, const struct steps_call *call)
{
	kvm_suspend_run(vm, adopt_steps, G_N_ELEMENTS(adopt_steps), NULL, call);
}
