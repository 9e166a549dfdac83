/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine_hold.c - whole machines on /dev/kvm whose guest stands for a moment, while something is done with its memory
 *
 * machine_hold() is called from the machine's own loop, as machine_idle.c does.
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
#include "vmm/devices.h"
#include "vmm/guest_memory.h"
#include "vmm/machine.h"
#include "vmm/machine_parts.h"

#define EXIT_SKIP 77

static bool disk_works; /* as devices_are_idle() is told */
static uint32_t n_held;

bool __wrap_devices_are_idle(const struct devices *devices);

bool
__wrap_devices_are_idle(const struct devices *devices)
{
	(void)devices;
	return !disk_works;
}

/* For machine_hold(): nobody else changes the memory. */
static void
count_held(struct machine *machine)
{
	const volatile uint32_t *counter =
		guest_memory_find(machine->platform.memory, GUEST_STAGE_DATA, sizeof(*counter));
	uint32_t before = *counter;

	usleep(1000);
	assert_int_equal(*counter, before);
	n_held++;
}

/* Whether it was held; and whether it was let go since. */
static bool
stage_hold(struct guest_stage *stage, bool *ret_goes_on)
{
	uint32_t before = n_held;
	bool held;

	guest_stage_begin_notes();
	held = machine_hold(stage->machine, count_held);
	assert_int_equal(n_held - before, held);
	*ret_goes_on = strcmp(guest_stage_get_notes(), "v") == 0;
	assert_true(*ret_goes_on || *guest_stage_get_notes() == '\0');
	return held;
}

GUEST(count, COUNT);

/* Steps: it counts and is held; it counts, is not held while a disk works, and is paused; nor then; it counts again. */
static void
stage_tick_hold(struct guest_stage *stage)
{
	uint32_t count = guest_stage_peek(stage, GUEST_STAGE_DATA);
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
test_machine_hold__is_made_while_it_runs_and_no_disk_works(void **state)
{
	struct guest_stage stage;

	(void)state;
	n_held = 0;
	guest_stage_open(&stage, guest_count, guest_count_end, 1);
	stage.tick = stage_tick_hold;
	guest_stage_run(&stage, VMM_STATE_RUNNING);
	disk_works = false;
	assert_int_equal(n_held, 1);
	assert_int_equal(stage.n_states, 3);
	guest_stage_close(&stage);
}

GUEST(resets, "mov $0x300000, %ebx\n1: incl (%ebx)\n" RESET "jmp 1b\n");

/* Until it wishes for a reset as it is made to stand: the access in which it waits for our lock is completed then. */
static void
stage_tick_hold_and_reset(struct guest_stage *stage)
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
test_machine_hold__what_wants_a_reset_stands_after_it(void **state)
{
	struct guest_stage stage;

	(void)state;
	guest_stage_open(&stage, guest_resets, guest_resets_end, 1);
	stage.tick = stage_tick_hold_and_reset;
	guest_stage_run(&stage, VMM_STATE_RUNNING);
	guest_stage_close(&stage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_hold__is_made_while_it_runs_and_no_disk_works),
		cmocka_unit_test(test_machine_hold__what_wants_a_reset_stands_after_it),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
