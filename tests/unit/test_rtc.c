/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_rtc.c - the real-time clock, driven through its ports at a time that the test sets
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/state_round.h"
#include "vmm/rtc.h"
#include "vmm/rtc_time.h"

#define TEST_IRQ 8
#define TEST_S	 UINT64_C(1000000000)
#define TEST_MS	 UINT64_C(1000000)

/* 2026-11-21 23:59:50, a Saturday */
#define TEST_NOW (UINT64_C(1795305590) * TEST_S)

/* The linker puts this in the place of rtc_time_now_ns(). */
uint64_t __real_rtc_time_now_ns(void);
uint64_t __wrap_rtc_time_now_ns(void);

static uint64_t test_now_ns; /* 0: the real time */

uint64_t
__wrap_rtc_time_now_ns(void)
{
	return test_now_ns ? test_now_ns : __real_rtc_time_now_ns();
}

struct test_machine {
	struct fake_platform *fake;
	struct rtc *rtc;
};

static int
test_rtc_set_up(void **state)
{
	static struct test_machine machine;

	test_now_ns = TEST_NOW;
	assert_int_equal(fake_platform_new(UINT64_C(48) << 20, &machine.fake), 0);
	assert_int_equal(rtc_new(&machine.fake->platform, 3, &machine.rtc), 0);
	*state = &machine;
	return 0;
}

static int
test_rtc_tear_down(void **state)
{
	struct test_machine *machine = *state;

	rtc_free(machine->rtc);
	fake_platform_free(machine->fake);
	return 0;
}

static uint8_t
test_rtc_in(struct test_machine *machine, uint8_t index)
{
	fake_platform_out(machine->fake, 0x70, 1, index);
	return (uint8_t)fake_platform_in(machine->fake, 0x71, 1);
}

static void
test_rtc_out(struct test_machine *machine, uint8_t index, uint8_t value)
{
	fake_platform_out(machine->fake, 0x70, 1, index);
	fake_platform_out(machine->fake, 0x71, 1, value);
}

/* Century, year, month, day, hour, minute, second. */
static void
test_rtc_expect(struct test_machine *machine, const char *time)
{
	static const uint8_t registers[] = { 0x32, 9, 8, 7, 4, 2, 0 };
	char found[2 * sizeof(registers) + 1];

	for (size_t i = 0; i < sizeof(registers); i++) {
		uint8_t value = test_rtc_in(machine, registers[i]);

		found[2 * i] = (char)('0' + (value >> 4));
		found[2 * i + 1] = (char)('0' + (value & 0x0f));
	}
	found[2 * sizeof(registers)] = '\0';
	assert_string_equal(found, time);
}

static void
test_rtc__tells_the_hosts_time(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_expect(machine, "20261121235950");
	assert_int_equal(test_rtc_in(machine, 6), 7);
	test_now_ns += 10 * TEST_S;
	test_rtc_expect(machine, "20261122000000");
	assert_int_equal(test_rtc_in(machine, 6), 1);
	assert_int_equal(test_rtc_in(machine, 0x0d), 0x80);
	assert_int_equal(test_rtc_in(machine, 0x80 | 0x0d), 0x80); /* NMIs masked */
}

static void
test_rtc__update_in_progress_before_each_second(void **state)
{
	struct test_machine *machine = *state;

	assert_int_equal(test_rtc_in(machine, 0x0a), 0x26);
	test_now_ns += TEST_S - 300000;
	assert_int_equal(test_rtc_in(machine, 0x0a), 0x26);
	test_now_ns += 100000;
	assert_int_equal(test_rtc_in(machine, 0x0a), 0xa6);
	test_rtc_out(machine, 0x0b, 0x82);
	assert_int_equal(test_rtc_in(machine, 0x0a), 0x26);
}

/* As Linux does it: SET, divider held, all registers, divider and SET as before. */
static void
test_rtc__set_time_goes_on_from_there(void **state)
{
	struct test_machine *machine = *state;
	static const uint8_t values[][2] = { { 9, 0x30 }, { 8, 0x02 }, { 7, 0x28 },   { 4, 0x12 },
					     { 2, 0x34 }, { 0, 0x56 }, { 0x32, 0x20 } };

	test_now_ns += 123 * TEST_MS;
	test_rtc_out(machine, 0x0b, 0x82);
	test_rtc_out(machine, 0x0a, 0x76);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		test_rtc_out(machine, values[i][0], values[i][1]);
	test_now_ns += 5 * TEST_S;
	test_rtc_expect(machine, "20300228123456");
	test_rtc_out(machine, 0x0b, 0x02);
	test_rtc_out(machine, 0x0a, 0x26);
	test_now_ns += 499 * TEST_MS; /* the first second ends after half of one */
	test_rtc_expect(machine, "20300228123456");
	test_now_ns += 2 * TEST_MS;
	test_rtc_expect(machine, "20300228123457");
	test_now_ns += 86400 * TEST_S;
	test_rtc_expect(machine, "20300301123457");
	rtc_reset(machine->rtc);
	test_rtc_expect(machine, "20300301123457");
}

static void
test_rtc__one_register_written_while_it_runs(void **state)
{
	struct test_machine *machine = *state;

	test_now_ns += 700 * TEST_MS;
	test_rtc_out(machine, 4, 0x05);
	test_rtc_expect(machine, "20261121055950");
	test_now_ns += 301 * TEST_MS;
	test_rtc_expect(machine, "20261121055951");
}

static void
test_rtc__binary_and_12_hours(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_out(machine, 0x0b, 0x04);
	assert_int_equal(test_rtc_in(machine, 4), 0x80 | 11);
	assert_int_equal(test_rtc_in(machine, 2), 59);
	test_rtc_out(machine, 4, 12);
	test_rtc_out(machine, 0x0b, 0x02);
	test_rtc_expect(machine, "20261121005950");
}

static void
test_rtc__flags_of_register_c(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_in(machine, 0x0c);
	assert_int_equal(test_rtc_in(machine, 0x0c), 0);
	test_now_ns += TEST_MS; /* 1024 periods a second */
	assert_int_equal(test_rtc_in(machine, 0x0c), 0x40);
	test_rtc_out(machine, 1, 0x52);
	test_rtc_out(machine, 3, 0xff);
	test_rtc_out(machine, 5, 0xff);
	test_now_ns += TEST_S;
	assert_int_equal(test_rtc_in(machine, 0x0c), 0x50);
	test_now_ns += TEST_S;
	assert_int_equal(test_rtc_in(machine, 0x0c), 0x70);
	assert_int_equal(test_rtc_in(machine, 0x0c), 0);
	assert_false(machine->fake->irq_level[TEST_IRQ]);
	test_rtc_out(machine, 0x0a, 0x20); /* no periods */
	test_now_ns += 59 * TEST_S;
	assert_int_equal(test_rtc_in(machine, 0x0c), 0x10);
	test_now_ns += 3600 * TEST_S; /* nobody has looked for an hour */
	assert_int_equal(test_rtc_in(machine, 0x0c), 0x30);
}

static void
test_rtc__rates_of_periods(void **state)
{
	static const struct {
		uint8_t rate;
		uint64_t period_ns;
	} table[] = {
		{ 1, 3906250 }, { 2, 7812500 }, { 7, 1953125 }, { 8, 3906250 }, { 15, 500000000 },
	};
	struct test_machine *machine = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		test_now_ns = TEST_NOW;
		test_rtc_out(machine, 0x0a, 0x20 | table[i].rate);
		test_rtc_in(machine, 0x0c);
		test_now_ns += table[i].period_ns - 10;
		assert_int_equal(test_rtc_in(machine, 0x0c) & 0x40, 0);
		test_now_ns += 20;
		assert_int_equal(test_rtc_in(machine, 0x0c) & 0x40, 0x40);
	}
}

static void
test_rtc__nothing_happens_when_the_host_steps_back(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_out(machine, 0x0a, 0x20);
	test_now_ns -= 3600 * TEST_S;
	assert_int_equal(test_rtc_in(machine, 0x0c), 0);
	test_now_ns += TEST_S;
	assert_int_equal(test_rtc_in(machine, 0x0c), 0x10);
}

static void
test_rtc__reading_register_c_lowers_the_line(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_out(machine, 0x0b, 0x12);
	test_rtc_in(machine, 0x0c);
	test_now_ns += TEST_S;
	assert_false(machine->fake->irq_level[TEST_IRQ]);
	test_rtc_out(machine, 0x40, 0); /* any write: the device looks at the time */
	assert_true(machine->fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_rtc_in(machine, 0x0c) & 0x90, 0x90);
	assert_false(machine->fake->irq_level[TEST_IRQ]);
}

static bool
test_rtc_has_irq(void *context)
{
	const struct fake_platform *fake = context;

	return fake->irq_level[TEST_IRQ];
}

/* Waits for the real time's next event; a slow machine may be late for it, so that nothing is said of before and after. */
static void
test_rtc_expect_irq(struct test_machine *machine, uint8_t flag)
{
	assert_true(fake_platform_wait(machine->fake, test_rtc_has_irq, machine->fake, 10000));
	assert_int_equal(test_rtc_in(machine, 0x0c) & (0x80 | flag), 0x80 | flag);
}

static void
test_rtc__interrupts_come_by_themselves(void **state)
{
	struct test_machine *machine = *state;

	test_now_ns = 0;
	test_rtc_out(machine, 0x0a,
		     0x76); /* the next second begins half of one after the release */
	test_rtc_out(machine, 0, 0x59);
	test_rtc_out(machine, 1, 0x00);
	test_rtc_out(machine, 3, 0xff);
	test_rtc_out(machine, 5, 0xff);
	test_rtc_out(machine, 0x0b, 0x22);
	test_rtc_out(machine, 0x0a, 0x20);
	test_rtc_expect_irq(machine, 0x20);

	test_rtc_out(machine, 0x0a, 0x76);
	test_rtc_out(machine, 0x0b, 0x12);
	test_rtc_out(machine, 0x0a, 0x20);
	test_rtc_expect_irq(machine, 0x10);

	test_rtc_out(machine, 0x0b, 0x42);
	test_rtc_out(machine, 0x0a, 0x2a); /* 64 a second */
	for (int i = 0; i < 3; i++)
		test_rtc_expect_irq(machine, 0x40);
}

static void
test_rtc__reset_keeps_memory_and_drops_interrupts(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_out(machine, 0x40, 0xa5);
	test_rtc_out(machine, 0x15, 0);
	test_rtc_out(machine, 0x0b, 0x72);
	test_now_ns += TEST_S;
	fake_platform_in(machine->fake, 0x71, 1);
	rtc_reset(machine->rtc);
	assert_false(machine->fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_rtc_in(machine, 0x0b), 0x02);
	assert_int_equal(test_rtc_in(machine, 0x0c), 0);
	assert_int_equal(test_rtc_in(machine, 0x40), 0xa5);
	assert_int_equal(test_rtc_in(machine, 0x15), 0x80); /* 640 KiB again */
}

static void
test_rtc__read_only_registers(void **state)
{
	struct test_machine *machine = *state;

	test_rtc_out(machine, 0x0a, 0x80 | 0x26);
	assert_int_equal(test_rtc_in(machine, 0x0a), 0x26);
	test_rtc_out(machine, 0x0c, 0xff);
	assert_int_equal(test_rtc_in(machine, 0x0c), 0);
	test_rtc_out(machine, 0x0d, 0);
	assert_int_equal(test_rtc_in(machine, 0x0d), 0x80);
	assert_int_equal(fake_platform_in(machine->fake, 0x70, 1), 0xff);
}

static void
test_rtc__sizes_for_firmware(void **state)
{
	/* 48 MiB, 3 CPUs */
	static const uint8_t table[][2] = {
		{ 0x15, 0x80 }, { 0x16, 0x02 }, { 0x17, 0x00 }, { 0x18, 0xbc },
		{ 0x30, 0x00 }, { 0x31, 0xbc }, { 0x34, 0x00 }, { 0x35, 0x02 },
		{ 0x5b, 0x00 }, { 0x5c, 0x00 }, { 0x5d, 0x00 }, { 0x5f, 0x02 },
	};
	struct test_machine *machine = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(test_rtc_in(machine, table[i][0]), table[i][1]);
}

static void
test_rtc_save(void *context, struct state_writer *writer)
{
	rtc_save(context, writer);
}

static int
test_rtc_load(void *context, struct state_reader *reader)
{
	return rtc_load(context, reader);
}

static const struct state_round test_round = { "rtc", test_rtc_save, test_rtc_load };

static void
test_rtc_open_fork(struct test_machine *fork)
{
	assert_int_equal(fake_platform_new(UINT64_C(48) << 20, &fork->fake), 0);
	assert_int_equal(rtc_new(&fork->fake->platform, 3, &fork->rtc), 0);
}

static struct test_machine
test_rtc_fork(struct test_machine *machine)
{
	struct test_machine fork;
	int fd = state_round_save(&test_round, machine->rtc);

	test_rtc_open_fork(&fork);
	state_round_load(&test_round, fork.rtc, fd);
	close(fd);
	return fork;
}

static void
test_rtc__fork_has_memory_and_registers(void **state)
{
	struct test_machine *machine = *state, fork;

	test_rtc_out(machine, 0x40, 0xa5);
	test_rtc_out(machine, 0x7f, 0x5a);
	test_rtc_out(machine, 0x0b, 0x12);
	test_now_ns += TEST_S;
	test_rtc_out(machine, 0x41, 1); /* the device looks at the time */
	assert_true(machine->fake->irq_level[TEST_IRQ]);
	fake_platform_out(machine->fake, 0x70, 1, 0x7f);
	fork = test_rtc_fork(machine);
	assert_true(fork.fake->irq_level[TEST_IRQ]);
	assert_int_equal(fake_platform_in(fork.fake, 0x71, 1), 0x5a);
	assert_int_equal(test_rtc_in(&fork, 0x40), 0xa5);
	assert_int_equal(test_rtc_in(&fork, 0x0b), 0x12);
	assert_int_equal(test_rtc_in(&fork, 0x0c) & 0x90, 0x90);
	assert_false(fork.fake->irq_level[TEST_IRQ]);
	test_rtc_tear_down(&(void *){ &fork });
}

/* Seven hours after it was saved; the guest has local time in its clock, two hours more than UTC. */
static void
test_rtc__fork_shows_the_present(void **state)
{
	struct test_machine *machine = *state, fork;
	int fd;

	test_rtc_out(machine, 4, 0x01);
	test_rtc_out(machine, 7, 0x22);
	test_rtc_expect(machine, "20261122015950");
	fd = state_round_save(&test_round, machine->rtc);
	test_rtc_open_fork(&fork);
	state_round_load(&test_round, fork.rtc, fd);
	test_rtc_expect(&fork, "20261122015950");
	test_now_ns += 7 * 3600 * TEST_S;
	test_rtc_expect(&fork, "20261122085950");
	close(fd);
	test_rtc_tear_down(&(void *){ &fork });
}

/* A time that is being set stays as far as it was. */
static void
test_rtc__fork_goes_on_setting_the_time(void **state)
{
	struct test_machine *machine = *state, fork;

	test_rtc_out(machine, 0x0b, 0x82);
	test_rtc_out(machine, 9, 0x30);
	fork = test_rtc_fork(machine);
	test_now_ns += 5 * TEST_S;
	test_rtc_expect(&fork, "20301121235950");
	test_rtc_out(&fork, 7, 0x20);
	test_rtc_out(&fork, 0x0b, 0x02);
	test_rtc_expect(&fork, "20301120235950");
	test_rtc_tear_down(&(void *){ &fork });
}

static void
test_rtc_set_alarm(struct test_machine *machine, uint8_t hour, uint8_t minute, uint8_t second)
{
	test_rtc_out(machine, 1, second);
	test_rtc_out(machine, 3, minute);
	test_rtc_out(machine, 5, hour);
	test_rtc_out(machine, 0x0b, 0x22);
}

static void
test_rtc__fork_rings_at_its_time(void **state)
{
	struct test_machine *machine = *state, fork;

	test_rtc_set_alarm(machine, 0x23, 0x59, 0x52);
	fork = test_rtc_fork(machine);
	test_now_ns += TEST_S;
	test_rtc_out(&fork, 0x40, 0);
	assert_false(fork.fake->irq_level[TEST_IRQ]);
	test_now_ns += TEST_S;
	test_rtc_out(&fork, 0x40, 0);
	assert_true(fork.fake->irq_level[TEST_IRQ]);
	test_rtc_tear_down(&(void *){ &fork });
}

/* It needs no access of the guest's. */
static void
test_rtc__fork_rings_by_itself(void **state)
{
	struct test_machine *machine = *state, fork;

	test_now_ns = 0;
	test_rtc_set_alarm(machine, 0xff, 0xff, 0xff); /* each second */
	fork = test_rtc_fork(machine);
	test_rtc_expect_irq(&fork, 0x20);
	test_rtc_tear_down(&(void *){ &fork });
}

static void
test_rtc__alarm_between_save_and_load_rings_once(void **state)
{
	struct test_machine *machine = *state, fork;
	int fd;

	test_rtc_set_alarm(machine, 0x23, 0x59, 0x52);
	fd = state_round_save(&test_round, machine->rtc);
	test_now_ns += 40 * 24 * 3600 * TEST_S;
	test_rtc_open_fork(&fork);
	state_round_load_later(&test_round, fork.rtc, fd);
	assert_true(fork.fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_rtc_in(&fork, 0x0c) & 0xa0, 0xa0);
	assert_int_equal(test_rtc_in(&fork, 0x0c) & 0xa0, 0);
	assert_false(fork.fake->irq_level[TEST_IRQ]);
	close(fd);
	test_rtc_tear_down(&(void *){ &fork });
}

static void
test_rtc__forged_states_are_refused(void **state)
{
	static const struct state_forgery forgeries[] = {
		{ 0, 1, 0x80, "a register is chosen" },
		{ 1 + 0x0a, 1, 0x80, "register A" },
		{ 1 + 0x0c, 1, 0x01, "register C" },
		{ 129, 8, UINT64_C(1) << 63, "difference" },
		{ 129, 8, -(TEST_NOW + 1), "difference" }, /* before 1970 */
		{ 129, 8, UINT64_C(8000000001) * TEST_S - TEST_NOW, "difference" },
		{ 129, 8, INT64_MAX, "difference" },
		{ 137, 8, UINT64_MAX, "its time" },
		{ 137, 8, INT64_MAX, "its time" },
	};
	struct test_machine *machine = *state;
	int fd = state_round_save(&test_round, machine->rtc);

	test_rtc_out(machine, 0x40, 0xa5);
	state_round_refuse_all(&test_round, machine->rtc, fd, forgeries,
			       sizeof(forgeries) / sizeof(forgeries[0]));
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_rtc_set_up, test_rtc_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_rtc__tells_the_hosts_time),
		TEST(test_rtc__update_in_progress_before_each_second),
		TEST(test_rtc__set_time_goes_on_from_there),
		TEST(test_rtc__one_register_written_while_it_runs),
		TEST(test_rtc__binary_and_12_hours),
		TEST(test_rtc__flags_of_register_c),
		TEST(test_rtc__rates_of_periods),
		TEST(test_rtc__nothing_happens_when_the_host_steps_back),
		TEST(test_rtc__reading_register_c_lowers_the_line),
		TEST(test_rtc__interrupts_come_by_themselves),
		TEST(test_rtc__reset_keeps_memory_and_drops_interrupts),
		TEST(test_rtc__read_only_registers),
		TEST(test_rtc__sizes_for_firmware),
		TEST(test_rtc__fork_has_memory_and_registers),
		TEST(test_rtc__fork_shows_the_present),
		TEST(test_rtc__fork_goes_on_setting_the_time),
		TEST(test_rtc__fork_rings_at_its_time),
		TEST(test_rtc__fork_rings_by_itself),
		TEST(test_rtc__alarm_between_save_and_load_rings_once),
		TEST(test_rtc__forged_states_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
