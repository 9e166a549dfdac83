/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vcpu_state.c - vCPUs and KVM's own devices on /dev/kvm: what is set, saved, loaded into other
 * ones and saved again is the same, bit for bit
 *
 * Every register gets a value that it does not have after power-on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/unit/kvm_section.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/vcpu_stage.h"
#include "vmm/kvm.h"
#include "vmm/state_file.h"
#include "vmm/vcpu_state.h"

#define EXIT_SKIP	 77
#define MODEL		 "carrel-v0"
#define MSR_TSC		 0x10
#define MSR_SYSENTER_CS	 0x174
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_LSTAR	 0xc0000082
#define LAPIC_TIMER	 0x320
#define LAPIC_DEADLINE	 0x40033 /* TSC deadline, vector 0x33 */
#define LAPIC_SPURIOUS	 0xf0
#define FAR_AWAY	 UINT64_C(0x7000000000000000)
#define A_SECOND	 UINT64_C(1000000000)
#define GENERAL_FAULT	 13

static void
stage_set_msr(struct vcpu_stage *stage, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head = { .nmsrs = 1 }, .entry = { .index = index, .data = value } };

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_MSRS, &msrs), 1);
}

static uint64_t
stage_get_msr(struct vcpu_stage *stage, uint32_t index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head = { .nmsrs = 1 }, .entry = { .index = index } };

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_MSRS, &msrs), 1);
	return msrs.entry.data;
}

static void
stage_set_lapic(struct vcpu_stage *stage, uint32_t offset, uint32_t value)
{
	struct kvm_lapic_state lapic;

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + offset, &value, sizeof(value));
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_LAPIC, &lapic), 0);
}

static void
stage_set_registers(struct vcpu_stage *stage)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debug;
	struct kvm_xsave xsave;

	for (size_t i = 0; i < sizeof(regs) / sizeof(uint64_t); i++)
		((uint64_t *)&regs)[i] = 0x1010101010101010 + i;
	regs.rflags = 0x246;
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_REGS, &regs), 0);
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_SREGS, &sregs), 0);
	sregs.gdt = (struct kvm_dtable){ .base = 0x12340, .limit = 0x57 };
	sregs.idt = (struct kvm_dtable){ .base = 0x45670, .limit = 0x3ff };
	sregs.cr2 = 0xabcdef000;
	sregs.cr3 = 0x5000;
	sregs.ds.base = 0x4321;
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_DEBUGREGS, &debug), 0);
	debug.db[1] = 0x998800;
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_DEBUGREGS, &debug), 0);
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_XSAVE, &xsave), 0);
	xsave.region[0] = 0x37f;   /* FCW */
	xsave.region[40] = 0x1234; /* XMM0 */
	xsave.region[128] |= 3;	   /* both parts are in use */
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_XSAVE, &xsave), 0);
}

/* An exception and an interrupt that KVM was about to deliver, and an NMI behind them. */
static void
stage_set_events(struct vcpu_stage *stage)
{
	struct kvm_vcpu_events events;

	assert_int_equal(ioctl(stage->vcpu_fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.exception.injected = 1;
	events.exception.nr = GENERAL_FAULT;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x18;
	events.interrupt.injected = 1;
	events.interrupt.nr = 0x41;
	events.nmi.pending = 1;
	events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_VCPU_EVENTS, &events), 0);
}

static void
stage_set_all(struct vcpu_stage *stage)
{
	struct kvm_mp_state halted = { .mp_state = KVM_MP_STATE_HALTED };

	stage_set_registers(stage);
	stage_set_lapic(stage, LAPIC_SPURIOUS, 0x1ff);
	stage_set_lapic(stage, LAPIC_TIMER, LAPIC_DEADLINE);
	stage_set_msr(stage, MSR_SYSENTER_CS, 0x55);
	stage_set_msr(stage, MSR_LSTAR, 0x778899);
	stage_set_msr(stage, MSR_TSC_DEADLINE, FAR_AWAY);
	stage_set_events(stage);
	assert_int_equal(ioctl(stage->vcpu_fd, KVM_SET_MP_STATE, &halted), 0);
	assert_int_equal(kvm_set_irq(stage->kvm, 4, true), 0);
	kvm_stop_clock(stage->kvm);
}

/*
 * Of the state's file, since only a guest's ports or KVM itself can do it. None of these ways of counting ends by an
 * interrupt of the first channel's, which would change the interrupt controllers before they are saved again.
 */
static void
stage_program_pit(int fd)
{
	static const struct kvm_pit_channel_state channels[KVM_SECTION_CHANNELS] = {
		{ .count = 0x1234, .status = 0x3a, .rw_mode = 3, .mode = 5, .gate = 1 },
		{ .count = 0x12, .read_state = 1, .write_state = 2, .rw_mode = 1, .mode = 2 },
		{ .count = 0x4321,
		  .latched_count = 0x5678,
		  .count_latched = 3,
		  .write_latch = 0x21,
		  .rw_mode = 3,
		  .mode = 3,
		  .bcd = 1,
		  .gate = 1 },
	};

	kvm_section_program_pit(fd, channels);
}

static void
test_vcpu_state__every_register_comes_back(void **state)
{
	struct vcpu_stage before, after;
	int saved, again;

	(void)state;
	assert_int_equal(vcpu_stage_open(&before, MODEL), 0);
	vcpu_stage_power_on(&before);
	stage_set_all(&before);
	saved = vcpu_stage_save(&before);
	stage_program_pit(saved);
	assert_int_equal(vcpu_stage_open(&after, MODEL), 0);
	assert_int_equal(vcpu_stage_load(&after, saved), 0);
	again = vcpu_stage_save(&after);
	kvm_section_forget_pit_times(saved);
	kvm_section_forget_pit_times(again);
	assert_true(state_edit_is_same(saved, again));
	assert_true(stage_get_msr(&after, MSR_TSC_DEADLINE) == FAR_AWAY);
	assert_int_equal(stage_get_msr(&after, MSR_LSTAR), 0x778899);
	close(saved);
	close(again);
	vcpu_stage_close(&after);
	vcpu_stage_close(&before);
}

/* Where the processor has no hardware virtualization KVM shows the host's counter, whatever is written. */
static bool
stage_has_own_counter(struct vcpu_stage *stage)
{
	stage_set_msr(stage, MSR_TSC, FAR_AWAY);
	return stage_get_msr(stage, MSR_TSC) >= FAR_AWAY;
}

/*
 * Its counter goes on from what was saved, not from what the host has: a guest that looks at it sees
 * no time that has passed.
 */
static void
test_vcpu_state__the_counter_goes_on_from_there(void **state)
{
	struct vcpu_stage before, after;
	struct vcpu_state *now;
	uint64_t tsc, saved;
	uint32_t msr;

	(void)state;
	assert_int_equal(vcpu_stage_open(&before, MODEL), 0);
	vcpu_stage_power_on(&before);
	assert_int_equal(vcpu_stage_open(&after, MODEL), 0);
	assert_int_equal(vcpu_state_read_now(before.vcpu_fd, before.power_on, &now), 0);
	saved = vcpu_state_get_tsc(now) + FAR_AWAY / 2;
	vcpu_state_set_tsc(now, saved);
	assert_true(vcpu_state_get_tsc(now) == saved);
	assert_int_equal(vcpu_state_load(now, after.vcpu_fd, &msr), 0);
	tsc = stage_get_msr(&after, MSR_TSC);
	assert_true(!stage_has_own_counter(&before) ||
		    (tsc >= saved && tsc - saved < 1000 * A_SECOND));
	vcpu_state_free(now);
	vcpu_stage_close(&after);
	vcpu_stage_close(&before);
}

/*
 * A timer that has run out has a deadline of 0; whether its interrupt came through, nobody knows. The
 * deadline is the last of the MSRs, so that it is written after the counter.
 */
static void
test_vcpu_state__a_timer_that_has_run_out_comes_again(void **state)
{
	struct state_reader *reader;
	uint64_t deadline = 0;
	struct vcpu_stage stage;
	size_t bytes;
	int saved;

	(void)state;
	assert_int_equal(vcpu_stage_open(&stage, MODEL), 0);
	vcpu_stage_power_on(&stage);
	stage_set_lapic(&stage, LAPIC_SPURIOUS, 0x1ff);
	stage_set_lapic(&stage, LAPIC_TIMER, LAPIC_DEADLINE);
	assert_int_equal(stage_get_msr(&stage, MSR_TSC_DEADLINE), 0);
	saved = vcpu_stage_save(&stage);
	bytes = state_edit_measure(saved, "cpu 0");
	reader = vcpu_stage_read(saved);
	state_reader_open(reader, 1, "cpu 0");
	for (size_t i = sizeof(deadline); i < bytes; i++)
		state_take_u8(reader);
	deadline = state_take_u64(reader);
	assert_int_equal(state_reader_close(reader), 0);
	assert_true(deadline != 0 && deadline <= stage_get_msr(&stage, MSR_TSC));
	state_reader_free(reader);
	close(saved);
	vcpu_stage_close(&stage);
}

static void
test_vcpu_state__an_msr_that_kvm_does_not_know_is_named(void **state)
{
	static const uint32_t unknown = 0x12345678;
	struct vcpu_stage before, after;
	struct state_reader *reader;
	uint32_t msr = 0;
	size_t bytes;
	int saved;

	(void)state;
	assert_int_equal(vcpu_stage_open(&before, MODEL), 0);
	vcpu_stage_power_on(&before);
	saved = vcpu_stage_save(&before);
	bytes = state_edit_measure(saved, "cpu 0");
	/* the last is the deadline's: its number, then its value */
	state_edit_patch(saved, "cpu 0", bytes - 12, &unknown, sizeof(unknown));
	assert_int_equal(vcpu_stage_open(&after, MODEL), 0);
	reader = vcpu_stage_read(saved);
	state_reader_open(reader, 1, "cpu 0");
	assert_int_equal(vcpu_state_take(reader, &after.power_on), 0);
	assert_int_equal(vcpu_state_load(after.power_on, after.vcpu_fd, &msr), -ENOTSUP);
	assert_int_equal(msr, unknown);
	state_reader_free(reader);
	close(saved);
	vcpu_stage_close(&after);
	vcpu_stage_close(&before);
}

static void
test_vcpu_state__a_section_that_is_cut_off_is_refused(void **state)
{
	struct vcpu_stage before, after;
	int saved;

	(void)state;
	assert_int_equal(vcpu_stage_open(&before, MODEL), 0);
	vcpu_stage_power_on(&before);
	saved = vcpu_stage_save(&before);
	for (size_t bytes = 0; bytes < state_edit_measure(saved, "cpu 0"); bytes += 331) {
		int cut = state_edit_copy(saved);

		state_edit_resize(cut, "cpu 0", bytes);
		assert_int_equal(vcpu_stage_open(&after, MODEL), 0);
		assert_int_equal(vcpu_stage_load(&after, cut), -EBADMSG);
		vcpu_stage_close(&after);
		close(cut);
	}
	state_edit_resize(saved, "kvm", 100);
	assert_int_equal(vcpu_stage_open(&after, MODEL), 0);
	assert_int_equal(vcpu_stage_load(&after, saved), -EBADMSG);
	vcpu_stage_close(&after);
	close(saved);
	vcpu_stage_close(&before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcpu_state__every_register_comes_back),
		cmocka_unit_test(test_vcpu_state__the_counter_goes_on_from_there),
		cmocka_unit_test(test_vcpu_state__a_timer_that_has_run_out_comes_again),
		cmocka_unit_test(test_vcpu_state__an_msr_that_kvm_does_not_know_is_named),
		cmocka_unit_test(test_vcpu_state__a_section_that_is_cut_off_is_refused),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		print_message("/dev/kvm is needed\n");
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
