/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi_pm.c - power management registers (carrel-vmm, under the machine's lock)
 *
 * How it works: the block is read and written byte by byte (acpi_pm_read_byte(),
 * acpi_pm_write_byte()), so that an access of any width works. After each change acpi_pm_update()
 * sets the SCI: high while any event stands in a status register that is enabled in its enable
 * register. A guest clears a status bit by writing it as one.
 *
 * The PM timer counts from what state.timer_ns was when it last began to run. When its top bit
 * changes, PM1's timer status is set: acpi_pm_check_timer() finds that out whenever the guest
 * looks, and a timer of the loop when the guest wants an interrupt for it.
 */
#include "vmm/acpi_pm.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vmm/bus.h"
#include "vmm/irq_lines.h"
#include "vmm/loop.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"

#define ACPI_PM_STATUS_TIMER  (1u << 0)
#define ACPI_PM_STATUS_BUTTON (1u << 8)
#define ACPI_PM_STATUS_ALL    (ACPI_PM_STATUS_TIMER | ACPI_PM_STATUS_BUTTON)
/*
 * What can be enabled: the global lock and the real-time clock too, which never happen; Linux
 * complains otherwise.
 */
#define ACPI_PM_ENABLE_ALL    (ACPI_PM_STATUS_ALL | 1u << 5 | 1u << 10)
#define ACPI_PM_CONTROL_SCI   (1u << 0) /* always set: the machine is in ACPI mode */
#define ACPI_PM_CONTROL_TYPE  (7u << 10)
#define ACPI_PM_CONTROL_SLEEP (1u << 13)

#define ACPI_PM_NS_PER_S UINT64_C(1000000000)
#define ACPI_PM_HALF	 (UINT64_C(1) << 31) /* ticks between two changes of the timer's top bit */

#define ACPI_PM_STATE_VERSION 1
#define ACPI_PM_MAX_AGE_NS    (UINT64_C(1) << 62) /* of a timer that was saved: 146 years */

/*
 * The keyboard controller's command port: reads say that it is ready for a command, which is all
 * Linux waits for.
 */
#define ACPI_PM_KEYBOARD_PORT  0x64
#define ACPI_PM_KEYBOARD_RESET 0xfe

struct acpi_pm_state {
	uint16_t status;
	uint16_t enable;
	uint16_t control;
	uint8_t gpe_status;
	uint8_t gpe_enable;
	uint64_t timer_ns;     /* the PM timer's age when it last began to run or stopped */
	uint64_t timer_halves; /* changes of its top bit that have been seen */
};

struct acpi_pm {
	struct platform *platform;
	struct acpi_pm_state state;
	bool running;
	uint64_t since_ns; /* CLOCK_MONOTONIC at which it last began to run */
	struct loop_timer *timer;
};

static uint64_t
acpi_pm_get_age_ns(const struct acpi_pm *pm)
{
	return pm->state.timer_ns + (pm->running ? loop_now_ns() - pm->since_ns : 0);
}

static uint64_t
acpi_pm_get_ticks(const struct acpi_pm *pm)
{
	return (uint64_t)((unsigned __int128)acpi_pm_get_age_ns(pm) * ACPI_PM_TIMER_HZ /
			  ACPI_PM_NS_PER_S);
}

static void
acpi_pm_check_timer(struct acpi_pm *pm)
{
	uint64_t halves = acpi_pm_get_ticks(pm) / ACPI_PM_HALF;

	if (halves != pm->state.timer_halves)
		pm->state.status |= ACPI_PM_STATUS_TIMER;
	pm->state.timer_halves = halves;
}

/* The loop's timer is needed for the one change that the guest waits for. */
static void
acpi_pm_arm(struct acpi_pm *pm)
{
	uint64_t ticks, age_ns, deadline_ns = 0;

	if (pm->running && (pm->state.enable & ~pm->state.status & ACPI_PM_STATUS_TIMER)) {
		ticks = (pm->state.timer_halves + 1) * ACPI_PM_HALF;
		age_ns = (uint64_t)((unsigned __int128)ticks * ACPI_PM_NS_PER_S / ACPI_PM_TIMER_HZ);
		deadline_ns = pm->since_ns + (age_ns + 1 - pm->state.timer_ns);
	}
	loop_timer_set(pm->timer, deadline_ns);
}

static void
acpi_pm_update(struct acpi_pm *pm)
{
	const struct acpi_pm_state *state = &pm->state;
	bool level;

	acpi_pm_check_timer(pm);
	level = (state->status & state->enable) || (state->gpe_status & state->gpe_enable);
	pm->platform->ops->set_irq(pm->platform->context, IRQ_LINE_SCI, level);
	acpi_pm_arm(pm);
}

static void
acpi_pm_handle_timer(void *context)
{
	acpi_pm_update(context);
}

static uint8_t
acpi_pm_read_byte(struct acpi_pm *pm, uint64_t port)
{
	const struct acpi_pm_state *state = &pm->state;

	switch (port) {
	case ACPI_PM_EVENT_PORT:
		return (uint8_t)state->status;
	case ACPI_PM_EVENT_PORT + 1:
		return (uint8_t)(state->status >> 8);
	case ACPI_PM_EVENT_PORT + 2:
		return (uint8_t)state->enable;
	case ACPI_PM_EVENT_PORT + 3:
		return (uint8_t)(state->enable >> 8);
	case ACPI_PM_CONTROL_PORT:
		return (uint8_t)(state->control | ACPI_PM_CONTROL_SCI);
	case ACPI_PM_CONTROL_PORT + 1:
		return (uint8_t)(state->control >> 8);
	case ACPI_PM_GPE_PORT:
		return state->gpe_status;
	case ACPI_PM_GPE_PORT + 1:
		return state->gpe_enable;
	default:
		return 0;
	}
}

/* The timer is read as a whole, or its bytes would be of different moments. */
static uint64_t
acpi_pm_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct acpi_pm *pm = context;
	uint64_t port = ACPI_PM_PORT + offset, value = 0;

	acpi_pm_check_timer(pm);
	if (port >= ACPI_PM_TIMER_PORT && port < ACPI_PM_TIMER_PORT + ACPI_PM_TIMER_BYTES)
		return (uint32_t)acpi_pm_get_ticks(pm) >> 8 * (port - ACPI_PM_TIMER_PORT);
	for (uint32_t i = 0; i < bytes; i++)
		value |= (uint64_t)acpi_pm_read_byte(pm, port + i) << 8 * i;
	return value;
}

/*
 * The upper byte of PM1 control: the sleep type and the order to sleep. Other types than "off" do
 * nothing.
 */
static void
acpi_pm_write_sleep(struct acpi_pm *pm, unsigned int control)
{
	pm->state.control = (uint16_t)(control & ACPI_PM_CONTROL_TYPE);
	if ((control & ACPI_PM_CONTROL_SLEEP) && pm->state.control == ACPI_PM_SLEEP_TYPE_OFF << 10)
		pm->platform->ops->report(pm->platform->context, PLATFORM_EVENT_SHUTDOWN);
}

static void
acpi_pm_write_byte(struct acpi_pm *pm, uint64_t port, uint8_t value)
{
	struct acpi_pm_state *state = &pm->state;

	switch (port) {
	case ACPI_PM_EVENT_PORT:
		state->status &= (uint16_t)~value;
		break;
	case ACPI_PM_EVENT_PORT + 1:
		state->status &= (uint16_t) ~(value << 8);
		break;
	case ACPI_PM_EVENT_PORT + 2:
		state->enable = (uint16_t)((state->enable & 0xff00) | value) & ACPI_PM_ENABLE_ALL;
		break;
	case ACPI_PM_EVENT_PORT + 3:
		state->enable =
			(uint16_t)((state->enable & 0xff) | value << 8) & ACPI_PM_ENABLE_ALL;
		break;
	case ACPI_PM_CONTROL_PORT + 1:
		acpi_pm_write_sleep(pm, (unsigned int)value << 8);
		break;
	case ACPI_PM_GPE_PORT:
		state->gpe_status &= (uint8_t)~value;
		break;
	case ACPI_PM_GPE_PORT + 1:
		state->gpe_enable = value;
		break;
	case ACPI_PM_RESET_PORT:
		if (value == ACPI_PM_RESET_VALUE)
			pm->platform->ops->report(pm->platform->context, PLATFORM_EVENT_RESET);
		break;
	}
}

static void
acpi_pm_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct acpi_pm *pm = context;

	acpi_pm_check_timer(pm);
	for (uint32_t i = 0; i < bytes; i++)
		acpi_pm_write_byte(pm, ACPI_PM_PORT + offset + i, (uint8_t)(value >> 8 * i));
	acpi_pm_update(pm);
}

static uint64_t
acpi_pm_read_keyboard(void *context, uint64_t offset, uint32_t bytes)
{
	(void)context;
	(void)offset;
	(void)bytes;
	return 0;
}

static void
acpi_pm_write_keyboard(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct acpi_pm *pm = context;

	(void)offset;
	(void)bytes;
	if ((uint8_t)value == ACPI_PM_KEYBOARD_RESET)
		pm->platform->ops->report(pm->platform->context, PLATFORM_EVENT_RESET);
}

static int
acpi_pm_add_ports(struct acpi_pm *pm)
{
	static const struct bus_ops ops = { acpi_pm_read, acpi_pm_write };
	static const struct bus_ops keyboard_ops = { acpi_pm_read_keyboard,
						     acpi_pm_write_keyboard };
	int error;

	error = bus_add(pm->platform->pio,
			&(struct bus_range){ "acpi-pm", ACPI_PM_PORT, ACPI_PM_PORTS, &ops, pm });
	if (error)
		return error;
	error = bus_add(pm->platform->pio, &(struct bus_range){ "keyboard", ACPI_PM_KEYBOARD_PORT,
								1, &keyboard_ops, pm });
	if (error)
		bus_remove(pm->platform->pio, ACPI_PM_PORT);
	return error;
}

int
acpi_pm_new(struct platform *platform, struct acpi_pm **ret_pm)
{
	struct acpi_pm *pm = calloc(1, sizeof(*pm));
	int error;

	if (!pm)
		return -ENOMEM;
	pm->platform = platform;
	error = loop_timer_new(platform->loop, "acpi-pm", acpi_pm_handle_timer, pm, &pm->timer);
	if (!error)
		error = acpi_pm_add_ports(pm);
	if (error) {
		loop_timer_free(pm->timer);
		free(pm);
		return error;
	}
	acpi_pm_resume(pm);
	*ret_pm = pm;
	return 0;
}

void
acpi_pm_free(struct acpi_pm *pm)
{
	if (!pm)
		return;
	bus_remove(pm->platform->pio, ACPI_PM_KEYBOARD_PORT);
	bus_remove(pm->platform->pio, ACPI_PM_PORT);
	loop_timer_free(pm->timer);
	free(pm);
}

void
acpi_pm_reset(struct acpi_pm *pm)
{
	pm->state = (struct acpi_pm_state){ 0 };
	pm->since_ns = loop_now_ns();
	acpi_pm_update(pm);
}

void
acpi_pm_pause(struct acpi_pm *pm)
{
	pm->state.timer_ns = acpi_pm_get_age_ns(pm);
	pm->running = false;
	acpi_pm_update(pm);
}

void
acpi_pm_resume(struct acpi_pm *pm)
{
	if (pm->running)
		return;
	pm->running = true;
	pm->since_ns = loop_now_ns();
	acpi_pm_update(pm);
}

void
acpi_pm_press_power_button(struct acpi_pm *pm)
{
	pm->state.status |= ACPI_PM_STATUS_BUTTON;
	acpi_pm_update(pm);
}

void
acpi_pm_raise_gpe(struct acpi_pm *pm, unsigned int gpe)
{
	pm->state.gpe_status |= (uint8_t)(1u << gpe);
	acpi_pm_update(pm);
}

void
acpi_pm_save(struct acpi_pm *pm, struct state_writer *writer)
{
	const struct acpi_pm_state *state = &pm->state;

	acpi_pm_check_timer(pm);
	state_writer_begin(writer, ACPI_PM_STATE_VERSION, "acpi-pm");
	state_put_u16(writer, state->status);
	state_put_u16(writer, state->enable);
	state_put_u16(writer, state->control);
	state_put_u8(writer, state->gpe_status);
	state_put_u8(writer, state->gpe_enable);
	state_put_u64(writer, acpi_pm_get_age_ns(pm));
	state_writer_end(writer);
}

static void
acpi_pm_take(struct acpi_pm_state *state, struct state_reader *reader)
{
	state->status = state_take_u16(reader);
	state->enable = state_take_u16(reader);
	state->control = state_take_u16(reader);
	state->gpe_status = state_take_u8(reader);
	state->gpe_enable = state_take_u8(reader);
	state->timer_ns = state_take_u64(reader);
	state_reader_want(reader, !(state->status & ~ACPI_PM_STATUS_ALL),
			  "an event that does not exist has happened");
	state_reader_want(reader, !(state->enable & ~ACPI_PM_ENABLE_ALL),
			  "an event that does not exist is enabled");
	state_reader_want(reader, !(state->control & ~ACPI_PM_CONTROL_TYPE),
			  "the control register has bits that cannot be set");
	state_reader_want(reader, state->timer_ns <= ACPI_PM_MAX_AGE_NS,
			  "the timer has run for too long");
}

/* The changes of the timer's top bit until it was saved have been seen: acpi_pm_save() looked. */
int
acpi_pm_load(struct acpi_pm *pm, struct state_reader *reader)
{
	struct acpi_pm_state state = { 0 };
	int error;

	state_reader_open(reader, ACPI_PM_STATE_VERSION, "acpi-pm");
	acpi_pm_take(&state, reader);
	error = state_reader_close(reader);
	if (error < 0)
		return error;
	pm->state = state;
	pm->running = false;
	pm->state.timer_halves = acpi_pm_get_ticks(pm) / ACPI_PM_HALF;
	acpi_pm_update(pm);
	return 0;
}
