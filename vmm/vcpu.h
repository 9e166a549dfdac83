/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu.h - one vCPU and its thread: runs the guest, hands each exit to the bus or to the machine
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/vcpu_state.h"

struct bus;
struct cpuid_table;
struct kvm;
struct vcpu;

#define VCPU_REASON_BYTES 100

/* Why a vCPU stands without having been asked to. */
enum vcpu_end {
	VCPU_END_RESET,	   /* triple fault: a PC resets */
	VCPU_END_SHUTDOWN, /* KVM_EXIT_SYSTEM_EVENT */
	VCPU_END_FAILED,   /* it cannot go on: ret_reason says why */
};

/* What the machine gives its vCPUs; stays the machine's. */
struct vcpu_host {
	pthread_mutex_t *lock; /* the machine's: held around bus accesses and around "ended" */
	struct bus *pio;
	struct bus *mmio;
	/* First thing in the new thread, for its system call filter; may be NULL. */
	int (*enter_thread)(void *context);
	/* From the vCPU's thread, which stands afterwards. */
	void (*ended)(void *context, uint32_t index, enum vcpu_end end, const char *reason);
	void *context;
};

/* Makes the vCPU and its thread; it stands. The host's struct must outlive it. 0 or -errno. */
int vcpu_new(struct kvm *kvm, uint32_t index, const struct cpuid_table *cpuid,
	     const struct vcpu_host *host, struct vcpu **ret_vcpu);
/* Ends the thread, too. Without the machine's lock. NULL is allowed. */
void vcpu_free(struct vcpu *vcpu);

/* Both return at once. */
void vcpu_run(struct vcpu *vcpu);
void vcpu_stop(struct vcpu *vcpu);
/*
 * After vcpu_stop(): waits until it stands, its last access completed. Without the machine's lock,
 * which it may want.
 */
void vcpu_wait(struct vcpu *vcpu);

/*
 * While it stands: the registers as after power-on; "entry" (may be NULL) is where the first vCPU
 * begins.
 */
int vcpu_reset(struct vcpu *vcpu, const struct vcpu_entry *entry);

uint64_t vcpu_get_exits(const struct vcpu *vcpu);

#endif
