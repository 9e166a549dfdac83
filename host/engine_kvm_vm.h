/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_kvm_vm.h - what the files of engine kvm share: one carrel-vmm process and the connection to it
 */
#ifndef HOST_ENGINE_KVM_VM_H
#define HOST_ENGINE_KVM_VM_H

#include "base/log.h"
#include "host/engine.h"
#include "host/process_watch.h"
#include "host/vmm_control.h"
#include "host/vmm_machine.h"

#define KVM_COMMAND_MS 10000

struct kvm_vm {
	struct engine_vm vm; /* first: the table's functions get this one */
	const struct engine_spawner *spawner;
	char *folder;
	int sockets[LAUNCH_SOCKET_COUNT];
	int device; /* /dev/kvm where we were given it; -1: opened when needed */
	engine_event_callback callback;
	void *context;
	struct vmm_control *link;
	guint redial; /* a source, while the connection is lost; or 0 */
	guint ended;  /* the process has, and that is not told yet */
	struct log_limit link_lines;
	struct process_watch process;
	struct steps *booting; /* fails when the machine ends */
	struct steps *filling; /* fails when the guest's disk finds no room on the host's */
	struct steps *exiting; /* waits for the end of the process */
};

static inline struct kvm_vm *
kvm_vm_of(struct engine_vm *vm)
{
	return (struct kvm_vm *)vm;
}

/* A request as (part of) a step: an error fails the step; otherwise "then" gets the answer (NULL: steps_next()). */
typedef void (*kvm_answer_function)(struct steps *steps, void *context, const void *payload);
void kvm_vm_ask(struct kvm_vm *kvm, struct steps *steps, void *context, enum vmm_type type,
		const void *payload, gsize size, int fd, kvm_answer_function then);

/* The same without payload and answer, for what need not succeed: carrel-vmm's refusal ends the step as well. */
void kvm_vm_try(struct kvm_vm *kvm, struct steps *steps, enum vmm_type type);

/* VMM_SEAL with the files of a suspended machine, as a step. */
void kvm_vm_suspend(struct kvm_vm *kvm, struct steps *steps, const struct engine_image *image);

/* None runs yet; an adopted one's pidfd is given to process_watch_begin(). */
void kvm_vm_init_process(struct kvm_vm *kvm);

/* Connects and asks for the state; ends the step when the peer is a carrel-vmm of our protocol. */
void kvm_vm_connect(struct kvm_vm *kvm, struct steps *steps);

/* Takes the connection down; nobody dials again. */
void kvm_vm_disconnect(struct kvm_vm *kvm);

/* From here on the end of the machine fails this step; NULL: no more. */
void kvm_vm_set_booting(struct kvm_vm *kvm, struct steps *steps);

/* From here on the step fails when the host's disk is full; without one the guest stands until there is room. */
void kvm_vm_set_filling(struct kvm_vm *kvm, struct steps *steps);

/* Has the process end, connected or not; ends the step when it has, with all that its guest wrote; that fails no other. */
void kvm_vm_quit(struct kvm_vm *kvm, struct steps *steps);

/* Describes the machine, with its own id and sockets, and starts the process; ends the step when it is there. */
void kvm_vm_start(struct kvm_vm *kvm, struct steps *steps, struct vmm_machine *machine,
		  guint64 memory_max_bytes);

/* A new descriptor of /dev/kvm; -1 when the step was failed. */
int kvm_vm_open_device(struct kvm_vm *kvm, struct steps *steps);

/* A new connection to one of its sockets; -1 when the step was failed. */
int kvm_vm_dial(struct kvm_vm *kvm, struct steps *steps, const char *name, int type);

void engine_kvm_seal(struct engine_vm *vm, const struct engine_seal *request,
		     const struct steps_call *call);
void engine_kvm_fork(struct engine_vm *vm, const struct engine_template *source,
		     const char *overlay_path, const struct steps_call *call);
void engine_kvm_restore(struct engine_vm *vm, const struct engine_template *source,
			const char *overlay_path, const struct engine_image *image,
			const struct steps_call *call);

/* engine_kvm_suspend.c */
guint64 engine_kvm_measure(struct engine_vm *vm, guint64 ram_bytes);
void engine_kvm_suspend(struct engine_vm *vm, const struct engine_image *image,
			const struct steps_call *call);
void engine_kvm_end(struct engine_vm *vm, int pidfd, const struct steps_call *call);
void engine_kvm_resume(struct engine_vm *vm, const struct steps_call *call);
void engine_kvm_adopt(struct engine_vm *vm, int pidfd, const struct steps_call *call);

#endif
