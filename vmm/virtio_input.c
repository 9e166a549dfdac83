/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_input.c - a keyboard, and a tablet with five buttons and a wheel (carrel-vmm, under the
 * machine's lock)
 *
 * How it works: happenings wait in input_events.c; virtio_input_deliver() moves them into the
 * driver's buffers, as many as it has given. What the device is, the driver asks through the
 * configuration: it selects a question, kind_table has the answers.
 */
#include "vmm/virtio_input.h"

#include <assert.h>
#include <errno.h>
#include <linux/input.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/seat_link.h"
#include "vmm/input_events.h"
#include "vmm/key_table.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"
#include "vmm/virtio.h"

#define STATE_VERSION	  1
#define EVENT_QUEUE	  0
#define STATUS_QUEUE	  1
#define QUEUE_SIZE	  64
#define MAX_CHAINS_A_KICK 64
#define VENDOR		  0x1af4

struct virtio_input_state {
	uint8_t select;
	uint8_t subselect;
	uint16_t reserved;
	uint32_t leds; /* as in source_leds */
	struct input_events events;
};

struct virtio_input {
	struct virtio_device device;
	enum virtio_input_kind kind;
	struct seat_link *link;
	struct virtio_input_state state;
};

/* In the order of source_pointer's bits. */
static const uint16_t button_table[] = { BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA };
static const uint16_t wheel_table[] = { REL_WHEEL };
static const uint16_t axis_table[] = { ABS_X, ABS_Y };
/* In the order of source_leds' bits. */
static const uint16_t led_table[] = { LED_SCROLLL, LED_NUML, LED_CAPSL };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Which codes of an event type (EV_KEY ...) a device has. */
struct virtio_input_ability {
	uint16_t type;
	size_t n_codes;
	const uint16_t *codes; /* 0 stands for none */
};

struct virtio_input_traits {
	const char *name;
	const char *serial;
	uint16_t product;
	struct virtio_input_ability abilities[3];
};

static const struct virtio_input_traits kind_table[] = {
	[VIRTIO_INPUT_KEYBOARD] = {
		.name = "Carrel keyboard",
		.serial = "keyboard",
		.product = 1,
		.abilities = { { EV_KEY, COUNT(key_table), key_table },
			       { EV_LED, COUNT(led_table), led_table } },
	},
	[VIRTIO_INPUT_TABLET] = {
		.name = "Carrel tablet",
		.serial = "tablet",
		.product = 2,
		.abilities = { { EV_KEY, COUNT(button_table), button_table },
			       { EV_REL, COUNT(wheel_table), wheel_table },
			       { EV_ABS, COUNT(axis_table), axis_table } },
	},
};

static_assert(COUNT(kind_table) == VIRTIO_INPUT_COUNT, "traits a kind");

/* Configuration (section 5.8.4). */

static uint8_t
virtio_input_put_text(struct virtio_input_config *config, const char *text)
{
	memcpy(config->u.string, text, strlen(text));
	return (uint8_t)strlen(text);
}

static uint8_t
virtio_input_put_bits(struct virtio_input_config *config, const struct virtio_input_traits *traits,
		      uint8_t type)
{
	size_t bytes = 0;

	for (size_t i = 0; i < COUNT(traits->abilities); i++) {
		const struct virtio_input_ability *ability = &traits->abilities[i];

		for (size_t k = 0; k < ability->n_codes && ability->type == type; k++) {
			uint16_t code = ability->codes[k];

			if (code == 0 && type == EV_KEY)
				continue;
			config->u.bitmap[code / 8] |= (uint8_t)(1 << code % 8);
			if (code / 8u + 1 > bytes)
				bytes = code / 8u + 1;
		}
	}
	return (uint8_t)bytes;
}

static uint8_t
virtio_input_put_axis(const struct virtio_input *self, struct virtio_input_config *config)
{
	if (self->kind != VIRTIO_INPUT_TABLET ||
	    (self->state.subselect != ABS_X && self->state.subselect != ABS_Y))
		return 0;
	config->u.abs.max = SEAT_LINK_MAX_POSITION;
	return sizeof(config->u.abs);
}

static uint8_t
virtio_input_answer(const struct virtio_input *self, struct virtio_input_config *config)
{
	const struct virtio_input_traits *traits = &kind_table[self->kind];

	switch (self->state.select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		return virtio_input_put_text(config, traits->name);
	case VIRTIO_INPUT_CFG_ID_SERIAL:
		return virtio_input_put_text(config, traits->serial);
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		config->u.ids =
			(struct virtio_input_devids){ BUS_VIRTUAL, VENDOR, traits->product, 1 };
		return sizeof(config->u.ids);
	case VIRTIO_INPUT_CFG_EV_BITS:
		return virtio_input_put_bits(config, traits, self->state.subselect);
	case VIRTIO_INPUT_CFG_ABS_INFO:
		return virtio_input_put_axis(self, config);
	default:
		return 0;
	}
}

static void
virtio_input_read_config(struct virtio_device *device, uint32_t offset, void *target,
			 uint32_t bytes)
{
	const struct virtio_input *self = (struct virtio_input *)device;
	struct virtio_input_config config = {
		.select = self->state.select,
		.subsel = self->state.subselect,
	};

	config.size = virtio_input_answer(self, &config);
	memcpy(target, (const uint8_t *)&config + offset, bytes);
}

static void
virtio_input_write_config(struct virtio_device *device, uint32_t offset, const void *source,
			  uint32_t bytes)
{
	struct virtio_input *self = (struct virtio_input *)device;
	const uint8_t *values = source;

	for (uint32_t i = 0; i < bytes; i++) {
		if (offset + i == offsetof(struct virtio_input_config, select))
			self->state.select = values[i];
		else if (offset + i == offsetof(struct virtio_input_config, subsel))
			self->state.subselect = values[i];
	}
}

/* Queues. */

static void
virtio_input_deliver(struct virtio_input *self)
{
	struct virtio_device *device = &self->device;
	struct virtio_input_event event;
	struct virtqueue_chain chain;
	bool delivered = false;

	while (device->active && input_events_peek(&self->state.events, &event) &&
	       virtio_pop(device, EVENT_QUEUE, &chain)) {
		if (virtqueue_chain_write(&chain, 0, &event, sizeof(event)) != sizeof(event)) {
			virtio_fail(device, "a buffer without room for an event");
			return;
		}
		virtqueue_push(&device->queues[EVENT_QUEUE], chain.head, sizeof(event));
		input_events_pop(&self->state.events);
		delivered = true;
	}
	if (delivered)
		virtio_signal_queue(device, EVENT_QUEUE);
}

static void
virtio_input_take_status(struct virtio_input *self, const struct virtio_input_event *event)
{
	for (size_t i = 0; i < COUNT(led_table) && event->type == EV_LED; i++) {
		uint32_t bit = UINT32_C(1) << i;

		if (led_table[i] == event->code)
			self->state.leds =
				event->value ? self->state.leds | bit : self->state.leds & ~bit;
	}
}

static void
virtio_input_handle_status(struct virtio_input *self)
{
	struct virtio_device *device = &self->device;
	struct virtio_input_event event;
	struct virtqueue_chain chain;
	int handled = 0;

	while (handled < MAX_CHAINS_A_KICK && virtio_pop(device, STATUS_QUEUE, &chain)) {
		if (virtqueue_chain_read(&chain, 0, &event, sizeof(event)) != sizeof(event)) {
			virtio_fail(device, "a status that is no whole event");
			return;
		}
		virtio_input_take_status(self, &event);
		virtqueue_push(&device->queues[STATUS_QUEUE], chain.head, 0);
		handled++;
	}
	if (handled > 0) {
		virtio_signal_queue(device, STATUS_QUEUE);
		if (self->kind == VIRTIO_INPUT_KEYBOARD)
			seat_link_set_leds(self->link, self->state.leds);
	}
	if (handled == MAX_CHAINS_A_KICK)
		virtio_kick_again(device, STATUS_QUEUE);
}

static void
virtio_input_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_input *self = (struct virtio_input *)device;

	if (queue == EVENT_QUEUE)
		virtio_input_deliver(self);
	else
		virtio_input_handle_status(self);
}

static int
virtio_input_activate(struct virtio_device *device)
{
	(void)device;
	return 0;
}

static void
virtio_input_reset(struct virtio_device *device)
{
	struct virtio_input *self = (struct virtio_input *)device;

	memset(&self->state, 0, sizeof(self->state));
	if (self->kind == VIRTIO_INPUT_KEYBOARD)
		seat_link_set_leds(self->link, 0);
}

/* State: what the driver asked for, and what happened and has not reached it. */

static void
virtio_input_save(struct virtio_device *device, struct state_writer *writer)
{
	const struct virtio_input *self = (struct virtio_input *)device;

	state_put_u8(writer, self->state.select);
	state_put_u8(writer, self->state.subselect);
	state_put_u32(writer, self->state.leds);
	input_events_save(&self->state.events, writer);
}

static bool
virtio_input_has_code(const struct virtio_input *self, uint16_t type, uint16_t code)
{
	struct virtio_input_config config = { 0 };

	if (type == EV_SYN)
		return code == SYN_REPORT;
	if (type > EV_MAX || code / 8u >= sizeof(config.u.bitmap))
		return false;
	virtio_input_put_bits(&config, &kind_table[self->kind], (uint8_t)type);
	return config.u.bitmap[code / 8] >> code % 8 & 1;
}

/*
 * Who held keys and buttons down was connected to another machine: here nobody does, and the guest
 * hears of it behind what waits.
 */
static int
virtio_input_load(struct virtio_device *device, struct state_reader *reader)
{
	struct virtio_input *self = (struct virtio_input *)device;
	struct input_events *events = &self->state.events;

	self->state.select = state_take_u8(reader);
	self->state.subselect = state_take_u8(reader);
	self->state.leds = state_take_u32(reader);
	state_reader_want(reader, self->state.leds >> COUNT(led_table) == 0,
			  "a light that there is not");
	input_events_load(events, reader);
	for (uint16_t code = 0; code < KEY_CNT; code++)
		state_reader_want(reader,
				  !input_events_knows(events, code) ||
					  virtio_input_has_code(self, EV_KEY, code),
				  "a key is pressed that there is not");
	for (uint32_t i = 0; i < events->count; i++)
		state_reader_want(
			reader,
			virtio_input_has_code(self, events->events[i].type, events->events[i].code),
			"an event that there cannot be");
	if (state_reader_check(reader) < 0)
		return state_reader_check(reader);
	input_events_release_all(events);
	if (self->kind == VIRTIO_INPUT_KEYBOARD)
		seat_link_set_leds(self->link, self->state.leds);
	return 0;
}

static void
virtio_input_free(struct virtio_device *device)
{
	free(device);
}

static const struct virtio_ops virtio_input_ops = {
	.name = "virtio-input",
	.type = VIRTIO_ID_INPUT,
	.activate = virtio_input_activate,
	.reset = virtio_input_reset,
	.handle_queue = virtio_input_handle_queue,
	.read_config = virtio_input_read_config,
	.write_config = virtio_input_write_config,
	.free = virtio_input_free,
	.state_version = STATE_VERSION,
	.save = virtio_input_save,
	.load = virtio_input_load,
};

int
virtio_input_new(struct platform *platform, enum virtio_input_kind kind, struct seat_link *link,
		 struct virtio_device **ret_device)
{
	struct virtio_input *self = calloc(1, sizeof(*self));

	if (!self)
		return -ENOMEM;
	self->device.ops = &virtio_input_ops;
	self->device.platform = platform;
	self->device.config_bytes = sizeof(struct virtio_input_config);
	self->device.n_queues = 2;
	self->device.queue_sizes[EVENT_QUEUE] = QUEUE_SIZE;
	self->device.queue_sizes[STATUS_QUEUE] = QUEUE_SIZE;
	self->kind = kind;
	self->link = link;
	*ret_device = &self->device;
	return 0;
}

/* What happens. Without a driver nothing is kept: it begins with nothing pressed. */

void
virtio_input_send_key(struct virtio_device *device, uint32_t qnum, bool down)
{
	struct virtio_input *self = (struct virtio_input *)device;

	if (!device->active || qnum >= KEY_TABLE_SIZE || key_table[qnum] == 0)
		return;
	input_events_set_key(&self->state.events, key_table[qnum], down);
	virtio_input_deliver(self);
}

void
virtio_input_send_pointer(struct virtio_device *device, uint32_t x, uint32_t y, uint32_t buttons)
{
	struct virtio_input *self = (struct virtio_input *)device;

	if (!device->active)
		return;
	input_events_move(&self->state.events, x, y);
	for (size_t i = 0; i < COUNT(button_table); i++)
		input_events_set_key(&self->state.events, button_table[i], buttons >> i & 1);
	virtio_input_deliver(self);
}

void
virtio_input_turn_wheel(struct virtio_device *device, int32_t steps)
{
	struct virtio_input *self = (struct virtio_input *)device;

	if (!device->active)
		return;
	input_events_turn(&self->state.events, steps);
	virtio_input_deliver(self);
}

void
virtio_input_release_all(struct virtio_device *device)
{
	struct virtio_input *self = (struct virtio_input *)device;

	input_events_release_all(&self->state.events);
	virtio_input_deliver(self);
}
