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
/* Writes them, as the reset line does. */
int vcpu_state_load(const struct vcpu_state *state, int vcpu_fd);

int vcpu_state_enter(int vcpu_fd, const struct vcpu_entry *entry);

#endif
