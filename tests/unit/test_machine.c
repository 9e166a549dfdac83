/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine.c - whole machines on /dev/kvm, with guests of a few instructions
 *
 * A guest is 32-bit code that is put into an ELF file with a PVH note, which the machine boots like a kernel; one is 64-bit
 * code in a bzImage. What it writes to port 0x500 comes to the test. Where ring 0 is emulated (hosts without VT-x and AMD-V)
 * an instruction takes microseconds: no long loops, integer instructions only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/proto_vmm.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "vmm/bus.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/machine_parts.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

#define EXIT_SKIP  77
#define DATA_GPA   0x300000 /* what guests count in: no boot file is loaded there */
#define TEST_PORT  0x500
#define TEST_PORTS 16
#define TEST_MMIO  0xd0000000
#define MAX_VALUES 64
#define DEADLINE_S 60
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_S   UINT64_C(1000000000)

struct stage {
	struct description description;
	struct machine *machine;
	struct platform *platform;
	struct loop_timer *timer;
	uint32_t values[MAX_VALUES]; /* written to the port */
	uint32_t widths[MAX_VALUES];
	size_t n_values;
	uint64_t mmio_value;
	uint32_t mmio_writes;
	uint32_t n_reboots;
	enum vmm_state states[MAX_VALUES];
	size_t n_states;
	char text[sizeof(((struct vmm_event *)0)->text)];
	void (*tick)(struct stage *stage);
	uint32_t step;
	uint32_t seen;
	bool late;
};

static uint64_t
stage_handle_read(void *context, uint64_t offset, uint32_t bytes)
{
	(void)context;
	return 0x11223344 + offset + bytes;
}

/* Values 0xff00 and up are orders, of which the guest may give one a life: RESET, SHUTDOWN, PANIC. */
static void
stage_handle_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct stage *stage = context;

	(void)offset;
	if (stage->n_values < MAX_VALUES) {
		stage->widths[stage->n_values] = bytes;
		stage->values[stage->n_values++] = (uint32_t)value;
	}
	if (value >= 0xff00 && value < 0xff00 + PLATFORM_EVENT_COUNT)
		stage->platform->ops->report(stage->platform->context,
					     (enum platform_event)(value - 0xff00));
}

static uint64_t
stage_handle_mmio_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct stage *stage = context;

	(void)bytes;
	return stage->mmio_value >> (8 * offset);
}

static void
stage_handle_mmio_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct stage *stage = context;

	memcpy((uint8_t *)&stage->mmio_value + offset, &value, bytes);
	stage->mmio_writes++;
}

static const struct bus_ops port_ops = { stage_handle_read, stage_handle_write };
static const struct bus_ops mmio_ops = { stage_handle_mmio_read, stage_handle_mmio_write };

/* What a machine does to go on, in its order, as letters. The machines of one test run in threads of their own. */
static _Thread_local char went_on[16];

static void
note_went_on(char what)
{
	size_t length = strlen(went_on);

	if (length < sizeof(went_on) - 1)
		went_on[length] = what;
}

void __real_kvm_start_clock(struct kvm *kvm);
void __wrap_kvm_start_clock(struct kvm *kvm);

void
__wrap_kvm_start_clock(struct kvm *kvm)
{
	note_went_on('c');
	__real_kvm_start_clock(kvm);
}

void __real_vcpu_run(struct vcpu *vcpu);
void __wrap_vcpu_run(struct vcpu *vcpu);

void
__wrap_vcpu_run(struct vcpu *vcpu)
{
	note_went_on('v');
	__real_vcpu_run(vcpu);
}

static bool disk_works; /* as devices_are_idle() is told */
static uint32_t n_held;

bool __wrap_devices_are_idle(const struct devices *devices);

bool
__wrap_devices_are_idle(const struct devices *devices)
{
	(void)devices;
	return !disk_works;
}

static void
stage_watch(void *context, const struct vmm_event *event)
{
	struct stage *stage = context;

	if (event->kind == VMM_EVENT_STATE && event->value == VMM_STATE_RUNNING)
		note_went_on('r');
	if (event->kind == VMM_EVENT_REBOOTED)
		stage->n_reboots++;
	if (event->kind == VMM_EVENT_STATE && stage->n_states < MAX_VALUES) {
		stage->states[stage->n_states++] = event->value;
		memcpy(stage->text, event->text, sizeof(stage->text));
		if (event->value == VMM_STATE_PANICKED || event->value == VMM_STATE_FAILED)
			machine_ask_quit(stage->machine);
	}
}

/* Every 20 ms; ends a machine that does not end by itself. */
static void
stage_handle_timer(void *context)
{
	struct stage *stage = context;

	if (stage->tick)
		stage->tick(stage);
	if (++stage->step == DEADLINE_S * 50) {
		stage->late = true;
		machine_ask_quit(stage->machine);
	}
	loop_timer_set(stage->timer, loop_now_ns() + 20 * NS_PER_MS);
}

static void
stage_describe(struct stage *stage, const uint8_t *code, const uint8_t *code_end, uint32_t cpus)
{
	assert_int_equal(
		machine_stage_describe(guest_kernel_make(code, code_end), &stage->description), 0);
	stage->description.cpus = cpus;
}

static void
stage_make(struct stage *stage)
{
	struct bus_range port = { "test port", TEST_PORT, TEST_PORTS, &port_ops, stage };
	struct bus_range mmio = { "test registers", TEST_MMIO, 8, &mmio_ops, stage };
	char problem[MACHINE_PROBLEM_BYTES];

	if (machine_new(&stage->description, &stage->machine, problem) < 0)
		fail_msg("%s", problem);
	stage->platform = machine_get_platform(stage->machine);
	assert_int_equal(bus_add(stage->platform->pio, &port), 0);
	assert_int_equal(bus_add(stage->platform->mmio, &mmio), 0);
	assert_int_equal(loop_timer_new(stage->platform->loop, "test", stage_handle_timer, stage,
					&stage->timer),
			 0);
	loop_timer_set(stage->timer, loop_now_ns() + 20 * NS_PER_MS);
	machine_set_watcher(stage->machine, stage_watch, stage);
}

static void
stage_open(struct stage *stage, const uint8_t *code, const uint8_t *code_end, uint32_t cpus)
{
	memset(stage, 0, sizeof(*stage));
	stage_describe(stage, code, code_end, cpus);
	stage_make(stage);
}

static void
stage_run(struct stage *stage, enum vmm_state end)
{
	assert_int_equal(machine_run(stage->machine), 0);
	assert_false(stage->late);
	assert_int_equal(machine_get_state(stage->machine), end);
}

static void
stage_close(struct stage *stage)
{
	loop_timer_free(stage->timer);
	machine_free(stage->machine);
	machine_stage_close(&stage->description);
}

static uint32_t
stage_peek(struct stage *stage, uint64_t gpa)
{
	uint32_t value = 0;

	assert_int_equal(guest_memory_read(stage->platform->memory, gpa, &value, sizeof(value)), 0);
	return value;
}

#define SAY(value) "mov $" #value ", %eax\nmov $0x500, %dx\nout %eax, %dx\n"
#define RESET	   SAY(0xff00)
#define OFF	   SAY(0xff01)
#define PANIC	   SAY(0xff02)
#define STAY	   "1: hlt\njmp 1b\n"

GUEST(ports, "mov $0x500, %dx\n"
	     "mov $0xa1, %al\nout %al, %dx\n"
	     "mov $0xb2b2, %ax\nout %ax, %dx\n"
	     "in %dx, %eax\nout %eax, %dx\n"
	     "mov $0x20000c, %esi\n" /* the code's own bytes */
	     "mov $3, %ecx\ncld\nrep outsb\n"
	     "mov $0x999, %dx\nin %dx, %al\n" /* nobody is there */
	     "movzbl %al, %eax\nmov $0x500, %dx\nout %eax, %dx\n" OFF STAY);

static void
test_machine__hands_ports_to_devices(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_ports, guest_ports_end, 1);
	stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_values, 8);
	assert_int_equal(stage.values[0], 0xa1);
	assert_int_equal(stage.widths[0], 1);
	assert_int_equal(stage.values[1], 0xb2b2);
	assert_int_equal(stage.widths[1], 2);
	assert_int_equal(stage.values[2], 0x11223344 + 4);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(stage.values[3 + i], guest_ports[0xc + i]);
	assert_int_equal(stage.values[6], 0xff);
	assert_true(machine_get_exits(stage.machine) >= 8);
	assert_int_equal(stage.n_states, 2);
	assert_int_equal(stage.states[0], VMM_STATE_RUNNING);
	stage_close(&stage);
}

GUEST(mmio, "mov $0xd0000000, %ebx\n"
	    "movl $0x44332211, (%ebx)\n"
	    "movw $0x6655, 4(%ebx)\n"
	    "movb $0x77, 6(%ebx)\n"
	    "mov 3(%ebx), %eax\n" /* not aligned */
	    "mov $0x500, %dx\nout %eax, %dx\n"
	    "mov 0x1000(%ebx), %eax\n" /* nobody is there */
	    "mov $0x500, %dx\nout %eax, %dx\n"
	    "movl $1, 6(%ebx)\n" /* reaches out of the range: dropped whole */
      OFF STAY);

static void
test_machine__hands_registers_to_devices(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_mmio, guest_mmio_end, 1);
	stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.values[0], 0x77665544);
	assert_int_equal(stage.values[1], 0xffffffff);
	assert_int_equal(stage.mmio_value, 0x0077665544332211);
	assert_int_equal(stage.mmio_writes, 3);
	stage_close(&stage);
}

/* Says what it finds in its own code and in RAM, changes both; resets in its first life, ends in its second. */
GUEST(reset, "mov $0x300000, %ebx\n"
	     "mov $0x500, %dx\n"
	     "mov 0x200000, %eax\nout %eax, %dx\n"
	     "mov (%ebx), %eax\nout %eax, %dx\n"
	     "movl $0x12345678, 0x200000\n"
	     "incl (%ebx)\n"
	     "cmpl $1, (%ebx)\njne 2f\n" RESET STAY "2:\n" OFF STAY);

static void
test_machine__reset_loads_the_boot_files_again_and_keeps_memory(void **state)
{
	struct stage stage;
	uint32_t code;

	(void)state;
	memcpy(&code, guest_reset, sizeof(code));
	stage_open(&stage, guest_reset, guest_reset_end, 1);
	stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_reboots, 1);
	assert_int_equal(stage.n_values, 6);
	assert_int_equal(stage.values[0], code);
	assert_int_equal(stage.values[1], 0);
	assert_int_equal(stage.values[2], 0xff00);
	assert_int_equal(stage.values[3], code);
	assert_int_equal(stage.values[4], 1);
	stage_close(&stage);
}

GUEST(triple_fault,
      "mov $0x300000, %ebx\n"
      "incl (%ebx)\n"
      "cmpl $3, (%ebx)\nje 2f\n"
      "mov $0x310000, %esp\npush $0\npush $0\nlidt (%esp)\nud2\n" STAY "2:\n" OFF STAY);

static void
test_machine__triple_fault_is_a_reset(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_triple_fault, guest_triple_fault_end, 1);
	stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_reboots, 2);
	stage_close(&stage);
}

GUEST(panic, PANIC STAY);

static void
test_machine__panic_stands_still_and_lives(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_panic, guest_panic_end, 1);
	stage_run(&stage, VMM_STATE_PANICKED);
	stage_close(&stage);
}

/* Runs into registers, which no processor can execute. */
GUEST(lost, "mov $0xd0000000, %eax\njmp *%eax\n");

static void
test_machine__what_kvm_cannot_do_fails_the_machine_only(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_lost, guest_lost_end, 1);
	stage_run(&stage, VMM_STATE_FAILED);
	assert_non_null(strstr(stage.text, "KVM"));
	stage_close(&stage);
}

GUEST(count, "mov $0x300000, %ebx\n"
	     "mov $0x500, %dx\n"
	     "1: incl (%ebx)\ninl %dx, %eax\njmp 1b\n");

/* Steps: it counts; it is paused and does not; it counts again. */
static void
stage_tick_pause(struct stage *stage)
{
	uint32_t count = stage_peek(stage, DATA_GPA);

	if (machine_get_state(stage->machine) == VMM_STATE_PAUSED) {
		if (stage->seen == 0)
			stage->seen = count;
		assert_int_equal(stage->seen, count);
		if (stage->step % 10 == 0)
			machine_ask_resume(stage->machine);
	} else if (stage->n_states == 1 && count > 10) {
		machine_ask_pause(stage->machine);
	} else if (stage->n_states == 3 && count > stage->seen + 10) {
		machine_ask_quit(stage->machine);
	}
}

static void
test_machine__pause_stops_it_and_resume_goes_on(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_count, guest_count_end, 1);
	stage.tick = stage_tick_pause;
	stage_run(&stage, VMM_STATE_RUNNING);
	assert_int_equal(stage.n_states, 3);
	assert_int_equal(stage.states[1], VMM_STATE_PAUSED);
	assert_int_equal(stage.states[2], VMM_STATE_RUNNING);
	stage_close(&stage);
}

/* Counts its lives, then reads a register for ever. */
GUEST(lives, "mov $0x300000, %ebx\n"
	     "mov $0xd0000000, %ecx\n"
	     "incl 4(%ebx)\n"
	     "1: incl (%ebx)\nmov (%ecx), %eax\njmp 1b\n");

static void
stage_tick_reset(struct stage *stage)
{
	uint32_t count = stage_peek(stage, DATA_GPA);

	if (count < stage->seen + 10)
		return;
	stage->seen = count;
	usleep(1000); /* until a vCPU waits for the lock that we hold, in the middle of its access */
	if (stage->n_reboots == 20)
		machine_ask_quit(stage->machine);
	else
		machine_ask_reset(stage->machine);
}

/* A vCPU is in the middle of an access then, which has to be completed before its registers are replaced. */
static void
test_machine__resets_from_outside_at_any_moment(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_lives, guest_lives_end, 2);
	stage.tick = stage_tick_reset;
	stage_run(&stage, VMM_STATE_RUNNING);
	assert_int_equal(stage.n_states, 1);
	assert_int_equal(stage_peek(&stage, DATA_GPA + 4), 1 + stage.n_reboots);
	stage_close(&stage);
}

/*
 * The first vCPU copies the code of the second to 0x8000, where a vCPU starts in real mode by INIT and SIPI, and waits for
 * its word in memory.
 */
GUEST(smp, "cld\nmov $0x200080, %esi\nmov $0x8000, %edi\nmov $32, %ecx\nrep movsb\n"
	   "mov $0xfee00000, %ebx\n"
	   "movl $0x1ff, 0xf0(%ebx)\n"
	   "movl $0x01000000, 0x310(%ebx)\nmovl $0x4500, 0x300(%ebx)\n"
	   "movl $0x01000000, 0x310(%ebx)\nmovl $0x4608, 0x300(%ebx)\n"
	   "1: cmpl $0x5aa5, 0x9000\njne 1b\n" OFF STAY ".org guest_smp + 0x80\n"
	   ".code16\n"
	   "xor %ax, %ax\nmov %ax, %ds\nmovl $0x5aa5, 0x9000\n"
	   "1: hlt\njmp 1b\n"
	   ".code32\n");

static void
test_machine__starts_the_second_vcpu(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_smp, guest_smp_end, 2);
	stage_run(&stage, VMM_STATE_OFF);
	stage_close(&stage);
}

#define SAY_EAX "mov $0x500, %dx\nout %eax, %dx\n"

/* Says where it is, what its zero page has (%rsi: header, command line, initrd), and what only a 64-bit register holds. */
GUEST_64(bzimage,
	 "lea (%rip), %rax\n" SAY_EAX "mov 0x202(%rsi), %eax\n" SAY_EAX
	 "mov 0x228(%rsi), %ebx\nmov (%rbx), %eax\n" SAY_EAX
	 "mov 0x218(%rsi), %ebx\nmov (%rbx), %eax\n" SAY_EAX "mov 0x21c(%rsi), %eax\n" SAY_EAX
	 "movabs $0x1234567890, %rax\nshr $32, %rax\n" SAY_EAX OFF STAY);

static void
test_machine__enters_a_bzimage_in_long_mode(void **state)
{
	int initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	struct stage stage = { 0 };

	(void)state;
	assert_int_equal(write(initrd_fd, "init", 4), 4);
	assert_int_equal(
		machine_stage_describe(guest_kernel_make_bzimage(guest_bzimage, guest_bzimage_end),
				       &stage.description),
		0);
	stage.description.initrd_fd = initrd_fd;
	snprintf(stage.description.command_line, sizeof(stage.description.command_line), "line");
	stage_make(&stage);
	stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_values, 7);
	assert_int_equal(stage.values[0], GUEST_KERNEL_GPA + GUEST_KERNEL_ENTRY_64 + 7);
	assert_memory_equal(&stage.values[1], "HdrS", 4);
	assert_memory_equal(&stage.values[2], "line", 4);
	assert_memory_equal(&stage.values[3], "init", 4);
	assert_int_equal(stage.values[4], 4);
	assert_int_equal(stage.values[5], 0x12);
	stage_close(&stage);
	close(initrd_fd);
}

#define SAY_CPUID(leaf, where)                                      \
	"mov $" #leaf ", %eax\nxor %ecx, %ecx\ncpuid\nmov %" #where \
	", %eax\nmov $0x500, %dx\nout %eax, %dx\n"

GUEST(cpuid, SAY_CPUID(0x40000000, ebx) SAY_CPUID(0x80000000, eax) SAY_CPUID(0x80000007, edx)
		     SAY_CPUID(1, ebx) OFF STAY);

static void
test_machine__guest_sees_the_model(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_cpuid, guest_cpuid_end, 2);
	stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.values[0], 0x4b4d564b); /* KVMK */
	assert_int_equal(stage.values[1], 0x80000008);
	assert_int_equal(stage.values[2] & 1 << 8, 0); /* invariant TSC */
	assert_int_equal(stage.values[3] >> 16 & 0xff, 2);
	stage_close(&stage);
}

/* For machine_hold(): nobody else changes the memory. */
static void
count_held(struct machine *machine)
{
	const volatile uint32_t *counter =
		guest_memory_find(machine->platform.memory, DATA_GPA, sizeof(*counter));
	uint32_t before = *counter;

	usleep(1000);
	assert_int_equal(*counter, before);
	n_held++;
}

/* Whether it was held; and whether it was let go since. */
static bool
stage_hold(struct stage *stage, bool *ret_goes_on)
{
	uint32_t before = n_held;
	bool held;

	memset(went_on, 0, sizeof(went_on));
	held = machine_hold(stage->machine, count_held);
	assert_int_equal(n_held - before, held);
	*ret_goes_on = strcmp(went_on, "v") == 0;
	assert_true(*ret_goes_on || went_on[0] == '\0');
	return held;
}

/* Steps: it counts and is held; it counts, is not held while a disk works, and is paused; nor then; it counts again. */
static void
stage_tick_hold(struct stage *stage)
{
	uint32_t count = stage_peek(stage, DATA_GPA);
	bool goes_on;

	if (machine_get_state(stage->machine) == VMM_STATE_PAUSED) {
		assert_false(stage_hold(stage, &goes_on));
		assert_false(goes_on);
		stage->seen = count;
		machine_ask_resume(stage->machine);
	} else if (stage->n_states == 3 && count > stage->seen + 10) {
		machine_ask_quit(stage->machine);
	} else if (stage->n_states == 1 && count > stage->seen + 10) {
		disk_works = n_held == 1;
		assert_int_equal(stage_hold(stage, &goes_on), !disk_works);
		assert_true(goes_on);
		stage->seen = count;
		if (disk_works)
			machine_ask_pause(stage->machine);
	}
}

static void
test_machine__is_held_while_it_runs_and_no_disk_works(void **state)
{
	struct stage stage;

	(void)state;
	n_held = 0;
	stage_open(&stage, guest_count, guest_count_end, 1);
	stage.tick = stage_tick_hold;
	stage_run(&stage, VMM_STATE_RUNNING);
	disk_works = false;
	assert_int_equal(n_held, 1);
	assert_int_equal(stage.n_states, 3);
	stage_close(&stage);
}

GUEST(resets, "mov $0x300000, %ebx\n1: incl (%ebx)\n" RESET "jmp 1b\n");

/* Until it wishes for a reset as it is made to stand: the access in which it waits for our lock is completed then. */
static void
stage_tick_hold_and_reset(struct stage *stage)
{
	bool goes_on;

	usleep(1000);
	stage_hold(stage, &goes_on);
	assert_int_equal(goes_on, !(stage->machine->wishes & 1u << MACHINE_WISH_RESET));
	if (!goes_on)
		machine_ask_quit(stage->machine);
}

/* Or it would run on in a life that is over. */
static void
test_machine__what_wants_a_reset_stands_after_a_hold(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, guest_resets, guest_resets_end, 1);
	stage.tick = stage_tick_hold_and_reset;
	stage_run(&stage, VMM_STATE_RUNNING);
	stage_close(&stage);
}

static void *
stage_run_thread(void *context)
{
	struct stage *stage = context;

	return (void *)(intptr_t)machine_run(stage->machine);
}

static void
test_machine__two_in_one_process(void **state)
{
	struct stage stages[2];
	pthread_t threads[2];

	(void)state;
	stage_open(&stages[0], guest_reset, guest_reset_end, 1);
	stage_open(&stages[1], guest_mmio, guest_mmio_end, 1);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stage_run_thread, &stages[i]),
				 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(machine_get_state(stages[i].machine), VMM_STATE_OFF);
	}
	assert_int_equal(stages[0].n_values, 6);
	assert_int_equal(stages[1].mmio_value, 0x0077665544332211);
	stage_close(&stages[0]);
	stage_close(&stages[1]);
}

static void
test_machine__says_why_it_cannot_be_made(void **state)
{
	struct stage stage = { 0 };
	struct machine *machine;
	char problem[MACHINE_PROBLEM_BYTES];
	int kvm_fd;

	(void)state;
	stage_describe(&stage, guest_panic, guest_panic_end, 1);
	snprintf(stage.description.cpu, sizeof(stage.description.cpu), "carrel-v9");
	assert_int_equal(machine_new(&stage.description, &machine, problem), -EINVAL);
	assert_string_equal(problem, "no processor model 'carrel-v9'");
	snprintf(stage.description.cpu, sizeof(stage.description.cpu), "carrel-v0");
	kvm_fd = stage.description.kvm_fd;
	stage.description.kvm_fd = stage.description.memory_fd;
	assert_int_equal(machine_new(&stage.description, &machine, problem), -ENOTTY);
	assert_non_null(strstr(problem, "is not /dev/kvm"));
	stage.description.kvm_fd = kvm_fd;
	assert_int_equal(ftruncate(stage.description.memory_fd, MACHINE_STAGE_RAM_BYTES / 2), 0);
	assert_int_equal(machine_new(&stage.description, &machine, problem), -EINVAL);
	assert_non_null(strstr(problem, "the guest's memory cannot be mapped"));
	machine_stage_close(&stage.description);
}

/* Who is told that it runs may rely on that; and no time has passed for the guest before. */
static void
test_machine__it_is_said_to_run_when_it_does(void **state)
{
	struct stage stage;

	(void)state;
	memset(went_on, 0, sizeof(went_on));
	stage_open(&stage, guest_ports, guest_ports_end, 2);
	stage_run(&stage, VMM_STATE_OFF);
	assert_string_equal(went_on, "cvvr");
	stage_close(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine__hands_ports_to_devices),
		cmocka_unit_test(test_machine__hands_registers_to_devices),
		cmocka_unit_test(test_machine__reset_loads_the_boot_files_again_and_keeps_memory),
		cmocka_unit_test(test_machine__triple_fault_is_a_reset),
		cmocka_unit_test(test_machine__panic_stands_still_and_lives),
		cmocka_unit_test(test_machine__what_kvm_cannot_do_fails_the_machine_only),
		cmocka_unit_test(test_machine__pause_stops_it_and_resume_goes_on),
		cmocka_unit_test(test_machine__resets_from_outside_at_any_moment),
		cmocka_unit_test(test_machine__starts_the_second_vcpu),
		cmocka_unit_test(test_machine__enters_a_bzimage_in_long_mode),
		cmocka_unit_test(test_machine__guest_sees_the_model),
		cmocka_unit_test(test_machine__is_held_while_it_runs_and_no_disk_works),
		cmocka_unit_test(test_machine__what_wants_a_reset_stands_after_a_hold),
		cmocka_unit_test(test_machine__two_in_one_process),
		cmocka_unit_test(test_machine__says_why_it_cannot_be_made),
		cmocka_unit_test(test_machine__it_is_said_to_run_when_it_does),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
