/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu_state.c - all registers of one vCPU: read, written, and made ready for a kernel's first
 * instruction (carrel-vmm)
 *
 * How it works: vcpu_state_new() reads every register that KVM keeps, in the order in which reading
 * one does not change another (the LAPIC and the MP state may move on when they are read).
 * vcpu_state_load() writes them in the order in which they depend on each other: special registers
 * hold the LAPIC's base and so come before the LAPIC, which picks its timer's mode and so comes
 * before the MSRs, among which is the timer's deadline; events come last, since writing registers
 * clears pending exceptions.
 *
 * KVM lists MSRs that this CPUID does not have: those that cannot be read, or cannot be written
 * back as they were, are left out of the list once, so that from then on every write has to
 * succeed. The time stamp counter is written as 0, which KVM takes as "starts now, together with
 * the other vCPUs".
 */
#include "vmm/vcpu_state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/cpuid_table.h"
#include "vmm/kvm.h"

#define LEAF_XSAVE 0xd

#define MSR_TSC		      0x10
#define MSR_MISC_ENABLE	      0x1a0
#define MSR_MTRR_DEFAULT      0x2ff
#define FAST_STRINGS	      UINT64_C(1)     /* else Linux avoids "rep movs" */
#define MTRR_ON_AND_WRITEBACK UINT64_C(0xc06) /* else Linux does without the page attribute table */

#define CR0_PE	 UINT64_C(1)
#define CR0_ET	 (UINT64_C(1) << 4)
#define CR0_PG	 (UINT64_C(1) << 31)
#define CR4_PAE	 (UINT64_C(1) << 5)
#define EFER_LME (UINT64_C(1) << 8)
#define EFER_LMA (UINT64_C(1) << 10)

#define RFLAGS_RESERVED 2
#define SELECTOR_CODE	0x10
#define SELECTOR_DATA	0x18
#define SELECTOR_TASK	0x20
#define TYPE_CODE	0xb /* execute, read, accessed */
#define TYPE_DATA	0x3 /* read, write, accessed */
#define TYPE_TASK	0xb /* 32- or 64-bit task, busy */

struct vcpu_state {
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_msrs *msrs;
};

int
vcpu_state_set_cpuid(int vcpu_fd, const struct cpuid_table *table)
{
	CLEANUP_FREE struct kvm_cpuid2 *list =
		calloc(1, sizeof(*list) + CPUID_TABLE_MAX * sizeof(list->entries[0]));

	if (!list)
		return -ENOMEM;
	list->nent = (uint32_t)table->n_leaves;
	for (size_t i = 0; i < table->n_leaves; i++)
		list->entries[i] = (struct kvm_cpuid_entry2){
			.function = table->leaves[i].leaf,
			.index = table->leaves[i].subleaf,
			.flags = table->leaves[i].indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
			.eax = table->leaves[i].eax,
			.ebx = table->leaves[i].ebx,
			.ecx = table->leaves[i].ecx,
			.edx = table->leaves[i].edx,
		};
	return ioctl(vcpu_fd, KVM_SET_CPUID2, list) < 0 ? -errno : 0;
}

static void
vcpu_state_drop_msr(struct kvm_msrs *msrs, size_t index)
{
	msrs->nmsrs--;
	memmove(&msrs->entries[index], &msrs->entries[index + 1],
		(msrs->nmsrs - index) * sizeof(msrs->entries[0]));
}

/* Both ioctls say how many MSRs from the first on they could do. */
static int
vcpu_state_keep_working_msrs(int vcpu_fd, struct kvm_msrs *msrs, unsigned long request)
{
	while (msrs->nmsrs > 0) {
		int done = ioctl(vcpu_fd, request, msrs);

		if (done < 0)
			return -errno;
		if ((uint32_t)done >= msrs->nmsrs)
			return 0;
		vcpu_state_drop_msr(msrs, (size_t)done);
	}
	return 0;
}

/* To what firmware would have left there; the time stamp counter is explained above. */
static void
vcpu_state_adjust_msr(struct kvm_msr_entry *msr)
{
	if (msr->index == MSR_TSC)
		msr->data = 0;
	else if (msr->index == MSR_MISC_ENABLE)
		msr->data |= FAST_STRINGS;
	else if (msr->index == MSR_MTRR_DEFAULT)
		msr->data = MTRR_ON_AND_WRITEBACK;
}

static int
vcpu_state_read_msrs(struct vcpu_state *state, struct kvm *kvm, int vcpu_fd)
{
	CLEANUP_FREE uint32_t *numbers = NULL;
	size_t n_numbers = 0;
	int error;

	error = kvm_list_msrs(kvm, &numbers, &n_numbers);
	if (error < 0)
		return error;
	state->msrs =
		calloc(1, sizeof(*state->msrs) + (n_numbers + 1) * sizeof(state->msrs->entries[0]));
	if (!state->msrs)
		return -ENOMEM;
	state->msrs->nmsrs = (uint32_t)n_numbers;
	for (size_t i = 0; i < n_numbers; i++)
		state->msrs->entries[i].index = numbers[i];
	error = vcpu_state_keep_working_msrs(vcpu_fd, state->msrs, KVM_GET_MSRS);
	if (error < 0)
		return error;
	for (size_t i = 0; i < state->msrs->nmsrs; i++)
		vcpu_state_adjust_msr(&state->msrs->entries[i]);
	return vcpu_state_keep_working_msrs(vcpu_fd, state->msrs, KVM_SET_MSRS);
}

/*
 * As if firmware had switched on all that the model has. KVM would learn it from the kernel's
 * XSETBV, too, but in a KVM host inside QEMU that instruction gets by it, and the kernel then finds
 * another size of the registers in CPUID.
 */
static void
vcpu_state_open_xcr0(struct vcpu_state *state, const struct cpuid_table *cpuid)
{
	for (size_t i = 0; i < cpuid->n_leaves; i++)
		if (cpuid->leaves[i].leaf == LEAF_XSAVE && cpuid->leaves[i].subleaf == 0 &&
		    state->xcrs.nr_xcrs > 0)
			state->xcrs.xcrs[0].value = cpuid->leaves[i].eax;
}

static int
vcpu_state_read(struct vcpu_state *state, struct kvm *kvm, int vcpu_fd)
{
	if (ioctl(vcpu_fd, KVM_GET_MP_STATE, &state->mp) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_REGS, &state->regs) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_SREGS, &state->sregs) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_XSAVE, &state->xsave) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_XCRS, &state->xcrs) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_DEBUGREGS, &state->debug) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_LAPIC, &state->lapic) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &state->events) < 0)
		return -errno;
	return vcpu_state_read_msrs(state, kvm, vcpu_fd);
}

int
vcpu_state_new(struct kvm *kvm, int vcpu_fd, const struct cpuid_table *cpuid,
	       struct vcpu_state **ret_state)
{
	struct vcpu_state *state = calloc(1, sizeof(*state));
	int error;

	if (!state)
		return -ENOMEM;
	error = vcpu_state_read(state, kvm, vcpu_fd);
	if (error < 0) {
		vcpu_state_free(state);
		return error;
	}
	vcpu_state_open_xcr0(state, cpuid);
	*ret_state = state;
	return 0;
}

void
vcpu_state_free(struct vcpu_state *state)
{
	if (!state)
		return;
	free(state->msrs);
	free(state);
}

int
vcpu_state_load(const struct vcpu_state *state, int vcpu_fd)
{
	int done;

	if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &state->mp) < 0 ||
	    ioctl(vcpu_fd, KVM_SET_REGS, &state->regs) < 0 ||
	    ioctl(vcpu_fd, KVM_SET_SREGS, &state->sregs) < 0 ||
	    ioctl(vcpu_fd, KVM_SET_XSAVE, &state->xsave) < 0 ||
	    ioctl(vcpu_fd, KVM_SET_XCRS, &state->xcrs) < 0 ||
	    ioctl(vcpu_fd, KVM_SET_DEBUGREGS, &state->debug) < 0 ||
	    ioctl(vcpu_fd, KVM_SET_LAPIC, &state->lapic) < 0)
		return -errno;
	done = ioctl(vcpu_fd, KVM_SET_MSRS, state->msrs);
	if (done < 0)
		return -errno;
	if ((uint32_t)done != state->msrs->nmsrs)
		return -EIO;
	return ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &state->events) < 0 ? -errno : 0;
}

static void
vcpu_state_set_segments(struct kvm_sregs *sregs, bool is_long)
{
	struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = SELECTOR_CODE,
		.type = TYPE_CODE,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = is_long,
		.db = !is_long,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = SELECTOR_DATA,
		.type = TYPE_DATA,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = 1,
	};
	struct kvm_segment task = {
		.limit = 0x67, .selector = SELECTOR_TASK, .type = TYPE_TASK, .present = 1
	};

	sregs->cs = code;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = task;
}

int
vcpu_state_enter(int vcpu_fd, const struct vcpu_entry *entry)
{
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rsp = entry->rsp,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rflags = RFLAGS_RESERVED,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cr0 = CR0_PE | CR0_ET;
	vcpu_state_set_segments(&sregs, entry->mode == VCPU_MODE_LONG);
	sregs.gdt = (struct kvm_dtable){ .base = entry->gdt, .limit = entry->gdt_limit };
	sregs.idt = (struct kvm_dtable){ .base = 0, .limit = 0 };
	if (entry->mode == VCPU_MODE_LONG) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = entry->page_table;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
	}
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}
