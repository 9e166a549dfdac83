/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu_state.c - all registers of one vCPU: read, written, and made ready for a kernel's first
 * instruction (carrel-vmm)
 *
 * How it works: vcpu_state_new() reads every register that KVM keeps, in the order in which reading
 * one does not change another: the MP state first and the LAPIC before the MSRs, since they may move
 * on when they are read, and pending events last, whatever brought them about. vcpu_state_load()
 * writes them in the order in which they depend on each other: special registers hold the LAPIC's
 * base and so come before the LAPIC, which picks its timer's mode and so comes before the MSRs,
 * among which is the timer's deadline; events come last, since writing registers clears pending
 * exceptions.
 *
 * KVM lists MSRs that this CPUID does not have: those that cannot be read, or cannot be written
 * back as they were, are left out of the list once, so that from then on every write has to
 * succeed. KVM writes them in the list's order: the timer's deadline is the last, after the time
 * stamp counter that it is measured by. For power-on that counter is written as 0, which KVM takes
 * as "starts now, together with the other vCPUs".
 *
 * The extended registers are KVM_GET_XSAVE's 4 KiB, not KVM_GET_XSAVE2's: a guest has AVX at most,
 * 832 bytes (base/cpu_model.c), and more than 4 KiB there are only in a process that has asked Linux
 * for AMX on its guests' behalf. That size is part of a state's identity, as all of CPUID is
 * (vmm/machine_state.c); the capabilities that a state needs are the same ones on every host
 * (base/kvm_needs.c).
 *
 * vcpu_state_read_now() reads the same list again while the vCPU stands. A deadline of 0 with the
 * timer in that mode may mean that it has run out and its interrupt is lost with the process: it is
 * saved as "now", and comes again. Once too often does no harm.
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
#include "vmm/state_file.h"

#define MAX_MSRS   2048
#define LEAF_XSAVE 0xd

#define MSR_TSC		      0x10
#define MSR_TSC_DEADLINE      0x6e0
#define MSR_MISC_ENABLE	      0x1a0
#define MSR_MTRR_DEFAULT      0x2ff
#define FAST_STRINGS	      UINT64_C(1)     /* else Linux avoids "rep movs" */
#define MTRR_ON_AND_WRITEBACK UINT64_C(0xc06) /* else Linux does without the page attribute table */

#define LAPIC_TIMER	     0x320 /* its entry in the local vector table */
#define LAPIC_TIMER_MODES    (UINT32_C(3) << 17)
#define LAPIC_TIMER_DEADLINE (UINT32_C(2) << 17)
#define LAPIC_TIMER_MASKED   (UINT32_C(1) << 16)

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

static struct kvm_msr_entry *
vcpu_state_find_msr(const struct vcpu_state *state, uint32_t index)
{
	for (size_t i = 0; i < state->msrs->nmsrs; i++)
		if (state->msrs->entries[i].index == index)
			return &state->msrs->entries[i];
	return NULL;
}

static void
vcpu_state_move_deadline_last(struct vcpu_state *state)
{
	struct kvm_msr_entry *deadline = vcpu_state_find_msr(state, MSR_TSC_DEADLINE);
	struct kvm_msr_entry moved;

	if (!deadline)
		return;
	moved = *deadline;
	vcpu_state_drop_msr(state->msrs, (size_t)(deadline - state->msrs->entries));
	state->msrs->entries[state->msrs->nmsrs++] = moved;
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
vcpu_state_new_msrs(struct vcpu_state *state, size_t n_msrs)
{
	state->msrs =
		calloc(1, sizeof(*state->msrs) + (n_msrs + 1) * sizeof(state->msrs->entries[0]));
	if (!state->msrs)
		return -ENOMEM;
	state->msrs->nmsrs = (uint32_t)n_msrs;
	return 0;
}

/* Those of a vCPU after power-on, and which ones there are. */
static int
vcpu_state_find_msrs(struct vcpu_state *state, struct kvm *kvm, int vcpu_fd)
{
	CLEANUP_FREE uint32_t *numbers = NULL;
	size_t n_numbers = 0;
	int error;

	error = kvm_list_msrs(kvm, &numbers, &n_numbers);
	if (error == 0)
		error = vcpu_state_new_msrs(state, n_numbers);
	if (error < 0)
		return error;
	for (size_t i = 0; i < n_numbers; i++)
		state->msrs->entries[i].index = numbers[i];
	vcpu_state_move_deadline_last(state);
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

/* What comes before the MSRs. */
static int
vcpu_state_read_registers(struct vcpu_state *state, int vcpu_fd)
{
	if (ioctl(vcpu_fd, KVM_GET_MP_STATE, &state->mp) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_REGS, &state->regs) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_SREGS, &state->sregs) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_XSAVE, &state->xsave) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_XCRS, &state->xcrs) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_DEBUGREGS, &state->debug) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_LAPIC, &state->lapic) < 0)
		return -errno;
	return 0;
}

static int
vcpu_state_read_events(struct vcpu_state *state, int vcpu_fd)
{
	return ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &state->events) < 0 ? -errno : 0;
}

int
vcpu_state_new(struct kvm *kvm, int vcpu_fd, const struct cpuid_table *cpuid,
	       struct vcpu_state **ret_state)
{
	struct vcpu_state *state = calloc(1, sizeof(*state));
	int error;

	if (!state)
		return -ENOMEM;
	error = vcpu_state_read_registers(state, vcpu_fd);
	if (error == 0)
		error = vcpu_state_find_msrs(state, kvm, vcpu_fd);
	if (error == 0)
		error = vcpu_state_read_events(state, vcpu_fd);
	if (error < 0) {
		vcpu_state_free(state);
		return error;
	}
	vcpu_state_open_xcr0(state, cpuid);
	*ret_state = state;
	return 0;
}

static void
vcpu_state_keep_timer(struct vcpu_state *state)
{
	struct kvm_msr_entry *deadline = vcpu_state_find_msr(state, MSR_TSC_DEADLINE);
	uint32_t timer;

	memcpy(&timer, state->lapic.regs + LAPIC_TIMER, sizeof(timer));
	if (deadline && deadline->data == 0 && !(timer & LAPIC_TIMER_MASKED) &&
	    (timer & LAPIC_TIMER_MODES) == LAPIC_TIMER_DEADLINE)
		deadline->data = vcpu_state_get_tsc(state);
}

static int
vcpu_state_read_msrs(struct vcpu_state *state, int vcpu_fd)
{
	int done = ioctl(vcpu_fd, KVM_GET_MSRS, state->msrs);

	if (done < 0)
		return -errno;
	return (uint32_t)done == state->msrs->nmsrs ? 0 : -EIO;
}

int
vcpu_state_read_now(int vcpu_fd, const struct vcpu_state *power_on, struct vcpu_state **ret_state)
{
	struct vcpu_state *state = calloc(1, sizeof(*state));
	int error = state ? vcpu_state_new_msrs(state, power_on->msrs->nmsrs) : -ENOMEM;

	if (error == 0) {
		memcpy(state->msrs->entries, power_on->msrs->entries,
		       power_on->msrs->nmsrs * sizeof(power_on->msrs->entries[0]));
		error = vcpu_state_read_registers(state, vcpu_fd);
	}
	if (error == 0)
		error = vcpu_state_read_msrs(state, vcpu_fd);
	if (error == 0)
		error = vcpu_state_read_events(state, vcpu_fd);
	if (error < 0) {
		vcpu_state_free(state);
		return error;
	}
	vcpu_state_keep_timer(state);
	*ret_state = state;
	return 0;
}

uint64_t
vcpu_state_get_tsc(const struct vcpu_state *state)
{
	const struct kvm_msr_entry *tsc = vcpu_state_find_msr(state, MSR_TSC);

	return tsc ? tsc->data : 0;
}

void
vcpu_state_set_tsc(struct vcpu_state *state, uint64_t tsc)
{
	struct kvm_msr_entry *entry = vcpu_state_find_msr(state, MSR_TSC);

	if (entry)
		entry->data = tsc;
}

/* The structs are KVM's own, whose layout is for good. */
void
vcpu_state_put(const struct vcpu_state *state, struct state_writer *writer)
{
	state_put_u32(writer, state->mp.mp_state);
	state_put_bytes(writer, &state->regs, sizeof(state->regs));
	state_put_bytes(writer, &state->sregs, sizeof(state->sregs));
	state_put_bytes(writer, &state->xsave, sizeof(state->xsave));
	state_put_bytes(writer, &state->xcrs, sizeof(state->xcrs));
	state_put_bytes(writer, &state->debug, sizeof(state->debug));
	state_put_bytes(writer, &state->lapic, sizeof(state->lapic));
	state_put_bytes(writer, &state->events, sizeof(state->events));
	state_put_u32(writer, state->msrs->nmsrs);
	for (size_t i = 0; i < state->msrs->nmsrs; i++) {
		state_put_u32(writer, state->msrs->entries[i].index);
		state_put_u64(writer, state->msrs->entries[i].data);
	}
}

static int
vcpu_state_take_values(struct state_reader *reader, struct vcpu_state *state)
{
	uint32_t n_msrs;

	state->mp.mp_state = state_take_u32(reader);
	state_take_bytes(reader, &state->regs, sizeof(state->regs));
	state_take_bytes(reader, &state->sregs, sizeof(state->sregs));
	state_take_bytes(reader, &state->xsave, sizeof(state->xsave));
	state_take_bytes(reader, &state->xcrs, sizeof(state->xcrs));
	state_take_bytes(reader, &state->debug, sizeof(state->debug));
	state_take_bytes(reader, &state->lapic, sizeof(state->lapic));
	state_take_bytes(reader, &state->events, sizeof(state->events));
	n_msrs = state_take_count(reader, MAX_MSRS);
	if (vcpu_state_new_msrs(state, n_msrs) < 0)
		return state_reader_refuse(reader, "out of memory");
	for (size_t i = 0; i < n_msrs; i++) {
		state->msrs->entries[i].index = state_take_u32(reader);
		state->msrs->entries[i].data = state_take_u64(reader);
	}
	return state_reader_check(reader);
}

int
vcpu_state_take(struct state_reader *reader, struct vcpu_state **ret_state)
{
	struct vcpu_state *state = calloc(1, sizeof(*state));
	int error = state ? vcpu_state_take_values(reader, state)
			  : state_reader_refuse(reader, "out of memory");

	if (error < 0) {
		vcpu_state_free(state);
		return error;
	}
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
vcpu_state_load(const struct vcpu_state *state, int vcpu_fd, uint32_t *ret_msr)
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
	if ((uint32_t)done != state->msrs->nmsrs) {
		*ret_msr = state->msrs->entries[done].index;
		return -ENOTSUP;
	}
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
