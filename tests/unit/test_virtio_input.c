/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_input.c - keys and pointer from the display's socket to the guest's driver, and lights back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/input.h>
#include <linux/virtio_config.h>
#include <linux/virtio_input.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/seat_stage.h"
#include "vmm/seat_link.h"
#include "vmm/input_events.h"
#include "vmm/key_table.h"

#define EVENT_QUEUE  0
#define STATUS_QUEUE 1
#define EVENT_BYTES  sizeof(struct virtio_input_event)
#define MAX_EVENTS   2048

struct stage {
	struct seat_stage *seat;
	uint64_t buffers; /* 64 of them, by head */
	size_t n_events;
	struct virtio_input_event events[MAX_EVENTS];
};

static void
start(struct virtio_driver *driver)
{
	assert_int_equal(virtio_driver_start(driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	stage->seat = seat_stage_new();
	start(&stage->seat->keyboard);
	start(&stage->seat->tablet);
	stage->buffers = fake_platform_alloc(stage->seat->fake, 64 * EVENT_BYTES, 8);
	seat_stage_watch(stage->seat, true);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	seat_stage_free(stage->seat);
	test_free(stage);
	return 0;
}

/* One buffer for an event; its head is its place among them, since no other chain is on the ring. */
static void
give_buffer(struct stage *stage, struct virtio_driver *driver)
{
	struct driver_ring *ring = driver->rings[EVENT_QUEUE];
	struct driver_buffer buffer = { stage->buffers + ring->first_free * EVENT_BYTES,
					EVENT_BYTES, true };

	assert_int_equal(driver_ring_add(ring, &buffer, 1) * EVENT_BYTES,
			 buffer.gpa - stage->buffers);
}

/* What a driver does: takes events until there are none, and gives each buffer back. */
static void
collect(struct stage *stage, struct virtio_driver *driver, size_t n_buffers)
{
	struct driver_ring *ring = driver->rings[EVENT_QUEUE];
	uint32_t written;
	uint16_t head;

	for (size_t i = 0; i < n_buffers; i++)
		give_buffer(stage, driver);
	virtio_driver_kick(driver, EVENT_QUEUE);
	while (driver_ring_get_used(ring, &head, &written)) {
		assert_int_equal(written, EVENT_BYTES);
		assert_true(stage->n_events < MAX_EVENTS);
		memcpy(&stage->events[stage->n_events++],
		       fake_platform_map(stage->seat->fake, stage->buffers + head * EVENT_BYTES,
					 EVENT_BYTES),
		       EVENT_BYTES);
		give_buffer(stage, driver);
		virtio_driver_kick(driver, EVENT_QUEUE);
	}
}

static void
assert_event(const struct stage *stage, size_t i, uint16_t type, uint16_t code, uint32_t value)
{
	assert_true(i < stage->n_events);
	assert_int_equal(stage->events[i].type, type);
	assert_int_equal(stage->events[i].code, code);
	assert_int_equal(stage->events[i].value, value);
}

static void
send_key(struct stage *stage, uint32_t qnum, bool down)
{
	const struct source_key key = { qnum, down };

	assert_int_equal(display_peer_send(stage->seat->peer, SOURCE_KEY, &key, sizeof(key)), 0);
	seat_stage_settle(stage->seat);
}

static void
send_pointer(struct stage *stage, uint32_t x, uint32_t y, uint32_t buttons)
{
	const struct source_pointer pointer = { 0, x, y, buttons };

	display_peer_send(stage->seat->peer, SOURCE_POINTER, &pointer, sizeof(pointer));
	seat_stage_settle(stage->seat);
}

static void
test_virtio_input__types_keys(void **state)
{
	struct stage *stage = *state;

	collect(stage, &stage->seat->keyboard, 64);
	send_key(stage, 0x1e, true);
	send_key(stage, 0x1e, true); /* the client repeats: the guest does that by itself */
	send_key(stage, 0x9d, true);
	send_key(stage, 0x1e, false);
	send_key(stage, 0x60, true); /* no key */
	collect(stage, &stage->seat->keyboard, 0);
	assert_int_equal(stage->n_events, 6);
	assert_event(stage, 0, EV_KEY, KEY_A, 1);
	assert_event(stage, 1, EV_SYN, SYN_REPORT, 0);
	assert_event(stage, 2, EV_KEY, KEY_RIGHTCTRL, 1);
	assert_event(stage, 4, EV_KEY, KEY_A, 0);
	/* Whoever held a key is gone. */
	seat_stage_unwatch(stage->seat);
	collect(stage, &stage->seat->keyboard, 0);
	assert_int_equal(stage->n_events, 8);
	assert_event(stage, 6, EV_KEY, KEY_RIGHTCTRL, 0);
}

static const struct {
	uint32_t qnum;
	uint16_t code;
} key_samples[] = {
	{ 0x01, KEY_ESC },
	{ 0x02, KEY_1 },
	{ 0x0e, KEY_BACKSPACE },
	{ 0x10, KEY_Q },
	{ 0x2a, KEY_LEFTSHIFT },
	{ 0x2b, KEY_BACKSLASH },
	{ 0x39, KEY_SPACE },
	{ 0x3b, KEY_F1 },
	{ 0x45, KEY_NUMLOCK },
	{ 0x52, KEY_KP0 },
	{ 0x54, KEY_SYSRQ },
	{ 0x56, KEY_102ND },
	{ 0x57, KEY_F11 },
	{ 0x58, KEY_F12 },
	{ 0x73, KEY_RO },
	{ 0x7d, KEY_YEN },
	{ 0x9c, KEY_KPENTER },
	{ 0xa0, KEY_MUTE },
	{ 0xb5, KEY_KPSLASH },
	{ 0xb7, KEY_SYSRQ },
	{ 0xb8, KEY_RIGHTALT },
	{ 0xc6, KEY_PAUSE },
	{ 0xc7, KEY_HOME },
	{ 0xc8, KEY_UP },
	{ 0xcb, KEY_LEFT },
	{ 0xcd, KEY_RIGHT },
	{ 0xd0, KEY_DOWN },
	{ 0xd3, KEY_DELETE },
	{ 0xdb, KEY_LEFTMETA },
	{ 0xdd, KEY_COMPOSE },
	{ 0xde, KEY_POWER },
	{ 0x00, 0 },
	{ 0xff, 0 },
};

static void
test_virtio_input__knows_the_keys(void **state)
{
	size_t known = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(key_samples) / sizeof(key_samples[0]); i++)
		assert_int_equal(key_table[key_samples[i].qnum], key_samples[i].code);
	for (uint32_t qnum = 0; qnum < KEY_TABLE_SIZE; qnum++)
		known += key_table[qnum] != 0;
	assert_true(known > 220);
	/* The plain part of a PC keyboard is numbered as Linux numbers it. */
	for (uint32_t qnum = 1; qnum <= 0x53; qnum++)
		assert_int_equal(key_table[qnum], qnum);
}

static void
test_virtio_input__moves_and_clicks(void **state)
{
	struct stage *stage = *state;
	const struct source_wheel wheel = { -2 };
	struct virtio_driver *tablet = &stage->seat->tablet;
	uint64_t gpa;

	assert_int_equal(seat_stage_create(stage->seat, 1, 2, 32, 17), 0x1100);
	assert_int_equal(seat_stage_attach(stage->seat, 1, 1, &gpa), 0x1100);
	assert_int_equal(seat_stage_set_scanout(stage->seat, 0, 1, 0, 0, 32, 17), 0x1100);
	collect(stage, tablet, 64);
	send_pointer(stage, 31, 8, 0);
	send_pointer(stage, 0, 16, 0x11);
	display_peer_send(stage->seat->peer, SOURCE_WHEEL, &wheel, sizeof(wheel));
	send_pointer(stage, 0, 16, 0x10);
	collect(stage, tablet, 0);
	assert_event(stage, 0, EV_ABS, ABS_X, SEAT_LINK_MAX_POSITION);
	assert_event(stage, 1, EV_ABS, ABS_Y, SEAT_LINK_MAX_POSITION / 2);
	assert_event(stage, 2, EV_SYN, SYN_REPORT, 0);
	assert_event(stage, 3, EV_ABS, ABS_X, 0);
	assert_event(stage, 4, EV_ABS, ABS_Y, SEAT_LINK_MAX_POSITION);
	assert_event(stage, 6, EV_KEY, BTN_LEFT, 1);
	assert_event(stage, 8, EV_KEY, BTN_EXTRA, 1);
	assert_event(stage, 10, EV_REL, REL_WHEEL, (uint32_t)-2);
	assert_event(stage, 15, EV_KEY, BTN_LEFT, 0);
	assert_int_equal(stage->n_events, 17);
}

/* A guest that sleeps: nothing is kept beyond the list's size, and no key is stuck when it wakes up. */
static void
test_virtio_input__makes_up_for_a_guest_that_slept(void **state)
{
	struct stage *stage = *state;
	bool down[KEY_CNT] = { false };

	send_key(stage, 0x2a, true);
	for (int i = 0; i < INPUT_EVENTS_MAX; i++)
		send_key(stage, 0x10 + (uint32_t)i % 16, i / 16 % 2 == 0);
	send_key(stage, 0x2a, false);
	send_key(stage, 0x39, true);
	collect(stage, &stage->seat->keyboard, 64);
	assert_true(stage->n_events > INPUT_EVENTS_MAX);
	assert_true(stage->n_events < 2 * INPUT_EVENTS_MAX);
	for (size_t i = 0; i < stage->n_events; i++)
		if (stage->events[i].type == EV_KEY)
			down[stage->events[i].code] = stage->events[i].value;
	for (uint16_t code = 0; code < KEY_CNT; code++)
		assert_int_equal(down[code], code == KEY_SPACE);
}

static void
test_virtio_input__keeps_only_the_last_position(void **state)
{
	struct stage *stage = *state;

	for (uint32_t i = 0; i < 1000; i++)
		send_pointer(stage, i, i, 0);
	send_pointer(stage, 0, 0, 1);
	send_pointer(stage, 5, 0, 1);
	collect(stage, &stage->seat->tablet, 64);
	assert_int_equal(stage->n_events, 3 + 2 + 3);
	assert_event(stage, 3, EV_KEY, BTN_LEFT, 1);
}

static void
set_led(struct stage *stage, uint16_t code, uint32_t value)
{
	const struct virtio_input_event events[] = { { EV_LED, code, value } };

	assert_int_equal(virtio_driver_transfer(&stage->seat->keyboard, STATUS_QUEUE, events,
						sizeof(events), NULL, 0),
			 0);
	seat_stage_settle(stage->seat);
}

static void
test_virtio_input__shows_the_lights(void **state)
{
	struct stage *stage = *state;
	const struct display_peer *peer = stage->seat->peer;

	set_led(stage, LED_NUML, 1);
	assert_int_equal(peer->leds, 2);
	set_led(stage, LED_CAPSL, 1);
	set_led(stage, LED_SCROLLL, 1);
	assert_int_equal(peer->leds, 7);
	set_led(stage, LED_NUML, 0);
	set_led(stage, LED_MUTE, 1);
	assert_int_equal(peer->leds, 5);
	virtio_driver_reset(&stage->seat->keyboard);
	seat_stage_settle(stage->seat);
	assert_int_equal(peer->leds, 0);
}

static uint8_t
ask(struct virtio_driver *driver, uint8_t select, uint8_t subselect, uint8_t answer[128])
{
	virtio_driver_set_config(driver, 0, 1, select);
	virtio_driver_set_config(driver, 1, 1, subselect);
	for (uint32_t i = 0; i < 128; i++)
		answer[i] = (uint8_t)virtio_driver_get_config(driver, 8 + i, 1);
	return (uint8_t)virtio_driver_get_config(driver, 2, 1);
}

static bool
has(const uint8_t answer[128], uint32_t bit)
{
	return answer[bit / 8] >> bit % 8 & 1;
}

static void
test_virtio_input__says_what_it_is(void **state)
{
	struct stage *stage = *state;
	struct virtio_driver *keyboard = &stage->seat->keyboard;
	struct virtio_driver *tablet = &stage->seat->tablet;
	struct virtio_input_absinfo axis;
	uint8_t answer[128];

	assert_int_equal(ask(keyboard, VIRTIO_INPUT_CFG_ID_NAME, 0, answer), 15);
	assert_string_equal((char *)answer, "Carrel keyboard");
	assert_int_equal(ask(keyboard, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, answer), 8);
	assert_in_range(ask(keyboard, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, answer), KEY_UWB / 8 + 1,
			BTN_MISC / 8);
	assert_true(has(answer, KEY_A) && has(answer, KEY_RIGHTMETA) && !has(answer, 0));
	assert_int_equal(ask(keyboard, VIRTIO_INPUT_CFG_EV_BITS, EV_LED, answer), 1);
	assert_int_equal(answer[0], 7);
	assert_int_equal(ask(keyboard, VIRTIO_INPUT_CFG_EV_BITS, EV_ABS, answer), 0);
	assert_int_equal(ask(keyboard, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, answer), 0);
	assert_int_equal(ask(tablet, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, answer), BTN_EXTRA / 8 + 1);
	assert_true(has(answer, BTN_LEFT) && has(answer, BTN_SIDE) && !has(answer, BTN_FORWARD));
	assert_int_equal(ask(tablet, VIRTIO_INPUT_CFG_EV_BITS, EV_REL, answer), 2);
	assert_true(has(answer, REL_WHEEL));
	assert_int_equal(ask(tablet, VIRTIO_INPUT_CFG_EV_BITS, EV_ABS, answer), 1);
	assert_int_equal(answer[0], 3);
	assert_int_equal(ask(tablet, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y, answer), sizeof(axis));
	memcpy(&axis, answer, sizeof(axis));
	assert_int_equal(axis.min, 0);
	assert_int_equal(axis.max, SEAT_LINK_MAX_POSITION);
	assert_int_equal(ask(tablet, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Z, answer), 0);
	assert_int_equal(ask(tablet, 0xff, 0xff, answer), 0);
}

static void
test_virtio_input__fails_with_buffers_of_a_wrong_size(void **state)
{
	struct stage *stage = *state;
	struct virtio_driver *keyboard = &stage->seat->keyboard;
	struct driver_buffer small = { stage->buffers, EVENT_BYTES - 1, true };

	driver_ring_add(keyboard->rings[EVENT_QUEUE], &small, 1);
	send_key(stage, 0x1e, true);
	assert_true(virtio_driver_get_status(keyboard) & VIRTIO_CONFIG_S_NEEDS_RESET);
	send_key(stage, 0x1e, false);
	start(keyboard);
	small.write = false;
	driver_ring_add(keyboard->rings[STATUS_QUEUE], &small, 1);
	virtio_driver_kick(keyboard, STATUS_QUEUE);
	assert_true(virtio_driver_get_status(keyboard) & VIRTIO_CONFIG_S_NEEDS_RESET);
	start(keyboard);
	collect(stage, keyboard, 64);
	send_key(stage, 0x1f, true);
	collect(stage, keyboard, 0);
	assert_event(stage, 0, EV_KEY, KEY_S, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_virtio_input__types_keys),
		TEST(test_virtio_input__knows_the_keys),
		TEST(test_virtio_input__moves_and_clicks),
		TEST(test_virtio_input__makes_up_for_a_guest_that_slept),
		TEST(test_virtio_input__keeps_only_the_last_position),
		TEST(test_virtio_input__shows_the_lights),
		TEST(test_virtio_input__says_what_it_is),
		TEST(test_virtio_input__fails_with_buffers_of_a_wrong_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
