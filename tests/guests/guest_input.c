/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_input.c - a keyboard and a tablet: what they can do, what happens at them, lights (virtio 1.2 section 5.8)
 *
 * Every event is said. A device is listened to until escape is released, or the left button is.
 */
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define KEYBOARD_SLOT 6
#define TABLET_SLOT   7
#define EVENTS	      0 /* queues */
#define LIGHTS	      1
#define N_QUEUES      2
#define N_EVENTS      4
#define MAX_EVENTS    64
#define DATA_OFFSET   8 /* of the configuration */
#define MAX_POSITION  32767

static struct bare_virtio input;
static struct virtio_input_event events[N_EVENTS];

static uint32_t
ask(uint8_t select, uint8_t subselect)
{
	bare_virtio_set_config(&input, 0, 1, select);
	bare_virtio_set_config(&input, 1, 1, subselect);
	return bare_virtio_get_config(&input, 2, 1);
}

static bool
can(uint8_t type, uint16_t code)
{
	return code / 8u < ask(VIRTIO_INPUT_CFG_EV_BITS, type) &&
	       bare_virtio_get_config(&input, DATA_OFFSET + code / 8u, 1) >> code % 8 & 1;
}

static void
offer(uint16_t index)
{
	const struct bare_buffer buffer = { &events[index], sizeof(events[index]), true };

	bare_virtio_offer(&input, EVENTS, index, &buffer, 1);
}

static bool
set_light(uint16_t code, uint32_t value)
{
	struct virtio_input_event event = { EV_LED, code, value };
	const struct bare_buffer buffer = { &event, sizeof(event), false };

	return bare_virtio_transfer(&input, LIGHTS, &buffer, 1) == 0;
}

static bool
works_still(struct bare_virtio *device)
{
	(void)device;
	return set_light(LED_CAPSL, 1);
}

static bool
works(struct bare_virtio *device)
{
	return bare_virtio_start(device, 0, N_QUEUES) && works_still(device);
}

static bool
offer_many(struct bare_virtio *device)
{
	if (!bare_virtio_start(device, 0, N_QUEUES))
		return false;
	for (uint16_t i = 0; i < 8; i++)
		bare_virtio_offer(device, i % 2 ? LIGHTS : EVENTS, i,
				  &(struct bare_buffer){ events, sizeof(events[0]), i % 2 == 0 },
				  1);
	return true;
}

static void
listen(const char *what, uint16_t last_code)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST + 1);
	bool ends = false;

	for (uint16_t i = 0; i < N_EVENTS; i++)
		offer(i);
	bare_say("note: listens to the %s", what);
	for (uint16_t i = 0; i < MAX_EVENTS; i++) {
		struct virtio_input_event *event = &events[i % N_EVENTS];

		if (bare_virtio_wait(&input, EVENTS) != sizeof(*event)) {
			bare_check(false, "an event comes");
			return;
		}
		bare_say("note: event %u %u %u", (uint64_t)event->type, (uint64_t)event->code,
			 (uint64_t)event->value);
		if (ends && event->type == EV_SYN)
			break;
		ends = event->type == EV_KEY && event->code == last_code && event->value == 0;
		offer(i % N_EVENTS);
	}
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1) > interrupts),
		   "events interrupt");
}

static void
test_keyboard(void)
{
	bare_check(can(EV_KEY, KEY_A) && can(EV_KEY, KEY_RIGHTCTRL) && can(EV_LED, LED_CAPSL),
		   "it has keys and lights");
	bare_check(!can(EV_KEY, BTN_LEFT) && !can(EV_REL, REL_WHEEL), "and nothing of a tablet");
	listen("keyboard", KEY_ESC);
	bare_check(set_light(LED_CAPSL, 1), "a light is set");
}

static void
test_tablet(void)
{
	bare_check(can(EV_KEY, BTN_LEFT) && can(EV_KEY, BTN_MIDDLE) && can(EV_KEY, BTN_RIGHT) &&
			   can(EV_REL, REL_WHEEL) && can(EV_ABS, ABS_X) && can(EV_ABS, ABS_Y),
		   "it has buttons, a wheel and a place");
	bare_check(!can(EV_KEY, KEY_A) && !can(EV_REL, REL_X), "no keys, and no other movements");
	bare_check_equal(ask(VIRTIO_INPUT_CFG_ABS_INFO, ABS_X), sizeof(struct virtio_input_absinfo),
			 "it says how far the place goes");
	bare_check_equal(bare_virtio_get_config(&input, DATA_OFFSET + 4, 4), MAX_POSITION,
			 "which is known");
	listen("tablet", BTN_LEFT);
}

static void
test_device(uint32_t slot, const char *name, void (*test)(void))
{
	uint32_t bytes, i = 0;

	if (!bare_virtio_open(&input, slot))
		return;
	bytes = ask(VIRTIO_INPUT_CFG_ID_NAME, 0);
	while (name[i] && bare_virtio_get_config(&input, DATA_OFFSET + i, 1) == (uint8_t)name[i])
		i++;
	bare_check(i == bytes && !name[i], name);
	bare_check_equal(ask(0x77, 0x77), 0, "to a question of no known kind there is no answer");
	if (!bare_virtio_start(&input, 0, N_QUEUES))
		return;
	test();
	bare_hostile_negotiate(&input, works);
	bare_hostile_write_late(&input, LIGHTS, works, works_still);
	bare_hostile_reset(&input, offer_many, works);
	bare_hostile_break_queue(&input, LIGHTS, works);
}

void
guest_main(void)
{
	bare_irq_set_up();
	test_device(KEYBOARD_SLOT, "Carrel keyboard", test_keyboard);
	test_device(TABLET_SLOT, "Carrel tablet", test_tablet);
}
