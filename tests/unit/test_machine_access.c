/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine_access.c - a machine on /dev/kvm is sealed in the middle of an access: its fork neither makes it once more nor
 * loses it
 *
 * How it works: a counter of the test's hands out one number after the other, and the guest writes back to it what it has
 * read. In the middle of one of these accesses the vCPU is told to stand, by the counter itself, which is called with the
 * machine's lock as all devices are; for the vCPU that is the same as being told so while it waits for that lock. The machine
 * is sealed then, and a fork of it goes on with the counter as it was left. An access that is made twice skips a number or
 * writes one twice, one that is lost skips one.
 *
 * The register over the end of a page is read and written in two parts, which are two exits of one instruction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/proto_vmm.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/guest_stage.h"
#include "tests/unit/state_edit.h"
#include "vmm/bus.h"
#include "vmm/machine.h"
#include "vmm/machine_parts.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

#define EXIT_SKIP 77

/* The counter's places: as one port, as a register, and as one of which the second half is on the next page. */
#define COUNTER_PORT  0x520
#define COUNTER_GPA   0xd0010ff8
#define COUNTER_BYTES 16
#define SPLIT_OFFSET  6 /* 0xd0010ffe */
#define HALF_BYTES    2

/* It counts from here, so that both halves change, and is sealed after so many rounds of the guest. */
#define FIRST  UINT32_C(0xfff0)
#define ROUNDS 8
#define ENOUGH (FIRST + 4 * ROUNDS) /* the fork ends when it has come to this */

struct stage {
	struct guest_stage guest; /* first: a tick is told of this one */
	int state_fd;		  /* it is sealed there; -1: it is the fork */
	uint32_t handed;	  /* the number that was read last */
	uint32_t taken;		  /* the number that came back last */
	uint32_t low_half;	  /* of the next */
	uint32_t n_wrong;	  /* numbers that were not the one behind the last */
	uint32_t n_accesses;
	uint32_t stop_at; /* the access in which its vCPU is told to stand; 0: none */
};

GUEST(port, "mov $0x520, %dx\n"
	    "1: in %dx, %eax\nout %eax, %dx\njmp 1b\n");
GUEST(whole, "mov $0xd0010ff8, %ebx\n"
	     "1: mov (%ebx), %eax\nmov %eax, (%ebx)\njmp 1b\n");
GUEST(split, "mov $0xd0010ffe, %ebx\n"
	     "1: mov (%ebx), %eax\nmov %eax, (%ebx)\njmp 1b\n");

/* In the vCPU's thread. */
static void
counter_note_access(struct stage *stage)
{
	if (++stage->n_accesses != stage->stop_at)
		return;
	vcpu_stop(stage->guest.machine->vcpus[0]);
	machine_ask_pause(stage->guest.machine);
}

static uint64_t
counter_handle_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct stage *stage = context;
	bool is_high = offset == SPLIT_OFFSET + HALF_BYTES;

	(void)bytes;
	counter_note_access(stage);
	if (!is_high)
		stage->handed++;
	return is_high ? stage->handed >> 16 : stage->handed;
}

static void
counter_take(struct stage *stage, uint32_t number)
{
	if (number != stage->taken + 1)
		stage->n_wrong++;
	stage->taken = number;
}

static void
counter_handle_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct stage *stage = context;

	counter_note_access(stage);
	if (bytes != HALF_BYTES)
		counter_take(stage, (uint32_t)value);
	else if (offset == SPLIT_OFFSET)
		stage->low_half = (uint32_t)value;
	else
		counter_take(stage, (uint32_t)value << 16 | stage->low_half);
}

static const struct bus_ops counter_ops = { counter_handle_read, counter_handle_write };

static void
stage_tick(struct guest_stage *guest)
{
	struct stage *stage = (struct stage *)guest;
	const char *problem;

	if (stage->state_fd < 0) {
		if (stage->taken >= ENOUGH)
			machine_ask_quit(guest->machine);
	} else if (machine_get_state(guest->machine) == VMM_STATE_PAUSED) {
		assert_int_equal(machine_save(guest->machine, &stage->state_fd, 1, &problem), 0);
		machine_ask_quit(guest->machine);
	}
}

/* As it is described by now, and with the counter as it is. */
static void
stage_make(struct stage *stage)
{
	const struct bus_range port = { "counter", COUNTER_PORT, sizeof(uint32_t), &counter_ops,
					stage };
	const struct bus_range registers = { "counter", COUNTER_GPA, COUNTER_BYTES, &counter_ops,
					     stage };

	guest_stage_make(&stage->guest);
	assert_int_equal(bus_add(stage->guest.platform->pio, &port), 0);
	assert_int_equal(bus_add(stage->guest.platform->mmio, &registers), 0);
	stage->guest.tick = stage_tick;
}

/* It is sealed in the middle of this access, and goes on in a fork. */
static void
expect_no_trace(const uint8_t *code, const uint8_t *code_end, uint32_t stop_at)
{
	struct stage template = {
		.state_fd = state_edit_new(), .handed = FIRST, .taken = FIRST, .stop_at = stop_at
	};
	struct stage fork;

	guest_stage_describe(&template.guest, guest_kernel_make(code, code_end), 1);
	stage_make(&template);
	guest_stage_run(&template.guest, VMM_STATE_PAUSED);
	assert_true(template.n_accesses >= stop_at);

	fork = template;
	fork.state_fd = -1;
	fork.stop_at = 0;
	guest_stage_describe_fork(&fork.guest, &template.guest, template.state_fd);
	guest_stage_close(&template.guest);
	stage_make(&fork);
	guest_stage_run(&fork.guest, VMM_STATE_RUNNING);
	assert_int_equal(fork.n_wrong, 0);
	guest_stage_close(&fork.guest);
	close(template.state_fd);
}

/* The guest's loop makes so many accesses: in the middle of each of them. */
static void
expect_no_trace_of_any(const uint8_t *code, const uint8_t *code_end, uint32_t n_accesses)
{
	for (uint32_t i = 1; i <= n_accesses; i++)
		expect_no_trace(code, code_end, ROUNDS * n_accesses + i);
}

static void
test_machine_access__to_a_port_is_made_once(void **state)
{
	(void)state;
	expect_no_trace_of_any(guest_port, guest_port_end, 2);
}

static void
test_machine_access__to_a_register_is_made_once(void **state)
{
	(void)state;
	expect_no_trace_of_any(guest_whole, guest_whole_end, 2);
}

static void
test_machine_access__in_two_parts_is_made_once(void **state)
{
	(void)state;
	expect_no_trace_of_any(guest_split, guest_split_end, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_access__to_a_port_is_made_once),
		cmocka_unit_test(test_machine_access__to_a_register_is_made_once),
		cmocka_unit_test(test_machine_access__in_two_parts_is_made_once),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
