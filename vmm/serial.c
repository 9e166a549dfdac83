/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * serial.c - COM1, a 16550A UART (carrel-vmm, under the machine's lock)
 *
 * How it works: a byte that the guest sends is on its way at once (serial_send()), so the
 * transmitter is always empty. What it receives comes from one ring, filled by serial_feed() or, in
 * loopback mode, by its own sending; in FIFO mode a guest sees as much of it as it asks for. After
 * each access serial_update() works out the most urgent interrupt and sets the line. Of the FIFO's
 * settings only "on" and "clear" count: data is announced without waiting for the trigger level.
 */
#include "vmm/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vmm/bus.h"
#include "vmm/irq_lines.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"

#define SERIAL_STATE_VERSION 1
#define SERIAL_FIFO_BYTES    16 /* in loopback mode, what a 16550A's receiver holds */
#define SERIAL_IIR_FIFO	     0xc0
#define SERIAL_IER_ALL	     0x0f
#define SERIAL_MCR_ALL	     0x1f
#define SERIAL_MSR_DELTAS    0x0f
#define SERIAL_MSR_CONNECTED (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

struct serial_state {
	uint8_t ier;
	uint8_t fcr; /* only UART_FCR_ENABLE_FIFO is kept */
	uint8_t lcr;
	uint8_t mcr;
	uint8_t msr_delta; /* the lower half of MSR */
	uint8_t scratch;
	uint8_t overrun;      /* UART_LSR_OE or 0 */
	uint8_t sent_pending; /* the "transmitter empty" interrupt has not been seen */
	uint16_t divisor;
	uint16_t input_first;
	uint16_t input_count;
	uint16_t line_length;
	uint8_t input[SERIAL_MAX_INPUT_BYTES];
	char line[SERIAL_MAX_LINE_BYTES];
};

struct serial {
	struct platform *platform;
	serial_line_handler handle_line;
	void *context;
	struct serial_state state;
	bool level;
};

/*
 * What the modem's lines say: someone is there; in loopback mode they are connected to the UART's
 * own outputs.
 */
static uint8_t
serial_get_modem_lines(const struct serial_state *state)
{
	uint8_t lines = 0;

	if (!(state->mcr & UART_MCR_LOOP))
		return SERIAL_MSR_CONNECTED;
	if (state->mcr & UART_MCR_RTS)
		lines |= UART_MSR_CTS;
	if (state->mcr & UART_MCR_DTR)
		lines |= UART_MSR_DSR;
	if (state->mcr & UART_MCR_OUT1)
		lines |= UART_MSR_RI;
	if (state->mcr & UART_MCR_OUT2)
		lines |= UART_MSR_DCD;
	return lines;
}

/* The interrupt identification register without the FIFO's bits; the order is that of urgency. */
static uint8_t
serial_get_interrupt(const struct serial_state *state)
{
	if ((state->ier & UART_IER_RLSI) && state->overrun)
		return UART_IIR_RLSI;
	if ((state->ier & UART_IER_RDI) && state->input_count > 0)
		return UART_IIR_RDI;
	if ((state->ier & UART_IER_THRI) && state->sent_pending)
		return UART_IIR_THRI;
	if ((state->ier & UART_IER_MSI) && state->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* On a PC the interrupt goes through OUT2, which loopback mode takes off the outside. */
static void
serial_update(struct serial *serial)
{
	const struct serial_state *state = &serial->state;
	bool open = (state->mcr & UART_MCR_OUT2) && !(state->mcr & UART_MCR_LOOP);
	bool level = open && serial_get_interrupt(state) != UART_IIR_NO_INT;

	if (level == serial->level)
		return;
	serial->level = level;
	serial->platform->ops->set_irq(serial->platform->context, IRQ_LINE_SERIAL, level);
}

static void
serial_end_line(struct serial *serial)
{
	if (serial->state.line_length > 0)
		serial->handle_line(serial->context, serial->state.line, serial->state.line_length);
	serial->state.line_length = 0;
}

static void
serial_send(struct serial *serial, uint8_t byte)
{
	struct serial_state *state = &serial->state;

	if (byte == '\n') {
		serial_end_line(serial);
		return;
	}
	if (byte == '\r')
		return;
	state->line[state->line_length++] = (char)byte;
	if (state->line_length == SERIAL_MAX_LINE_BYTES)
		serial_end_line(serial);
}

static bool
serial_receive(struct serial_state *state, uint8_t byte, unsigned int capacity)
{
	if (state->input_count >= capacity)
		return false;
	state->input[(state->input_first + state->input_count) % SERIAL_MAX_INPUT_BYTES] = byte;
	state->input_count++;
	return true;
}

static void
serial_write_data(struct serial *serial, uint8_t byte)
{
	struct serial_state *state = &serial->state;

	if (!(state->mcr & UART_MCR_LOOP))
		serial_send(serial, byte);
	else if (!serial_receive(state, byte, state->fcr ? SERIAL_FIFO_BYTES : 1))
		state->overrun = UART_LSR_OE;
	state->sent_pending = 1;
}

static uint8_t
serial_read_data(struct serial_state *state)
{
	uint8_t byte;

	if (state->input_count == 0)
		return 0;
	byte = state->input[state->input_first];
	state->input_first = (state->input_first + 1) % SERIAL_MAX_INPUT_BYTES;
	state->input_count--;
	return byte;
}

static uint8_t
serial_read_iir(struct serial_state *state)
{
	uint8_t interrupt = serial_get_interrupt(state);

	if (interrupt == UART_IIR_THRI)
		state->sent_pending = 0;
	return interrupt | (state->fcr ? SERIAL_IIR_FIFO : 0);
}

static uint8_t
serial_read_lsr(struct serial_state *state)
{
	uint8_t lsr = UART_LSR_TEMT | UART_LSR_THRE | state->overrun;

	state->overrun = 0;
	return lsr | (state->input_count > 0 ? UART_LSR_DR : 0);
}

static uint8_t
serial_read_msr(struct serial_state *state)
{
	uint8_t msr = serial_get_modem_lines(state) | state->msr_delta;

	state->msr_delta = 0;
	return msr;
}

static uint8_t
serial_read_register(struct serial_state *state, uint64_t offset)
{
	bool divisor = state->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return divisor ? (uint8_t)state->divisor : serial_read_data(state);
	case UART_IER:
		return divisor ? (uint8_t)(state->divisor >> 8) : state->ier;
	case UART_IIR:
		return serial_read_iir(state);
	case UART_LCR:
		return state->lcr;
	case UART_MCR:
		return state->mcr;
	case UART_LSR:
		return serial_read_lsr(state);
	case UART_MSR:
		return serial_read_msr(state);
	default:
		return state->scratch;
	}
}

/*
 * Switching on the transmitter's interrupt raises it, since the transmitter is empty: drivers start
 * sending by that.
 */
static void
serial_write_ier(struct serial_state *state, uint8_t value)
{
	if (value & ~state->ier & UART_IER_THRI)
		state->sent_pending = 1;
	state->ier = value & SERIAL_IER_ALL;
}

static void
serial_write_fcr(struct serial_state *state, uint8_t value)
{
	uint8_t enable = value & UART_FCR_ENABLE_FIFO;

	if (enable != state->fcr || (value & UART_FCR_CLEAR_RCVR))
		state->input_count = 0;
	state->fcr = enable;
}

/* A change of the lines shows in the lower half of MSR, that of RI only when it goes away. */
static void
serial_write_mcr(struct serial_state *state, uint8_t value)
{
	uint8_t before = serial_get_modem_lines(state), after;

	state->mcr = value & SERIAL_MCR_ALL;
	after = serial_get_modem_lines(state);
	state->msr_delta |= (uint8_t)((before ^ after) & ~(after & UART_MSR_RI)) >> 4;
}

static void
serial_write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
	struct serial_state *state = &serial->state;
	bool divisor = state->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_TX:
		if (divisor)
			state->divisor = (uint16_t)((state->divisor & 0xff00) | value);
		else
			serial_write_data(serial, value);
		break;
	case UART_IER:
		if (divisor)
			state->divisor = (uint16_t)((state->divisor & 0xff) | value << 8);
		else
			serial_write_ier(state, value);
		break;
	case UART_FCR:
		serial_write_fcr(state, value);
		break;
	case UART_LCR:
		state->lcr = value;
		break;
	case UART_MCR:
		serial_write_mcr(state, value);
		break;
	case UART_SCR:
		state->scratch = value;
		break;
	}
}

/* The registers have eight bits; of a wider access only the first counts. */
static uint64_t
serial_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct serial *serial = context;
	uint8_t value = serial_read_register(&serial->state, offset);

	(void)bytes;
	serial_update(serial);
	return value;
}

static void
serial_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct serial *serial = context;

	(void)bytes;
	serial_write_register(serial, offset, (uint8_t)value);
	serial_update(serial);
}

int
serial_new(struct platform *platform, serial_line_handler handle_line, void *context,
	   struct serial **ret_serial)
{
	static const struct bus_ops ops = { serial_read, serial_write };
	struct serial *serial = calloc(1, sizeof(*serial));
	int error;

	if (!serial)
		return -ENOMEM;
	serial->platform = platform;
	serial->handle_line = handle_line;
	serial->context = context;
	error = bus_add(platform->pio,
			&(struct bus_range){ "serial", SERIAL_PORT, SERIAL_PORTS, &ops, serial });
	if (error) {
		free(serial);
		return error;
	}
	serial_reset(serial);
	*ret_serial = serial;
	return 0;
}

void
serial_free(struct serial *serial)
{
	if (!serial)
		return;
	serial_end_line(serial);
	bus_remove(serial->platform->pio, SERIAL_PORT);
	free(serial);
}

void
serial_reset(struct serial *serial)
{
	serial_end_line(serial);
	serial->state = (struct serial_state){ .divisor = 12 }; /* 9600 baud */
	serial_update(serial);
}

size_t
serial_feed(struct serial *serial, const uint8_t *bytes, size_t n_bytes)
{
	size_t n = 0;

	if (serial->state.mcr & UART_MCR_LOOP)
		return 0;
	while (n < n_bytes && serial_receive(&serial->state, bytes[n], SERIAL_MAX_INPUT_BYTES))
		n++;
	serial_update(serial);
	return n;
}

/* The oldest byte first, wherever the ring begins. */
void
serial_save(const struct serial *serial, struct state_writer *writer)
{
	const struct serial_state *state = &serial->state;

	state_writer_begin(writer, SERIAL_STATE_VERSION, "serial");
	state_put_u8(writer, state->ier);
	state_put_u8(writer, state->fcr);
	state_put_u8(writer, state->lcr);
	state_put_u8(writer, state->mcr);
	state_put_u8(writer, state->msr_delta);
	state_put_u8(writer, state->scratch);
	state_put_bool(writer, state->overrun != 0);
	state_put_bool(writer, state->sent_pending);
	state_put_u16(writer, state->divisor);
	state_put_u32(writer, state->input_count);
	for (unsigned int i = 0; i < state->input_count; i++)
		state_put_u8(writer,
			     state->input[(state->input_first + i) % SERIAL_MAX_INPUT_BYTES]);
	state_writer_end(writer);
}

static void
serial_take(struct serial_state *state, struct state_reader *reader)
{
	state->ier = state_take_u8(reader);
	state->fcr = state_take_u8(reader);
	state->lcr = state_take_u8(reader);
	state->mcr = state_take_u8(reader);
	state->msr_delta = state_take_u8(reader);
	state->scratch = state_take_u8(reader);
	state->overrun = state_take_bool(reader) ? UART_LSR_OE : 0;
	state->sent_pending = state_take_bool(reader);
	state->divisor = state_take_u16(reader);
	state->input_count = (uint16_t)state_take_count(reader, SERIAL_MAX_INPUT_BYTES);
	state_take_bytes(reader, state->input, state->input_count);
	state_reader_want(reader, !(state->ier & ~SERIAL_IER_ALL),
			  "an interrupt that does not exist is enabled");
	state_reader_want(reader, !(state->fcr & ~UART_FCR_ENABLE_FIFO),
			  "the FIFO has a setting that is not kept");
	state_reader_want(reader, !(state->mcr & ~SERIAL_MCR_ALL),
			  "the modem has lines that do not exist");
	state_reader_want(reader, !(state->msr_delta & ~SERIAL_MSR_DELTAS),
			  "lines of the modem that do not exist have changed");
}

/* serial_update() sets the line where it is another than after a reset. */
int
serial_load(struct serial *serial, struct state_reader *reader)
{
	struct serial_state state = { 0 };
	int error;

	state_reader_open(reader, SERIAL_STATE_VERSION, "serial");
	serial_take(&state, reader);
	error = state_reader_close(reader);
	if (error < 0)
		return error;
	serial->state = state;
	serial_update(serial);
	return 0;
}
