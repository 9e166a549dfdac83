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
	struct log_limit link_lines;
	struct process_watch process;
	struct steps *booting; /* fails when the machine ends */
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

/* None runs yet; an adopted one's pidfd is given to process_watch_begin(). */
void kvm_vm_init_process(struct kvm_vm *kvm);

/* Starts the process; ends the step when it is there. The command is only borrowed. */
void kvm_vm_spawn(struct kvm_vm *kvm, struct steps *steps, const struct vmm_command *command,
		  guint64 memory_max_bytes);

/* Connects and asks for the state; ends the step when the peer is a carrel-vmm of our protocol. */
void kvm_vm_connect(struct kvm_vm *kvm, struct steps *steps);

/* Takes the connection down; nobody dials again. */
void kvm_vm_disconnect(struct kvm_vm *kvm);

/* From here on the end of the machine fails this step; NULL: no more. */
void kvm_vm_set_booting(struct kvm_vm *kvm, struct steps *steps);

/* A new connection to one of its sockets; -1 when the step was failed. */
int kvm_vm_dial(struct kvm_vm *kvm, struct steps *steps, const char *name, int type);

void engine_kvm_fork(struct engine_vm *vm, const struct engine_template *source,
		     const char *overlay_path, const struct steps_call *call);

#endif
