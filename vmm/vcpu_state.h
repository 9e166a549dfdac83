/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu_state.h - all registers of one vCPU: read, written, and made ready for a kernel's first
 * instruction
 *
 * Only while the vCPU stands (vmm/vcpu.h). Functions return 0 or a negative errno.
 */
#ifndef VMM_VCPU_STATE_H
#define VMM_VCPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct cpuid_table;
struct kvm;
struct state_reader;
struct state_writer;
struct vcpu_state;

enum vcpu_mode {
	VCPU_MODE_PROTECTED, /* 32 bits without paging: PVH */
	/* 64 bits with paging: Linux, Documentation/x86/boot.rst, "64-bit boot protocol". */
	VCPU_MODE_LONG,
};

/*
 * How a kernel is entered. Flat segments: code 0x10, data 0x18, which the GDT in guest memory must
 * agree with.
 */
struct vcpu_entry {
	enum vcpu_mode mode;
	uint64_t rip;
	uint64_t rsp;
	uint64_t rbx;
	uint64_t rsi;
	uint64_t page_table; /* CR3, long mode only */
	uint64_t gdt;
	uint16_t gdt_limit;
};

int vcpu_state_set_cpuid(int vcpu_fd, const struct cpuid_table *table);

/*
 * Of a fresh vCPU with this processor: its registers after power-on, as firmware leaves them to a
 * kernel.
 */
int vcpu_state_new(struct kvm *kvm, int vcpu_fd, const struct cpuid_table *cpuid,
		   struct vcpu_state **ret_state);
void vcpu_state_free(struct vcpu_state *state);
/* Writes them, in the order in which they depend on each other. -ENOTSUP: KVM does not take *ret_msr. */
int vcpu_state_load(const struct vcpu_state *state, int vcpu_fd, uint32_t *ret_msr);

/*
 * What the vCPU's registers are now; the list of MSRs is that of "power_on". In an order in which
 * reading one does not change another, after the pending interrupt of a timer that has run out was
 * made to come again.
 */
int vcpu_state_read_now(int vcpu_fd, const struct vcpu_state *power_on,
			struct vcpu_state **ret_state);

/* In the section that is open. Taking: the caller frees *ret_state; 0 or the reader's error. */
void vcpu_state_put(const struct vcpu_state *state, struct state_writer *writer);
int vcpu_state_take(struct state_reader *reader, struct vcpu_state **ret_state);

/* The time stamp counter; the same value for all vCPUs makes KVM let them go on together. */
uint64_t vcpu_state_get_tsc(const struct vcpu_state *state);
void vcpu_state_set_tsc(struct vcpu_state *state, uint64_t tsc);

int vcpu_state_enter(int vcpu_fd, const struct vcpu_entry *entry);

#endif
