/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * input_events.c - what happened at a keyboard or a tablet and has not reached the guest yet
 * (carrel-vmm)
 *
 * How it works: each happening is a group of events that ends with EV_SYN, and enters the list
 * whole or not at all. What does not fit is dropped; input_events_peek() makes up for it when the
 * list is empty again, by a comparison of the keys as they are with the keys as the guest has them.
 * So no key stays down in a guest that slept.
 */
#include "vmm/input_events.h"

#include "vmm/state_file.h"

#define POSITION_EVENTS 3 /* x, y, EV_SYN */

static bool
input_events_test(const uint8_t *bits, uint16_t code)
{
	return bits[code / 8] >> code % 8 & 1;
}

static void
input_events_assign(uint8_t *bits, uint16_t code, bool value)
{
	if (value)
		bits[code / 8] |= (uint8_t)(1 << code % 8);
	else
		bits[code / 8] &= (uint8_t) ~(1 << code % 8);
}

/* The waiting event "back" places before the end. */
static struct virtio_input_event *
input_events_last(struct input_events *events, uint32_t back)
{
	return &events->events[(events->first + events->count - back) % INPUT_EVENTS_MAX];
}

static void
input_events_append(struct input_events *events, uint16_t type, uint16_t code, uint32_t value)
{
	events->count++;
	*input_events_last(events, 1) =
		(struct virtio_input_event){ .type = type, .code = code, .value = value };
}

/* True when a group of so many events fits. */
static bool
input_events_reserve(struct input_events *events, uint32_t count)
{
	if (INPUT_EVENTS_MAX - events->count >= count)
		return true;
	events->lost = 1;
	return false;
}

static void
input_events_tell_key(struct input_events *events, uint16_t code, bool down)
{
	if (!input_events_reserve(events, 2))
		return;
	input_events_append(events, EV_KEY, code, down);
	input_events_append(events, EV_SYN, SYN_REPORT, 0);
	input_events_assign(events->told, code, down);
}

void
input_events_set_key(struct input_events *events, uint16_t code, bool down)
{
	if (code >= KEY_CNT || input_events_test(events->down, code) == down)
		return;
	input_events_assign(events->down, code, down);
	input_events_tell_key(events, code, down);
}

void
input_events_release_all(struct input_events *events)
{
	for (uint16_t code = 0; code < KEY_CNT; code++)
		input_events_set_key(events, code, false);
}

void
input_events_move(struct input_events *events, uint32_t x, uint32_t y)
{
	if (events->count >= POSITION_EVENTS && input_events_last(events, 3)->type == EV_ABS &&
	    input_events_last(events, 2)->type == EV_ABS) {
		input_events_last(events, 3)->value = x;
		input_events_last(events, 2)->value = y;
		return;
	}
	if (!input_events_reserve(events, POSITION_EVENTS))
		return;
	input_events_append(events, EV_ABS, ABS_X, x);
	input_events_append(events, EV_ABS, ABS_Y, y);
	input_events_append(events, EV_SYN, SYN_REPORT, 0);
}

void
input_events_turn(struct input_events *events, int32_t steps)
{
	if (!input_events_reserve(events, 2))
		return;
	input_events_append(events, EV_REL, REL_WHEEL, (uint32_t)steps);
	input_events_append(events, EV_SYN, SYN_REPORT, 0);
}

static void
input_events_make_up(struct input_events *events)
{
	events->lost = 0;
	for (uint16_t code = 0; code < KEY_CNT && !events->lost; code++) {
		bool down = input_events_test(events->down, code);

		if (down != input_events_test(events->told, code))
			input_events_tell_key(events, code, down);
	}
}

bool
input_events_peek(struct input_events *events, struct virtio_input_event *ret_event)
{
	if (events->count == 0 && events->lost)
		input_events_make_up(events);
	if (events->count == 0)
		return false;
	*ret_event = *input_events_last(events, events->count);
	return true;
}

void
input_events_pop(struct input_events *events)
{
	events->first = (events->first + 1) % INPUT_EVENTS_MAX;
	events->count--;
}

bool
input_events_knows(const struct input_events *events, uint16_t code)
{
	return input_events_test(events->down, code) || input_events_test(events->told, code);
}

void
input_events_save(const struct input_events *events, struct state_writer *writer)
{
	state_put_bytes(writer, events->down, sizeof(events->down));
	state_put_bytes(writer, events->told, sizeof(events->told));
	state_put_bool(writer, events->lost);
	state_put_u32(writer, events->count);
	for (uint32_t i = 0; i < events->count; i++) {
		const struct virtio_input_event *event =
			&events->events[(events->first + i) % INPUT_EVENTS_MAX];

		state_put_u16(writer, event->type);
		state_put_u16(writer, event->code);
		state_put_u32(writer, event->value);
	}
}

void
input_events_load(struct input_events *events, struct state_reader *reader)
{
	state_take_bytes(reader, events->down, sizeof(events->down));
	state_take_bytes(reader, events->told, sizeof(events->told));
	events->lost = state_take_bool(reader);
	events->first = 0;
	events->count = state_take_count(reader, INPUT_EVENTS_MAX);
	for (uint32_t i = 0; i < events->count; i++) {
		struct virtio_input_event *event = &events->events[i];

		event->type = state_take_u16(reader);
		event->code = state_take_u16(reader);
		event->value = state_take_u32(reader);
	}
}
