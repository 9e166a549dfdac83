/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine.c - whole machines on /dev/kvm, with guests of a few instructions
 *
 * A guest is 32-bit code that is put into an ELF file with a PVH note, which the machine boots like a kernel; one is 64-bit
 * code in a bzImage. How it talks to the test, and what it may be made of: guest_stage.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/proto_vmm.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/guest_stage.h"
#include "tests/unit/machine_stage.h"
#include "vmm/machine.h"

#define EXIT_SKIP 77

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
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_ports, guest_ports_end, 1);
	guest_stage_run(&stage, VMM_STATE_OFF);
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
	guest_stage_close(&stage);
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
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_mmio, guest_mmio_end, 1);
	guest_stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.values[0], 0x77665544);
	assert_int_equal(stage.values[1], 0xffffffff);
	assert_int_equal(stage.mmio_value, 0x0077665544332211);
	assert_int_equal(stage.mmio_writes, 3);
	guest_stage_close(&stage);
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
	struct guest_stage stage;
	uint32_t code;

	(void)state;
	memcpy(&code, guest_reset, sizeof(code));
	guest_stage_open(&stage, guest_reset, guest_reset_end, 1);
	guest_stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_reboots, 1);
	assert_int_equal(stage.n_values, 6);
	assert_int_equal(stage.values[0], code);
	assert_int_equal(stage.values[1], 0);
	assert_int_equal(stage.values[2], 0xff00);
	assert_int_equal(stage.values[3], code);
	assert_int_equal(stage.values[4], 1);
	guest_stage_close(&stage);
}

GUEST(triple_fault,
      "mov $0x300000, %ebx\n"
      "incl (%ebx)\n"
      "cmpl $3, (%ebx)\nje 2f\n"
      "mov $0x310000, %esp\npush $0\npush $0\nlidt (%esp)\nud2\n" STAY "2:\n" OFF STAY);

static void
test_machine__triple_fault_is_a_reset(void **state)
{
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_triple_fault, guest_triple_fault_end, 1);
	guest_stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_reboots, 2);
	guest_stage_close(&stage);
}

GUEST(panic, PANIC STAY);

static void
test_machine__panic_stands_still_and_lives(void **state)
{
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_panic, guest_panic_end, 1);
	guest_stage_run(&stage, VMM_STATE_PANICKED);
	guest_stage_close(&stage);
}

/* Runs into registers, which no processor can execute. */
GUEST(lost, "mov $0xd0000000, %eax\njmp *%eax\n");

static void
test_machine__what_kvm_cannot_do_fails_the_machine_only(void **state)
{
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_lost, guest_lost_end, 1);
	guest_stage_run(&stage, VMM_STATE_FAILED);
	assert_non_null(strstr(stage.text, "KVM"));
	guest_stage_close(&stage);
}

GUEST(count, COUNT);

/* Steps: it counts; it is paused and does not; it counts again. */
static void
stage_tick_pause(struct guest_stage *stage)
{
	uint32_t count = guest_stage_peek(stage, GUEST_STAGE_DATA);

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
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_count, guest_count_end, 1);
	stage.tick = stage_tick_pause;
	guest_stage_run(&stage, VMM_STATE_RUNNING);
	assert_int_equal(stage.n_states, 3);
	assert_int_equal(stage.states[1], VMM_STATE_PAUSED);
	assert_int_equal(stage.states[2], VMM_STATE_RUNNING);
	guest_stage_close(&stage);
}

/* Counts its lives, then reads a register for ever. */
GUEST(lives, "mov $0x300000, %ebx\n"
	     "mov $0xd0000000, %ecx\n"
	     "incl 4(%ebx)\n"
	     "1: incl (%ebx)\nmov (%ecx), %eax\njmp 1b\n");

static void
stage_tick_reset(struct guest_stage *stage)
{
	uint32_t count = guest_stage_peek(stage, GUEST_STAGE_DATA);

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
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_lives, guest_lives_end, 2);
	stage.tick = stage_tick_reset;
	guest_stage_run(&stage, VMM_STATE_RUNNING);
	assert_int_equal(stage.n_states, 1);
	assert_int_equal(guest_stage_peek(&stage, GUEST_STAGE_DATA + 4), 1 + stage.n_reboots);
	guest_stage_close(&stage);
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
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_smp, guest_smp_end, 2);
	guest_stage_run(&stage, VMM_STATE_OFF);
	guest_stage_close(&stage);
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
	struct guest_stage stage;

	(void)state;
	assert_int_equal(write(initrd_fd, "init", 4), 4);
	guest_stage_describe(&stage, guest_kernel_make_bzimage(guest_bzimage, guest_bzimage_end),
			     1);
	stage.description.initrd_fd = initrd_fd;
	snprintf(stage.description.command_line, sizeof(stage.description.command_line), "line");
	guest_stage_make(&stage);
	guest_stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.n_values, 7);
	assert_int_equal(stage.values[0], GUEST_KERNEL_GPA + GUEST_KERNEL_ENTRY_64 + 7);
	assert_memory_equal(&stage.values[1], "HdrS", 4);
	assert_memory_equal(&stage.values[2], "line", 4);
	assert_memory_equal(&stage.values[3], "init", 4);
	assert_int_equal(stage.values[4], 4);
	assert_int_equal(stage.values[5], 0x12);
	guest_stage_close(&stage);
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
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_cpuid, guest_cpuid_end, 2);
	guest_stage_run(&stage, VMM_STATE_OFF);
	assert_int_equal(stage.values[0], 0x4b4d564b); /* KVMK */
	assert_int_equal(stage.values[1], 0x80000008);
	assert_int_equal(stage.values[2] & 1 << 8, 0); /* invariant TSC */
	assert_int_equal(stage.values[3] >> 16 & 0xff, 2);
	guest_stage_close(&stage);
}

static void *
stage_run_thread(void *context)
{
	struct guest_stage *stage = context;

	return (void *)(intptr_t)machine_run(stage->machine);
}

static void
test_machine__two_in_one_process(void **state)
{
	struct guest_stage stages[2];
	pthread_t threads[2];

	(void)state;
	guest_stage_open(&stages[0], guest_reset, guest_reset_end, 1);
	guest_stage_open(&stages[1], guest_mmio, guest_mmio_end, 1);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stage_run_thread, &stages[i]),
				 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(machine_get_state(stages[i].machine), VMM_STATE_OFF);
	}
	assert_int_equal(stages[0].n_values, 6);
	assert_int_equal(stages[1].mmio_value, 0x0077665544332211);
	guest_stage_close(&stages[0]);
	guest_stage_close(&stages[1]);
}

static void
test_machine__says_why_it_cannot_be_made(void **state)
{
	struct guest_stage stage;
	struct machine *machine;
	char problem[MACHINE_PROBLEM_BYTES];
	int kvm_fd;

	(void)state;
	guest_stage_describe(&stage, guest_kernel_make(guest_panic, guest_panic_end), 1);
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
	struct guest_stage stage;

	(void)state;
	guest_stage_begin_notes();
	guest_stage_open(&stage, guest_ports, guest_ports_end, 2);
	guest_stage_run(&stage, VMM_STATE_OFF);
	assert_string_equal(guest_stage_get_notes(), "cvvr");
	guest_stage_close(&stage);
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
