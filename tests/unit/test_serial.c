/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_serial.c - a 16550A, driven as Linux's driver does: probed, printed on, read, interrupting
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include <linux/serial_reg.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/state_round.h"
#include "vmm/serial.h"

#define TEST_IRQ       4
#define TEST_MAX_LINES 8

struct test_machine {
	struct fake_platform *fake;
	struct serial *serial;
	size_t n_lines;
	size_t lengths[TEST_MAX_LINES];
	char lines[TEST_MAX_LINES][SERIAL_MAX_LINE_BYTES + 1];
};

static void
test_serial_take_line(void *context, const char *line, size_t length)
{
	struct test_machine *machine = context;

	assert_in_range(machine->n_lines, 0, TEST_MAX_LINES - 1);
	assert_in_range(length, 1, SERIAL_MAX_LINE_BYTES);
	memcpy(machine->lines[machine->n_lines], line, length);
	machine->lengths[machine->n_lines++] = length;
}

static int
test_serial_set_up(void **state)
{
	static struct test_machine machine;

	machine = (struct test_machine){ 0 };
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &machine.fake), 0);
	assert_int_equal(serial_new(&machine.fake->platform, test_serial_take_line, &machine,
				    &machine.serial),
			 0);
	*state = &machine;
	return 0;
}

static int
test_serial_tear_down(void **state)
{
	struct test_machine *machine = *state;

	serial_free(machine->serial);
	fake_platform_free(machine->fake);
	return 0;
}

static uint8_t
test_serial_in(struct test_machine *machine, uint16_t reg)
{
	return (uint8_t)fake_platform_in(machine->fake, SERIAL_PORT + reg, 1);
}

static void
test_serial_out(struct test_machine *machine, uint16_t reg, unsigned int value)
{
	fake_platform_out(machine->fake, SERIAL_PORT + reg, 1, value);
}

static void
test_serial_print(struct test_machine *machine, const char *text)
{
	for (; *text; text++) {
		assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_THRE, UART_LSR_THRE);
		test_serial_out(machine, UART_TX, (uint8_t)*text);
	}
}

static size_t
test_serial_feed(struct test_machine *machine, const char *text)
{
	return serial_feed(machine->serial, (const uint8_t *)text, strlen(text));
}

static void
test_serial__prints_line_by_line(void **state)
{
	struct test_machine *machine = *state;

	test_serial_print(machine, "Linux version 6.1\r\n\n\r\nlogin: ");
	assert_int_equal(machine->n_lines, 1);
	assert_string_equal(machine->lines[0], "Linux version 6.1");
	serial_reset(machine->serial);
	assert_int_equal(machine->n_lines, 2);
	assert_string_equal(machine->lines[1], "login: ");
	serial_reset(machine->serial);
	assert_int_equal(machine->n_lines, 2);
}

static void
test_serial__long_line_comes_in_pieces(void **state)
{
	struct test_machine *machine = *state;

	for (int i = 0; i < 2 * SERIAL_MAX_LINE_BYTES + 3; i++)
		test_serial_out(machine, UART_TX, 'x');
	assert_int_equal(machine->n_lines, 2);
	assert_int_equal(machine->lengths[0], SERIAL_MAX_LINE_BYTES);
	test_serial_print(machine, "\n");
	assert_int_equal(machine->n_lines, 3);
	assert_int_equal(machine->lengths[2], 3);
}

/* What Linux's autoconfig() looks at (drivers/tty/serial/8250/8250_port.c). */
static void
test_serial__is_found_to_be_a_16550a(void **state)
{
	struct test_machine *machine = *state;

	test_serial_out(machine, UART_IER, 0);
	assert_int_equal(test_serial_in(machine, UART_IER) & 0x0f, 0);
	test_serial_out(machine, UART_IER, 0x0f);
	assert_int_equal(test_serial_in(machine, UART_IER) & 0x0f, 0x0f);
	test_serial_out(machine, UART_IER, 0);
	test_serial_out(machine, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(test_serial_in(machine, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	test_serial_out(machine, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	assert_int_equal(test_serial_in(machine, UART_MSR) & 0xf0, UART_MSR_RI | UART_MSR_DSR);
	test_serial_out(machine, UART_MCR, 0);
	assert_int_equal(test_serial_in(machine, UART_MSR) & 0xf0,
			 UART_MSR_DCD | UART_MSR_CTS | UART_MSR_DSR);
	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(test_serial_in(machine, UART_IIR) >> 6, 3);
	test_serial_out(machine, UART_FCR, 0);
	assert_int_equal(test_serial_in(machine, UART_IIR) >> 6, 0);
	test_serial_out(machine, UART_SCR, 0x5a);
	assert_int_equal(test_serial_in(machine, UART_SCR), 0x5a);
}

static void
test_serial__divisor_is_kept(void **state)
{
	struct test_machine *machine = *state;

	test_serial_out(machine, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	assert_int_equal(test_serial_in(machine, UART_DLL), 12);
	test_serial_out(machine, UART_DLL, 0x34);
	test_serial_out(machine, UART_DLM, 0x12);
	assert_int_equal(test_serial_in(machine, UART_DLL), 0x34);
	assert_int_equal(test_serial_in(machine, UART_DLM), 0x12);
	test_serial_out(machine, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(test_serial_in(machine, UART_LCR), UART_LCR_WLEN8);
	assert_int_equal(test_serial_in(machine, UART_IER), 0);
	assert_int_equal(machine->n_lines, 0);
}

static void
test_serial__transmitter_interrupts_when_switched_on_and_after_each_byte(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	test_serial_out(machine, UART_MCR, UART_MCR_OUT2);
	for (int i = 0; i < 2; i++) { /* twice: Linux tests that it works again */
		test_serial_out(machine, UART_IER, UART_IER_THRI);
		assert_true(fake->irq_level[TEST_IRQ]);
		assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_THRI);
		assert_false(fake->irq_level[TEST_IRQ]);
		assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_NO_INT);
		test_serial_out(machine, UART_TX, 'a');
		assert_int_equal(fake->irq_raised[TEST_IRQ], 2 * i + 2);
		test_serial_out(machine, UART_IER, 0);
		assert_false(fake->irq_level[TEST_IRQ]);
	}
}

static void
test_serial__input_is_read_in_order(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO);
	test_serial_out(machine, UART_MCR, UART_MCR_OUT2);
	test_serial_out(machine, UART_IER, UART_IER_RDI);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(test_serial_feed(machine, "root\r"), 5);
	assert_true(fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_serial_in(machine, UART_IIR) & 0x0f, UART_IIR_RDI);
	for (const char *at = "root\r"; *at; at++) {
		assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
		assert_true(fake->irq_level[TEST_IRQ]);
		assert_int_equal(test_serial_in(machine, UART_RX), *at);
	}
	assert_false(fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(test_serial_in(machine, UART_RX), 0);
}

static void
test_serial__input_is_bounded(void **state)
{
	struct test_machine *machine = *state;
	char text[SERIAL_MAX_INPUT_BYTES + 11] = { 0 };

	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(test_serial_feed(machine, text), SERIAL_MAX_INPUT_BYTES);
	assert_int_equal(test_serial_feed(machine, "y"), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(test_serial_in(machine, UART_RX), 'x');
	assert_int_equal(test_serial_feed(machine, "0123456789abc"), 10);
	for (int i = 0; i < SERIAL_MAX_INPUT_BYTES - 10; i++)
		assert_int_equal(test_serial_in(machine, UART_RX), 'x');
	for (const char *at = "0123456789"; *at; at++)
		assert_int_equal(test_serial_in(machine, UART_RX), *at);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, 0);
}

static void
test_serial__loopback_stays_inside(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	test_serial_out(machine, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	test_serial_out(machine, UART_IER, UART_IER_RDI | UART_IER_RLSI);
	assert_int_equal(test_serial_feed(machine, "host"), 0);
	test_serial_out(machine, UART_TX, '\n');
	assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_RDI);
	test_serial_out(machine, UART_TX, 'b'); /* without FIFO there is room for one */
	assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_RLSI);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_OE, UART_LSR_OE);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_OE, 0);
	assert_int_equal(test_serial_in(machine, UART_RX), '\n');
	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO);
	for (int i = 0; i < 20; i++)
		test_serial_out(machine, UART_TX, 'c');
	for (int i = 0; i < 16; i++)
		assert_int_equal(test_serial_in(machine, UART_RX), 'c');
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(fake->irq_raised[TEST_IRQ], 0);
	assert_int_equal(machine->n_lines, 0);
}

static void
test_serial__clearing_the_fifo_drops_input(void **state)
{
	struct test_machine *machine = *state;

	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO);
	test_serial_feed(machine, "old");
	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(test_serial_in(machine, UART_LSR) & UART_LSR_DR, 0);
}

static void
test_serial__modem_lines_interrupt_when_they_change(void **state)
{
	struct test_machine *machine = *state;

	test_serial_out(machine, UART_IER, UART_IER_MSI);
	assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_NO_INT);
	test_serial_out(machine, UART_MCR, UART_MCR_LOOP); /* DCD, DSR and CTS go */
	assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_MSI);
	assert_int_equal(test_serial_in(machine, UART_MSR),
			 UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
	test_serial_out(machine, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(test_serial_in(machine, UART_MSR), UART_MSR_RI);
	test_serial_out(machine, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(test_serial_in(machine, UART_MSR), UART_MSR_TERI);
	assert_int_equal(test_serial_in(machine, UART_IIR), UART_IIR_NO_INT);
}

static void
test_serial__no_interrupt_without_out2(void **state)
{
	struct test_machine *machine = *state;
	struct fake_platform *fake = machine->fake;

	test_serial_out(machine, UART_IER, UART_IER_RDI);
	test_serial_feed(machine, "x");
	assert_false(fake->irq_level[TEST_IRQ]);
	test_serial_out(machine, UART_MCR, UART_MCR_OUT2);
	assert_true(fake->irq_level[TEST_IRQ]);
	serial_reset(machine->serial);
	assert_false(fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_serial_in(machine, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
}

static void
test_serial_save(void *context, struct state_writer *writer)
{
	serial_save(context, writer);
}

static int
test_serial_load(void *context, struct state_reader *reader)
{
	return serial_load(context, reader);
}

static const struct state_round test_round = { "serial", test_serial_save, test_serial_load };

static void
test_serial_fork(struct test_machine *machine, struct test_machine *fork)
{
	int fd = state_round_save(&test_round, machine->serial);

	*fork = (struct test_machine){ 0 };
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fork->fake), 0);
	assert_int_equal(
		serial_new(&fork->fake->platform, test_serial_take_line, fork, &fork->serial), 0);
	state_round_load(&test_round, fork->serial, fd);
	close(fd);
}

static void
test_serial__fork_has_registers_and_input(void **state)
{
	struct test_machine *machine = *state, fork;
	char long_input[SERIAL_MAX_INPUT_BYTES + 1] = { 0 };

	memset(long_input, 'x', SERIAL_MAX_INPUT_BYTES);
	test_serial_out(machine, UART_LCR, UART_LCR_DLAB);
	test_serial_out(machine, UART_DLL, 0x34);
	test_serial_out(machine, UART_DLM, 0x12);
	test_serial_out(machine, UART_LCR, UART_LCR_WLEN8);
	test_serial_out(machine, UART_SCR, 0x5a);
	test_serial_out(machine, UART_FCR, UART_FCR_ENABLE_FIFO);
	test_serial_out(machine, UART_IER, UART_IER_RDI);
	test_serial_out(machine, UART_MCR, UART_MCR_OUT2);
	/* what waits goes around the ring's end */
	assert_int_equal(test_serial_feed(machine, long_input), SERIAL_MAX_INPUT_BYTES);
	for (int i = 0; i < SERIAL_MAX_INPUT_BYTES; i++)
		test_serial_in(machine, UART_RX);
	test_serial_feed(machine, "x");
	test_serial_in(machine, UART_RX);
	assert_int_equal(test_serial_feed(machine, long_input + 3), SERIAL_MAX_INPUT_BYTES - 3);
	test_serial_feed(machine, "ab");

	test_serial_fork(machine, &fork);
	assert_true(fork.fake->irq_level[TEST_IRQ]);
	assert_int_equal(test_serial_in(&fork, UART_IIR), UART_IIR_RDI | 0xc0);
	assert_int_equal(test_serial_in(&fork, UART_SCR), 0x5a);
	for (int i = 0; i < SERIAL_MAX_INPUT_BYTES - 3; i++)
		assert_int_equal(test_serial_in(&fork, UART_RX), 'x');
	assert_int_equal(test_serial_in(&fork, UART_RX), 'a');
	assert_int_equal(test_serial_in(&fork, UART_RX), 'b');
	assert_false(fork.fake->irq_level[TEST_IRQ]);
	test_serial_out(&fork, UART_LCR, UART_LCR_DLAB);
	assert_int_equal(test_serial_in(&fork, UART_DLL), 0x34);
	assert_int_equal(test_serial_in(&fork, UART_DLM), 0x12);
	test_serial_tear_down(&(void *){ &fork });
}

/* Lines of the modem that have changed, an overrun, and the transmitter that is empty again. */
static void
test_serial__fork_has_interrupts_that_nobody_saw(void **state)
{
	struct test_machine *machine = *state, fork;

	test_serial_out(machine, UART_MCR, UART_MCR_LOOP);
	test_serial_out(machine, UART_TX, 'a');
	test_serial_out(machine, UART_TX, 'b');
	test_serial_out(machine, UART_IER, UART_IER_MSI | UART_IER_THRI | UART_IER_RLSI);
	test_serial_fork(machine, &fork);
	assert_int_equal(test_serial_in(&fork, UART_IIR), UART_IIR_RLSI);
	assert_int_equal(test_serial_in(&fork, UART_LSR) & UART_LSR_OE, UART_LSR_OE);
	assert_int_equal(test_serial_in(&fork, UART_IIR), UART_IIR_THRI);
	assert_int_equal(test_serial_in(&fork, UART_IIR), UART_IIR_MSI);
	assert_int_equal(test_serial_in(&fork, UART_MSR),
			 UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
	assert_int_equal(test_serial_in(&fork, UART_RX), 'a');
	test_serial_tear_down(&(void *){ &fork });
}

static void
test_serial__fork_prints_without_half_a_line(void **state)
{
	struct test_machine *machine = *state, fork;

	test_serial_print(machine, "one of the template's");
	test_serial_fork(machine, &fork);
	test_serial_print(&fork, " lines\n");
	assert_int_equal(fork.n_lines, 1);
	assert_string_equal(fork.lines[0], " lines");
	test_serial_print(machine, " own\n");
	assert_string_equal(machine->lines[0], "one of the template's own");
	test_serial_tear_down(&(void *){ &fork });
}

static void
test_serial__forged_states_are_refused(void **state)
{
	static const struct state_forgery forgeries[] = {
		{ 0, 1, 0x10, "is enabled" },
		{ 1, 1, 0x02, "FIFO" },
		{ 3, 1, 0x20, "do not exist" },
		{ 4, 1, 0x10, "have changed" },
		{ 6, 1, 2, "" },
		{ 7, 1, 0xff, "" },
		{ 10, 4, SERIAL_MAX_INPUT_BYTES + 1, "1025 where" },
		{ 10, 4, UINT32_MAX, "" },
		{ 10, 4, 4, "" }, /* there are 3 */
	};
	struct test_machine *machine = *state;
	int fd;

	test_serial_feed(machine, "abc");
	fd = state_round_save(&test_round, machine->serial);
	test_serial_out(machine, UART_SCR, 1);
	state_round_refuse_all(&test_round, machine->serial, fd, forgeries,
			       sizeof(forgeries) / sizeof(forgeries[0]));
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_serial_set_up, test_serial_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_serial__prints_line_by_line),
		TEST(test_serial__long_line_comes_in_pieces),
		TEST(test_serial__is_found_to_be_a_16550a),
		TEST(test_serial__divisor_is_kept),
		TEST(test_serial__transmitter_interrupts_when_switched_on_and_after_each_byte),
		TEST(test_serial__input_is_read_in_order),
		TEST(test_serial__input_is_bounded),
		TEST(test_serial__loopback_stays_inside),
		TEST(test_serial__clearing_the_fifo_drops_input),
		TEST(test_serial__modem_lines_interrupt_when_they_change),
		TEST(test_serial__no_interrupt_without_out2),
		TEST(test_serial__fork_has_registers_and_input),
		TEST(test_serial__fork_has_interrupts_that_nobody_saw),
		TEST(test_serial__fork_prints_without_half_a_line),
		TEST(test_serial__forged_states_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
