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
struct state_reader;
struct state_writer;
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

/*
 * Makes the vCPU and its thread; it stands. The host's struct must outlive it. Then either
 * vcpu_power_on() or vcpu_take() says what its registers are. 0 or -errno.
 */
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

/* Of a new one with this processor: it has just been switched on. */
int vcpu_power_on(struct vcpu *vcpu, struct kvm *kvm, const struct cpuid_table *cpuid);
/*
 * Its registers and those after power-on, in the section "cpu N"; it stands. Taking only reads
 * them; vcpu_load() writes them, with a time stamp counter that all vCPUs have together: the
 * largest that any of them was saved with. 0 or -errno; of taking, the reader's error; of loading,
 * -ENOTSUP when KVM does not take the MSR *ret_msr.
 */
int vcpu_save(struct vcpu *vcpu, struct state_writer *writer);
int vcpu_take(struct vcpu *vcpu, struct state_reader *reader, uint64_t *ret_tsc);
int vcpu_load(struct vcpu *vcpu, uint64_t tsc, uint32_t *ret_msr);

/* How fast its time stamp counter is; 0: KVM does not know. Setting: -ENOTSUP, this processor cannot. */
uint32_t vcpu_get_tsc_khz(const struct vcpu *vcpu);
int vcpu_set_tsc_khz(struct vcpu *vcpu, uint32_t khz);

/*
 * While it stands: the registers as after power-on; "entry" (may be NULL) is where the first vCPU
 * begins.
 */
int vcpu_reset(struct vcpu *vcpu, const struct vcpu_entry *entry);

uint64_t vcpu_get_exits(const struct vcpu *vcpu);

#endif
