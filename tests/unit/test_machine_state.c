/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine_state.c - how a machine is saved and loaded on /dev/kvm: what went wrong elsewhere
 *
 * Most of it is order. Each of these left guests of other projects without a timer, or with clocks that jumped: the LAPIC after the MSRs, the
 * timer's deadline before the time stamp counter, a counter that differs from vCPU to vCPU, a clock that is set when vCPUs run
 * already. Or they lost an exception that was pending, or an interrupt. All would be seen in some of a hundred forks only, and
 * here, where KVM shows the host's counter, in none: so the test looks at what KVM is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/all_devices.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/kvm_section.h"
#include "tests/unit/kvm_witness.h"
#include "tests/unit/machine_stage.h"
#include "tests/unit/state_edit.h"
#include "vmm/acpi_pm.h"
#include "vmm/bus.h"
#include "vmm/guest_memory.h"
#include "vmm/hda_layout.h"
#include "vmm/irq_lines.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/own_pages.h"
#include "vmm/pages_file.h"
#include "vmm/platform.h"
#include "vmm/serial.h"
#include "vmm/state_file.h"
#include "vmm/vcpu_state.h"

#define EXIT_SKIP 77
#define CPUS	  2
#define COUNT_GPA 0x300000
#define TICK_NS	  UINT64_C(20000000)
#define MAX_TICKS 3000 /* a minute */
/* in vmm/rtc.c's section: its index, 128 bytes, of which one is register C, its offset, checked_s */
#define RTC_EVENTS_AT  (1 + 0x0c)
#define RTC_CHECKED_AT (1 + 128 + 8)
/* in vmm/hda_state.c's: its registers, the causes of its last interrupt, the age of its clock */
#define HDA_WALL_AT (HDA_REGISTER_BYTES + 4)

/*
 * A vCPU's registers, as they are read. The state of its start may move on when it is read, and changes registers then: it
 * is the first. So may the LAPIC, before the MSRs with its timer's deadline. Pending events are the last, for all the
 * others may bring some about.
 */
static const unsigned long save_order[] = {
	KVM_GET_MP_STATE,  KVM_GET_REGS,  KVM_GET_SREGS, KVM_GET_XSAVE,	      KVM_GET_XCRS,
	KVM_GET_DEBUGREGS, KVM_GET_LAPIC, KVM_GET_MSRS,	 KVM_GET_VCPU_EVENTS,
};

/*
 * As they are written. CPUID decides what may be written at all. Special registers hold the LAPIC's base; the LAPIC picks its
 * timer's mode, without which the MSRs' deadline is dropped; general registers take back a pending exception, and so events are
 * the last. Then the guest is told that it stood.
 */
static const unsigned long load_order[] = {
	KVM_SET_CPUID2, KVM_SET_MP_STATE,    KVM_SET_REGS,	KVM_SET_SREGS,
	KVM_SET_XSAVE,	KVM_SET_XCRS,	     KVM_SET_DEBUGREGS, KVM_SET_LAPIC,
	KVM_SET_MSRS,	KVM_SET_VCPU_EVENTS, KVM_KVMCLOCK_CTRL,
};

/* What is the whole machine's: interrupt controllers before the vCPUs, which get a LAPIC then; the clock last. */
static const unsigned long machine_order[] = {
	KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2, KVM_CREATE_VCPU, KVM_CREATE_VCPU, KVM_SET_PIT2,
	KVM_SET_IRQCHIP,    KVM_SET_IRQCHIP, KVM_SET_IRQCHIP, KVM_SET_CLOCK,
};

/* Both of these, and what may come at any time. */
static const unsigned long load_requests[] = {
	KVM_SET_CPUID2,	 KVM_SET_MP_STATE,    KVM_SET_REGS,	 KVM_SET_SREGS,
	KVM_SET_XSAVE,	 KVM_SET_XCRS,	      KVM_SET_DEBUGREGS, KVM_SET_LAPIC,
	KVM_SET_MSRS,	 KVM_SET_VCPU_EVENTS, KVM_KVMCLOCK_CTRL, KVM_CREATE_IRQCHIP,
	KVM_CREATE_PIT2, KVM_CREATE_VCPU,     KVM_SET_PIT2,	 KVM_SET_IRQCHIP,
	KVM_SET_CLOCK,	 KVM_IRQ_LINE,	      KVM_RUN,
};

#define SAVE_COUNT    (sizeof(save_order) / sizeof(save_order[0]))
#define LOAD_COUNT    (sizeof(load_order) / sizeof(load_order[0]))
#define MACHINE_COUNT (sizeof(machine_order) / sizeof(machine_order[0]))
#define REQUEST_COUNT (sizeof(load_requests) / sizeof(load_requests[0]))

/*
 * Before it counts it leaves something behind in the devices: interrupts that are masked, timer channel 2 counting,
 * the serial port's scratch register, one of the RTC's bytes, the PCI address, the LAPIC's priority, a debug register.
 */
GUEST(count, "mov $0xa5, %al\nout %al, $0x21\n"
	     "mov $0xb6, %al\nout %al, $0x43\n"
	     "mov $0x12, %al\nout %al, $0x42\nout %al, $0x42\n"
	     "mov $0x3ff, %dx\nout %al, %dx\n"
	     "mov $0x50, %al\nout %al, $0x70\nout %al, $0x71\n"
	     "mov $0xcf8, %dx\nmov $0x80000844, %eax\nout %eax, %dx\n"
	     "movl $0x20, 0xfee00080\n"
	     "mov %eax, %dr1\n"
	     "mov $0x300000, %ebx\n"
	     "1: incl (%ebx)\njmp 1b\n");

struct stage {
	struct machine *machine;
	struct loop_timer *timer;
	int save_fd; /* -1: it goes on until it counts and all run, else it is saved there and ends */
	uint32_t first;
	uint32_t n_ticks;
};

static uint32_t
stage_count(const struct stage *stage)
{
	uint32_t value = 0;

	assert_int_equal(guest_memory_read(machine_get_platform(stage->machine)->memory, COUNT_GPA,
					   &value, sizeof(value)),
			 0);
	return value;
}

static void
stage_save(struct stage *stage)
{
	const char *problem;

	kvm_witness_begin(save_order, SAVE_COUNT);
	assert_int_equal(machine_save(stage->machine, &stage->save_fd, 1, &problem), 0);
	kvm_witness_end();
}

static void
stage_handle_timer(void *context)
{
	struct stage *stage = context;

	assert_true(stage->n_ticks++ < MAX_TICKS);
	if (machine_get_state(stage->machine) == VMM_STATE_PAUSED) {
		stage_save(stage);
		machine_ask_quit(stage->machine);
	} else if (stage_count(stage) != stage->first) {
		if (stage->save_fd >= 0)
			machine_ask_pause(stage->machine);
		else if (kvm_witness_count_fds(KVM_RUN) == CPUS)
			machine_ask_quit(stage->machine);
	}
	loop_timer_set(stage->timer, loop_now_ns() + TICK_NS);
}

/* Until its guest has counted, and been saved if it shall be. "drive" is called before it runs, or NULL. */
static void
stage_run(const struct description *description, int save_fd,
	  void (*drive)(struct machine *machine))
{
	struct stage stage = { .save_fd = save_fd };
	char problem[MACHINE_PROBLEM_BYTES];

	if (machine_new(description, &stage.machine, problem) < 0)
		fail_msg("%s", problem);
	if (drive)
		drive(stage.machine);
	stage.first = stage_count(&stage);
	assert_int_equal(loop_timer_new(machine_get_platform(stage.machine)->loop, "test",
					stage_handle_timer, &stage, &stage.timer),
			 0);
	loop_timer_set(stage.timer, loop_now_ns() + TICK_NS);
	assert_int_equal(machine_run(stage.machine), 0);
	loop_timer_free(stage.timer);
	machine_free(stage.machine);
}

/* The latest of the counters, none of which may go back. */
static uint64_t
stage_find_latest_tsc(void)
{
	const struct kvm_witness *witness = kvm_witness_get();
	uint64_t latest = 0;
	size_t n_read = 0;

	for (size_t i = 0; i < witness->n_acts; i++) {
		if (witness->acts[i].request != KVM_GET_MSRS)
			continue;
		n_read++;
		assert_true(witness->acts[i].tsc != latest);
		if (witness->acts[i].tsc > latest)
			latest = witness->acts[i].tsc;
	}
	assert_int_equal(n_read, CPUS);
	return latest;
}

static void
stage_describe(struct description *template)
{
	assert_int_equal(
		machine_stage_describe(guest_kernel_make(guest_count, guest_count_end), template),
		0);
	template->cpus = CPUS;
	template->has_genid = true;
	template->serial = true;
}

/* The machine is sealed; and what a fork of it is described by. */
static void
stage_seal_driven(const struct description *template, struct description *fork,
		  void (*drive)(struct machine *machine))
{
	*fork = *template;
	fork->memory_private = true;
	fork->state_fd = state_edit_new();
	fork->genid[0] = 1;
	stage_run(template, fork->state_fd, drive);
}

/* One with as few devices as that. */
static void
stage_seal(struct description *template, struct description *fork)
{
	stage_describe(template);
	stage_seal_driven(template, fork, NULL);
}

static void
stage_close(struct description *template, struct description *fork)
{
	close(fork->state_fd);
	machine_stage_close(template);
}

/* Exactly these and no others are asked of this descriptor, but for what may come at any time. */
static void
expect_order(int fd, const unsigned long *order, size_t n_order)
{
	const struct kvm_witness *witness = kvm_witness_get();
	size_t n = 0;

	for (size_t i = 0; i < witness->n_acts; i++) {
		const struct kvm_act *act = &witness->acts[i];

		if (act->fd != fd || act->request == KVM_RUN || act->request == KVM_IRQ_LINE)
			continue;
		if (n == n_order || act->request != order[n])
			fail_msg("request %zu is %#lx, not %#lx", n, act->request,
				 n < n_order ? order[n] : 0);
		n++;
	}
	assert_int_equal(n, n_order);
}

/* Of each vCPU. */
static void
expect_order_of_vcpus(const unsigned long *order, size_t n_order)
{
	const struct kvm_witness *witness = kvm_witness_get();
	size_t n_vcpus = 0;

	for (size_t i = 0; i < witness->n_acts; i++) {
		if (witness->acts[i].request != order[0])
			continue;
		n_vcpus++;
		expect_order(witness->acts[i].fd, order, n_order);
	}
	assert_int_equal(n_vcpus, CPUS);
}

static void
test_machine_state__is_saved_in_an_order_that_loses_nothing(void **state)
{
	struct description template, fork;

	(void)state;
	stage_seal(&template, &fork);
	expect_order_of_vcpus(save_order, SAVE_COUNT);
	stage_close(&template, &fork);
}

static void
stage_watch_load(const struct description *fork)
{
	kvm_witness_begin(load_requests, REQUEST_COUNT);
	stage_run(fork, -1, NULL);
	kvm_witness_end();
}

static void
test_machine_state__is_loaded_in_an_order_that_loses_nothing(void **state)
{
	struct description template, fork;

	(void)state;
	stage_seal(&template, &fork);
	stage_watch_load(&fork);
	expect_order_of_vcpus(load_order, LOAD_COUNT);
	stage_close(&template, &fork);
}

/* The serial port's interrupt is there, and stays, for nobody takes it; that of a new identity is wanted. */
static void
stage_raise_lines(struct machine *machine)
{
	struct bus *pio = machine_get_platform(machine)->pio;

	bus_write(pio, SERIAL_PORT + UART_MCR, 1, UART_MCR_OUT2);
	bus_write(pio, SERIAL_PORT + UART_IER, 1, UART_IER_THRI);
	bus_write(pio, ACPI_PM_GPE_PORT + 1, 1, 1 << ACPI_PM_GPE_GENID);
}

/*
 * vCPUs before KVM's devices, for their LAPICs decide what these may send; those before ours, whose lines would be overwritten;
 * then the new identity's interrupt; then the clock, before any vCPU runs.
 */
static void
test_machine_state__is_loaded_part_by_part(void **state)
{
	struct description template, fork;
	size_t first, serial, identity, clock;

	(void)state;
	stage_describe(&template);
	stage_seal_driven(&template, &fork, stage_raise_lines);
	stage_watch_load(&fork);
	first = kvm_witness_find(-1, KVM_CREATE_IRQCHIP);
	assert_true(first < KVM_WITNESS_MAX);
	expect_order(kvm_witness_get()->acts[first].fd, machine_order, MACHINE_COUNT);
	serial = kvm_witness_find_high(IRQ_LINE_SERIAL);
	identity = kvm_witness_find_high(IRQ_LINE_SCI);
	clock = kvm_witness_find(-1, KVM_SET_CLOCK);
	assert_true(kvm_witness_find_last(KVM_SET_VCPU_EVENTS) <
		    kvm_witness_find(-1, KVM_SET_PIT2));
	assert_true(kvm_witness_find_last(KVM_SET_IRQCHIP) < serial);
	assert_true(serial < identity);
	assert_true(identity < clock);
	assert_true(clock < kvm_witness_find(-1, KVM_KVMCLOCK_CTRL));
	assert_true(clock < kvm_witness_find(-1, KVM_RUN));
	stage_close(&template, &fork);
}

static void
test_machine_state__is_loaded_in_an_order_that_keeps_timers_and_clocks(void **state)
{
	const struct kvm_witness *witness = kvm_witness_get();
	struct description template, fork;
	size_t first_run, n_written = 0;
	uint64_t tsc;

	(void)state;
	stage_seal(&template, &fork);
	tsc = stage_find_latest_tsc();
	stage_watch_load(&fork);
	first_run = kvm_witness_find(-1, KVM_RUN);
	assert_true(first_run < KVM_WITNESS_MAX);
	assert_true(kvm_witness_find(-1, KVM_SET_CLOCK) < first_run);
	for (size_t i = 0; i < first_run; i++) {
		const struct kvm_act *act = &witness->acts[i];

		if (act->request != KVM_SET_MSRS)
			continue;
		n_written++;
		assert_true(kvm_witness_find(act->fd, KVM_SET_LAPIC) < i);
		assert_true(act->deadline_last);
		assert_true(act->tsc == tsc);
	}
	assert_int_equal(n_written, CPUS);
	stage_close(&template, &fork);
}

/* Else the guest's watchdogs take the time that it stood for a hang. It fails where there is no KVM clock, as in this guest. */
static void
test_machine_state__says_of_each_vcpu_that_it_stood(void **state)
{
	const struct kvm_witness *witness = kvm_witness_get();
	struct description template, fork;
	size_t n_run = 0;

	(void)state;
	stage_seal(&template, &fork);
	stage_watch_load(&fork);
	for (size_t i = 0; i < witness->n_acts; i++) {
		const struct kvm_act *act = &witness->acts[i];

		if (act->request != KVM_RUN || kvm_witness_find(act->fd, KVM_RUN) != i)
			continue;
		n_run++;
		assert_true(kvm_witness_find(act->fd, KVM_KVMCLOCK_CTRL) < i);
		assert_true(kvm_witness_find(-1, KVM_SET_CLOCK) <
			    kvm_witness_find(act->fd, KVM_KVMCLOCK_CTRL));
	}
	assert_int_equal(n_run, CPUS);
	stage_close(&template, &fork);
}

/* Both states of each vCPU, without the time stamp counter, in a file of their own; none are left in the other. */
static int
stage_take_vcpus(int fd)
{
	char problem[STATE_PROBLEM_BYTES], name[STATE_FILE_NAME_BYTES];
	struct vcpu_state *power_on, *now;
	struct state_reader *reader;
	struct state_writer *writer;
	int vcpus = state_edit_new();

	assert_int_equal(state_reader_new(fd, &reader, problem), 0);
	assert_int_equal(state_writer_new(&writer), 0);
	for (unsigned int i = 0; i < CPUS; i++) {
		snprintf(name, sizeof(name), "cpu %u", i);
		state_reader_open(reader, 1, "%s", name);
		assert_int_equal(vcpu_state_take(reader, &power_on), 0);
		assert_int_equal(vcpu_state_take(reader, &now), 0);
		assert_int_equal(state_reader_close(reader), 0);
		vcpu_state_set_tsc(now, 0);
		state_writer_begin(writer, 1, "%s", name);
		vcpu_state_put(power_on, writer);
		vcpu_state_put(now, writer);
		state_writer_end(writer);
		vcpu_state_free(power_on);
		vcpu_state_free(now);
		state_edit_resize(fd, name, 0);
	}
	assert_int_equal(state_writer_finish(writer, vcpus), 0);
	state_writer_free(writer);
	state_reader_free(reader);
	return vcpus;
}

/*
 * What is another in each file, although nothing of the machine has changed: the name of the pair of state and own pages
 * (section "memory"), which only a fork has; when KVM's timer was loaded; up to when the RTC, which goes by the host's clock,
 * has looked whether a second was over, and what it saw; and how long ago the sound card's clock began. The time stamp counter
 * counts on, too: stage_take_vcpus(). The identity would differ, but this fork keeps its template's, as one that was suspended
 * does.
 */
static void
stage_forget_what_differs(int fd, bool has_sound)
{
	static const uint8_t nothing[PAGES_FILE_ID_BYTES];

	state_edit_patch(fd, "memory", PAGES_FILE_ID_BYTES, nothing, PAGES_FILE_ID_BYTES);
	kvm_section_forget_pit_times(fd);
	state_edit_patch(fd, "rtc", RTC_EVENTS_AT, nothing, 1);
	state_edit_patch(fd, "rtc", RTC_CHECKED_AT, nothing, sizeof(int64_t));
	if (has_sound)
		state_edit_patch(fd, "hda", HDA_WALL_AT, nothing, sizeof(uint64_t));
}

static void
expect_same_sections(int saved, int again)
{
	const char *section = state_edit_find_difference(saved, again);

	if (section)
		fail_msg("section '%s' is another", section);
	assert_true(state_edit_is_same(saved, again));
}

static void
expect_same_state(int saved, int again, bool has_sound)
{
	int saved_vcpus = stage_take_vcpus(saved), again_vcpus = stage_take_vcpus(again);

	stage_forget_what_differs(saved, has_sound);
	stage_forget_what_differs(again, has_sound);
	expect_same_sections(saved_vcpus, again_vcpus);
	expect_same_sections(saved, again);
	close(saved_vcpus);
	close(again_vcpus);
}

/* Of each section, bit for bit; the fork, which goes on under its template's name, has not run. */
static void
expect_same_again(const struct description *template, struct description *fork)
{
	int fds[] = { state_edit_new(), state_edit_new() }; /* state, own pages */
	char problem[MACHINE_PROBLEM_BYTES];
	struct machine *machine;
	const char *hindrance;

	memcpy(fork->genid, template->genid, sizeof(fork->genid));
	fork->pagemap_fd = own_pages_open();
	assert_true(fork->pagemap_fd >= 0);
	if (machine_new(fork, &machine, problem) < 0)
		fail_msg("%s", problem);
	if (machine_save(machine, fds, 2, &hindrance) < 0)
		fail_msg("%s", hindrance ? hindrance : "it cannot be saved");
	expect_same_state(fork->state_fd, fds[0], fork->sound);
	machine_free(machine);
	close(fork->pagemap_fd);
	for (size_t i = 0; i < 2; i++)
		close(fds[i]);
}

static void
test_machine_state__is_the_same_when_it_is_saved_again(void **state)
{
	struct description template, fork;

	(void)state;
	stage_seal(&template, &fork);
	expect_same_again(&template, &fork);
	stage_close(&template, &fork);
}

/* A desktop's, each of which has been used. */
static void
test_machine_state__is_the_same_with_all_its_devices(void **state)
{
	static const char *const sections[] = {
		"devices",	   "serial",
		"genid",	   "virtio-gpu 01",
		"virtio-net 02",   "virtio-blk 03",
		"virtio-blk 04",   "virtio-console 05",
		"virtio-input 06", "virtio-input 07",
		"virtio 08",	   "virtio-balloon 09",
		"pci 10",	   "hda",
	};
	struct description template, fork;

	(void)state;
	stage_describe(&template);
	all_devices_describe(&template);
	stage_seal_driven(&template, &fork, all_devices_drive);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		assert_true(state_edit_measure(fork.state_fd, sections[i]) > 0);
	expect_same_again(&template, &fork);
	all_devices_close(&template);
	stage_close(&template, &fork);
}

/* What the mapping there has of pages that are not its file's: smaps of proc(5). */
static unsigned int
stage_measure_own_kib(const void *memory)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	unsigned int own_kib = 0;
	bool is_it = false;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t begin, end;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
			is_it = begin <= (uintptr_t)memory && (uintptr_t)memory < end;
		else if (is_it && sscanf(line, "Anonymous: %u kB", &own_kib) == 1)
			break;
	}
	assert_true(is_it);
	fclose(maps);
	return own_kib;
}

/* Templates that took more memory than no templates are known, too: a fork has the page of its identity for itself. */
static void
test_machine_state__is_loaded_without_a_copy_of_its_template(void **state)
{
	struct description template, fork;
	char problem[MACHINE_PROBLEM_BYTES];
	struct machine *machine;

	(void)state;
	stage_seal(&template, &fork);
	if (machine_new(&fork, &machine, problem) < 0)
		fail_msg("%s", problem);
	assert_int_equal(stage_measure_own_kib(
				 guest_memory_find(machine_get_platform(machine)->memory, 0, 1)),
			 4);
	machine_free(machine);
	stage_close(&template, &fork);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_state__is_saved_in_an_order_that_loses_nothing),
		cmocka_unit_test(test_machine_state__is_loaded_in_an_order_that_loses_nothing),
		cmocka_unit_test(test_machine_state__is_loaded_part_by_part),
		cmocka_unit_test(
			test_machine_state__is_loaded_in_an_order_that_keeps_timers_and_clocks),
		cmocka_unit_test(test_machine_state__says_of_each_vcpu_that_it_stood),
		cmocka_unit_test(test_machine_state__is_the_same_when_it_is_saved_again),
		cmocka_unit_test(test_machine_state__is_the_same_with_all_its_devices),
		cmocka_unit_test(test_machine_state__is_loaded_without_a_copy_of_its_template),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		print_message("skipped: needs /dev/kvm\n");
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
