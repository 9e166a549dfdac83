/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_acpi_pm.c - power management registers, driven through their ports at a time that the test sets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/state_round.h"
#include "vmm/acpi_pm.h"

#define TEST_SCI    9
#define TEST_TIMER  0x0001 /* of PM1's status and enable */
#define TEST_ENABLE 0x0521 /* with the global lock and the clock: all that can be enabled */
#define TEST_BUTTON 0x0100
#define TEST_S	    UINT64_C(1000000000)
#define TEST_HALF_S (0x80000000u / 3579545.0) /* until the timer's top bit changes */

/* The linker puts this in the place of loop_now_ns(). */
uint64_t __real_loop_now_ns(void);
uint64_t __wrap_loop_now_ns(void);

static int64_t test_shift_ns;
static uint64_t test_frozen_ns; /* 0: the time goes on */

uint64_t
__wrap_loop_now_ns(void)
{
	return (test_frozen_ns ? test_frozen_ns : __real_loop_now_ns()) + (uint64_t)test_shift_ns;
}

struct test_machine {
	struct fake_platform *fake;
	struct acpi_pm *pm;
};

static int
test_acpi_pm_set_up(void **state)
{
	static struct test_machine machine;

	test_shift_ns = 0;
	test_frozen_ns = __real_loop_now_ns();
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &machine.fake), 0);
	assert_int_equal(acpi_pm_new(&machine.fake->platform, &machine.pm), 0);
	*state = &machine;
	return 0;
}

static int
test_acpi_pm_tear_down(void **state)
{
	struct test_machine *machine = *state;

	acpi_pm_free(machine->pm);
	fake_platform_free(machine->fake);
	return 0;
}

static void
test_acpi_pm__power_button_raises_the_sci_where_enabled(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	acpi_pm_press_power_button(machine->pm);
	assert_int_equal(fake_platform_in(fake, 0x600, 2), TEST_BUTTON);
	assert_false(fake->irq_level[TEST_SCI]);
	fake_platform_out(fake, 0x602, 2, 0xffff);
	assert_int_equal(fake_platform_in(fake, 0x602, 2), TEST_ENABLE);
	assert_true(fake->irq_level[TEST_SCI]);
	fake_platform_out(fake, 0x600, 2, (uint16_t)~TEST_BUTTON);
	assert_true(fake->irq_level[TEST_SCI]);
	fake_platform_out(fake, 0x600, 2, TEST_BUTTON);
	assert_false(fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fake, 0x600, 4), TEST_ENABLE << 16);
}

static void
test_acpi_pm__bytes_of_registers_are_apart(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	acpi_pm_press_power_button(machine->pm);
	fake_platform_out(fake, 0x603, 1, 0x01);
	assert_int_equal(fake_platform_in(fake, 0x602, 2), TEST_BUTTON);
	fake_platform_out(fake, 0x602, 1, 0x01);
	assert_int_equal(fake_platform_in(fake, 0x602, 2), TEST_BUTTON | TEST_TIMER);
	fake_platform_out(fake, 0x600, 1, 0xff);
	assert_true(fake->irq_level[TEST_SCI]);
	fake_platform_out(fake, 0x601, 1, 0xff);
	assert_false(fake->irq_level[TEST_SCI]);
}

static void
test_acpi_pm__general_event_until_cleared(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	fake_platform_out(fake, 0x60d, 1, 1 << ACPI_PM_GPE_GENID);
	assert_false(fake->irq_level[TEST_SCI]);
	acpi_pm_raise_gpe(machine->pm, 1);
	assert_false(fake->irq_level[TEST_SCI]);
	acpi_pm_raise_gpe(machine->pm, ACPI_PM_GPE_GENID);
	assert_true(fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fake, 0x60c, 2), 0x2022);
	fake_platform_out(fake, 0x60c, 1, 1 << ACPI_PM_GPE_GENID);
	assert_false(fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fake, 0x60c, 1), 0x02);
}

static void
test_acpi_pm__only_s5_switches_off(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;
	const uint32_t *off = &fake->n_reports[PLATFORM_EVENT_SHUTDOWN];

	assert_int_equal(fake_platform_in(fake, 0x604, 2), 1); /* ACPI mode */
	fake_platform_out(fake, 0x604, 2, 5 << 10);
	assert_int_equal(*off, 0);
	assert_int_equal(fake_platform_in(fake, 0x604, 2), 5 << 10 | 1);
	for (uint32_t type = 0; type < 8; type++) {
		fake_platform_out(fake, 0x604, 2, 1 << 13 | type << 10);
		assert_int_equal(*off, type >= 5);
		assert_int_equal(fake_platform_in(fake, 0x604, 2), type << 10 | 1);
	}
	assert_int_equal(fake->n_reports[PLATFORM_EVENT_RESET], 0);
}

static void
test_acpi_pm__ways_to_reset(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t value;
		bool resets;
	} writes[] = {
		{ 0x60e, 1, true },   { 0x60e, 0, false },   { 0x60e, 6, false },
		{ 0x64, 0xfe, true }, { 0x64, 0xff, false }, { 0x64, 0xd1, false },
	};
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		fake_platform_forget(fake);
		fake_platform_out(fake, writes[i].port, 1, writes[i].value);
		assert_int_equal(fake->n_reports[PLATFORM_EVENT_RESET], writes[i].resets);
		assert_int_equal(fake->n_reports[PLATFORM_EVENT_SHUTDOWN], 0);
	}
	assert_int_equal(fake_platform_in(fake, 0x64, 1) & 2, 0); /* ready for commands */
}

static void
test_acpi_pm__timer_counts_3579545_a_second(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	assert_int_equal(fake_platform_in(fake, 0x608, 4), 0);
	test_shift_ns += TEST_S;
	assert_int_equal(fake_platform_in(fake, 0x608, 4), 3579545);
	assert_int_equal(fake_platform_in(fake, 0x60a, 1), 3579545 >> 16);
	fake_platform_out(fake, 0x608, 4, 0);
	test_shift_ns += 1999 * TEST_S;
	assert_int_equal(fake_platform_in(fake, 0x608, 4), (uint32_t)(UINT64_C(3579545) * 2000));
}

static void
test_acpi_pm__timer_stands_still_while_paused(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	test_shift_ns += TEST_S;
	acpi_pm_pause(machine->pm);
	test_shift_ns += 1000 * TEST_S;
	assert_int_equal(fake_platform_in(fake, 0x608, 4), 3579545);
	acpi_pm_pause(machine->pm);
	acpi_pm_resume(machine->pm);
	acpi_pm_resume(machine->pm);
	assert_int_equal(fake_platform_in(fake, 0x608, 4), 3579545);
	test_shift_ns += TEST_S;
	assert_int_equal(fake_platform_in(fake, 0x608, 4), 2 * 3579545);
	assert_int_equal(fake_platform_in(fake, 0x600, 2), 0);
}

static void
test_acpi_pm__timer_status_at_each_change_of_the_top_bit(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;
	int64_t half_ns = (int64_t)(TEST_HALF_S * 1e9);

	test_shift_ns = half_ns - 1000;
	assert_int_equal(fake_platform_in(fake, 0x600, 2), 0);
	test_shift_ns = half_ns + 1000;
	assert_int_equal(fake_platform_in(fake, 0x600, 2), TEST_TIMER);
	fake_platform_out(fake, 0x600, 2, TEST_TIMER);
	assert_int_equal(fake_platform_in(fake, 0x600, 2), 0);
	test_shift_ns = 2 * half_ns + 1000;
	assert_int_equal(fake_platform_in(fake, 0x600, 2), TEST_TIMER);
}

static bool
test_acpi_pm_has_sci(void *context)
{
	const struct fake_platform *fake = context;

	return fake->irq_level[TEST_SCI];
}

static void
test_acpi_pm__timer_interrupt_comes_by_itself(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	/* The timer began to run 20 ms less ago than its top bit takes. */
	test_frozen_ns = 0;
	test_shift_ns = -(int64_t)((TEST_HALF_S - 0.020) * 1e9);
	acpi_pm_reset(machine->pm);
	test_shift_ns = 0;
	fake_platform_out(fake, 0x602, 2, TEST_TIMER);
	assert_true(fake_platform_wait(fake, test_acpi_pm_has_sci, fake, 10000));
	assert_int_equal(fake_platform_in(fake, 0x600, 2), TEST_TIMER);
	assert_int_equal(fake_platform_in(fake, 0x60b, 1), 0x80);
}

static void
test_acpi_pm__reset_forgets(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	fake_platform_out(fake, 0x602, 2, 0xffff);
	fake_platform_out(fake, 0x60d, 1, 0xff);
	fake_platform_out(fake, 0x604, 2, 5 << 10);
	acpi_pm_press_power_button(machine->pm);
	acpi_pm_raise_gpe(machine->pm, 0);
	test_shift_ns += TEST_S;
	acpi_pm_reset(machine->pm);
	assert_false(fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fake, 0x600, 4), 0);
	assert_int_equal(fake_platform_in(fake, 0x604, 2), 1);
	assert_int_equal(fake_platform_in(fake, 0x608, 4), 0);
	assert_int_equal(fake_platform_in(fake, 0x60c, 2), 0);
}

static void
test_acpi_pm_save(void *context, struct state_writer *writer)
{
	acpi_pm_save(context, writer);
}

static int
test_acpi_pm_load(void *context, struct state_reader *reader)
{
	return acpi_pm_load(context, reader);
}

static const struct state_round test_round = { "acpi-pm", test_acpi_pm_save, test_acpi_pm_load };

/* Another machine, with what this one has; later, and on a host with another clock. */
static struct test_machine
test_acpi_pm_fork(struct test_machine *machine)
{
	struct test_machine fork;
	int fd;

	acpi_pm_pause(machine->pm);
	fd = state_round_save(&test_round, machine->pm);
	test_shift_ns -= TEST_S / 2;
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fork.fake), 0);
	assert_int_equal(acpi_pm_new(&fork.fake->platform, &fork.pm), 0);
	state_round_load(&test_round, fork.pm, fd);
	close(fd);
	return fork;
}

static void
test_acpi_pm_end_fork(struct test_machine *fork)
{
	acpi_pm_free(fork->pm);
	fake_platform_free(fork->fake);
}

static void
test_acpi_pm__fork_has_what_was_pending(void **state)
{
	struct test_machine *machine = *state, fork;

	fake_platform_out(machine->fake, 0x602, 2, TEST_BUTTON);
	fake_platform_out(machine->fake, 0x60d, 1, 1 << ACPI_PM_GPE_GENID);
	fake_platform_out(machine->fake, 0x604, 2, 3 << 10);
	acpi_pm_press_power_button(machine->pm);
	acpi_pm_raise_gpe(machine->pm, ACPI_PM_GPE_GENID);
	fork = test_acpi_pm_fork(machine);
	assert_true(fork.fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fork.fake, 0x600, 4), TEST_BUTTON << 16 | TEST_BUTTON);
	assert_int_equal(fake_platform_in(fork.fake, 0x604, 2), 3 << 10 | 1);
	fake_platform_out(fork.fake, 0x600, 2, TEST_BUTTON);
	assert_true(fork.fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fork.fake, 0x60c, 2), 0x2020);
	fake_platform_out(fork.fake, 0x60c, 1, 1 << ACPI_PM_GPE_GENID);
	assert_false(fork.fake->irq_level[TEST_SCI]);
	test_acpi_pm_end_fork(&fork);
}

static void
test_acpi_pm__fork_goes_on_with_the_timer(void **state)
{
	struct test_machine *machine = *state, fork;

	test_shift_ns += 2 * TEST_S;
	fork = test_acpi_pm_fork(machine);
	test_shift_ns += TEST_S;
	assert_int_equal(fake_platform_in(fork.fake, 0x608, 4), 2 * 3579545);
	acpi_pm_resume(fork.pm);
	assert_int_equal(fake_platform_in(fork.fake, 0x608, 4), 2 * 3579545);
	test_shift_ns += TEST_S;
	assert_int_equal(fake_platform_in(fork.fake, 0x608, 4), 3 * 3579545);
	test_acpi_pm_end_fork(&fork);
}

/* A change of the top bit that was told of before is not told of again; the next one is. */
static void
test_acpi_pm__fork_interrupts_at_the_next_change(void **state)
{
	struct test_machine *machine = *state, fork;

	test_shift_ns += (int64_t)((2 * TEST_HALF_S - 0.020) * 1e9);
	fake_platform_out(machine->fake, 0x602, 2, TEST_TIMER);
	fake_platform_out(machine->fake, 0x600, 2, TEST_TIMER);
	fork = test_acpi_pm_fork(machine);
	assert_false(fork.fake->irq_level[TEST_SCI]);
	test_shift_ns = 0;
	test_frozen_ns = 0; /* 20 ms before the change */
	acpi_pm_resume(fork.pm);
	assert_int_equal(fake_platform_in(fork.fake, 0x600, 2), 0);
	assert_true(fake_platform_wait(fork.fake, test_acpi_pm_has_sci, fork.fake, 10000));
	assert_int_equal(fake_platform_in(fork.fake, 0x600, 2), TEST_TIMER);
	test_acpi_pm_end_fork(&fork);
}

static void
test_acpi_pm__forged_states_are_refused(void **state)
{
	static const struct state_forgery forgeries[] = {
		{ 0, 2, 0x0002, "has happened" },
		{ 0, 2, 0x8000, "has happened" },
		{ 2, 2, 0x0002, "is enabled" },
		{ 4, 2, 0x2000, "control register" }, /* a guest that sleeps has ended */
		{ 4, 2, 0x0001, "control register" },
		{ 8, 8, UINT64_MAX, "too long" },
		{ 8, 8, (UINT64_C(1) << 62) + 1, "too long" },
	};
	struct test_machine *machine = *state;
	int fd;

	acpi_pm_pause(machine->pm);
	fd = state_round_save(&test_round, machine->pm);
	acpi_pm_press_power_button(machine->pm);
	state_round_refuse_all(&test_round, machine->pm, fd, forgeries,
			       sizeof(forgeries) / sizeof(forgeries[0]));
	close(fd);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, test_acpi_pm_set_up, test_acpi_pm_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_acpi_pm__power_button_raises_the_sci_where_enabled),
		TEST(test_acpi_pm__bytes_of_registers_are_apart),
		TEST(test_acpi_pm__general_event_until_cleared),
		TEST(test_acpi_pm__only_s5_switches_off),
		TEST(test_acpi_pm__ways_to_reset),
		TEST(test_acpi_pm__timer_counts_3579545_a_second),
		TEST(test_acpi_pm__timer_stands_still_while_paused),
		TEST(test_acpi_pm__timer_status_at_each_change_of_the_top_bit),
		TEST(test_acpi_pm__timer_interrupt_comes_by_itself),
		TEST(test_acpi_pm__reset_forgets),
		TEST(test_acpi_pm__fork_has_what_was_pending),
		TEST(test_acpi_pm__fork_goes_on_with_the_timer),
		TEST(test_acpi_pm__fork_interrupts_at_the_next_change),
		TEST(test_acpi_pm__forged_states_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
