/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_seat_state.c - graphics card, keyboard and tablet in a machine's state: a display that connects to the machine
 * that goes on sees the same picture, and forged values are refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/input.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/seat_stage.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/state_twin.h"
#include "vmm/gpu_resource.h"
#include "vmm/input_events.h"

#define WIDTH	     301 /* rows that end in the middle of pages */
#define HEIGHT	     203
#define N_PAGES	     ((WIDTH * HEIGHT * 4 + 4095) / 4096)
#define PICTURE	     1 /* resources */
#define CURSOR	     9
#define CURSOR_SIDE  64
#define CURSOR_PAGES 4
#define OK	     VIRTIO_GPU_RESP_OK_NODATA
#define BGRX	     VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define BGRA	     VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM
#define CURSOR_QUEUE 1
#define EVENT_QUEUE  0
#define STATUS_QUEUE 1
#define EVENT_BYTES  sizeof(struct virtio_input_event)
#define MAX_EVENTS   32

/* Where values stand in the section of a card with the picture alone. */
#define GPU		"virtio-gpu 01"
#define GPU_EVENTS	0
#define GPU_N_RESOURCES 4
#define GPU_RESOURCE	8
#define RESOURCE_ID	(GPU_RESOURCE + 0)
#define RESOURCE_FORMAT (GPU_RESOURCE + 4)
#define RESOURCE_WIDTH	(GPU_RESOURCE + 8)
#define RESOURCE_COUNT	(GPU_RESOURCE + 16)
#define RESOURCE_GPA	(GPU_RESOURCE + 20)
#define RESOURCE_BYTES	(GPU_RESOURCE + 28)

/* Within a scanout's 48 bytes, and where those begin: they are the last. */
#define SCANOUT_BYTES	 48
#define SCANOUT_WANTED	 0
#define SCANOUT_RESOURCE 8
#define SCANOUT_X	 12
#define SCANOUT_WIDTH	 20
#define SCANOUT_CURSOR_X 40

/* And in the keyboard's */
#define INPUT	     "virtio-input 06"
#define INPUT_LEDS   2
#define INPUT_DOWN   6
#define INPUT_TOLD   (INPUT_DOWN + KEY_CNT / 8)
#define INPUT_LOST   (INPUT_TOLD + KEY_CNT / 8)
#define INPUT_COUNT  (INPUT_LOST + 1)
#define INPUT_EVENTS (INPUT_COUNT + 4)

struct twin {
	struct seat_stage *first;
	struct seat_stage *second;
	uint64_t gpas[N_PAGES];
	uint64_t cursor_gpas[CURSOR_PAGES];
};

static int
twin_open(void **state)
{
	static struct twin twin;

	twin = (struct twin){ .first = seat_stage_new(), .second = seat_stage_new() };
	*state = &twin;
	return 0;
}

static int
twin_close(void **state)
{
	struct twin *twin = *state;

	seat_stage_free(twin->first);
	seat_stage_free(twin->second);
	return 0;
}

static struct state_twin
twin_get(struct seat_stage *stage)
{
	return (struct state_twin){ stage->fake,
				    stage->root,
				    { &stage->gpu, &stage->keyboard, &stage->tablet } };
}

static void
twin_move(struct twin *twin, bool same)
{
	const struct state_twin source = twin_get(twin->first);
	const struct state_twin target = twin_get(twin->second);
	const char *problem;
	int result = state_twin_move(&target, &source, &problem);

	assert_string_equal(problem, "");
	assert_int_equal(result, !same);
}

static uint32_t
pattern(uint32_t index)
{
	return (index * 2654435761u) & 0xffffff;
}

/* A picture that the first scanout shows a part of. */
static void
twin_draw(struct twin *twin)
{
	struct seat_stage *first = twin->first;

	assert_int_equal(seat_stage_create(first, PICTURE, BGRX, WIDTH, HEIGHT), OK);
	assert_int_equal(seat_stage_attach(first, PICTURE, N_PAGES, twin->gpas), OK);
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
		seat_stage_set_pixel(first, twin->gpas, i, pattern(i));
	assert_int_equal(seat_stage_set_scanout(first, 0, PICTURE, 1, 2, WIDTH - 1, HEIGHT - 2),
			 OK);
}

static void
twin_set_cursor(struct twin *twin)
{
	const struct virtio_gpu_update_cursor command = {
		.hdr.type = VIRTIO_GPU_CMD_UPDATE_CURSOR,
		.pos = { .scanout_id = 0, .x = 30, .y = 40 },
		.resource_id = CURSOR,
		.hot_x = 3,
		.hot_y = 5,
	};
	struct seat_stage *first = twin->first;

	assert_int_equal(seat_stage_create(first, CURSOR, BGRA, CURSOR_SIDE, CURSOR_SIDE), OK);
	assert_int_equal(seat_stage_attach(first, CURSOR, CURSOR_PAGES, twin->cursor_gpas), OK);
	for (uint32_t i = 0; i < CURSOR_SIDE * CURSOR_SIDE; i++)
		seat_stage_set_pixel(first, twin->cursor_gpas, i, 0xff000000 | pattern(i));
	assert_true(virtio_driver_transfer(&first->gpu, CURSOR_QUEUE, &command, sizeof(command),
					   NULL, 0) >= 0);
}

static void
expect_picture(const struct display_peer *peer)
{
	for (uint32_t y = 0; y < HEIGHT - 2; y++)
		for (uint32_t x = 0; x < WIDTH - 1; x++)
			assert_int_equal(display_peer_pixel(peer, 0, x, y) & 0xffffff,
					 pattern((y + 2) * WIDTH + x + 1));
}

static void
test_seat_state__a_display_sees_the_same_picture(void **state)
{
	struct twin *twin = *state;
	struct seat_stage *second = twin->second;
	const struct display_peer_scanout *seen;
	uint32_t pixel;

	twin_draw(twin);
	twin_set_cursor(twin);
	twin_move(twin, true);
	state_twin_resume(second->fake, second->root);
	seat_stage_watch(second, true);
	seen = &second->peer->scanouts[0];
	expect_picture(second->peer);
	assert_int_equal(second->peer->scanouts[1].offer.width, 0);
	assert_int_equal(seen->cursor.visible, 1);
	assert_int_equal(seen->cursor.width, CURSOR_SIDE);
	assert_int_equal(seen->cursor.x, 30);
	assert_int_equal(seen->cursor.y, 40);
	assert_int_equal(seen->cursor.hot_x, 3);
	assert_int_equal(seen->cursor.hot_y, 5);
	memcpy(&pixel, seen->argb + 4 * 77, 4);
	assert_int_equal(pixel, 0xff000000 | pattern(77));
	/* and the guest draws on */
	seat_stage_set_pixel(second, twin->gpas, 2 * WIDTH + 1, 0x123456);
	assert_int_equal(seat_stage_flush(second, PICTURE, 0, 0, WIDTH, HEIGHT), OK);
	seat_stage_settle(second);
	assert_int_equal(display_peer_pixel(second->peer, 0, 0, 0) & 0xffffff, 0x123456);
	assert_int_equal(seat_stage_unref(second, PICTURE), OK);
	assert_int_equal(seat_stage_unref(second, PICTURE),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void
test_seat_state__a_display_that_watches_already_is_told(void **state)
{
	struct twin *twin = *state;
	struct seat_stage *second = twin->second;

	seat_stage_watch(second, true);
	twin_draw(twin);
	twin_move(twin, true);
	state_twin_resume(second->fake, second->root);
	seat_stage_settle(second);
	expect_picture(second->peer);
}

static void
test_seat_state__a_cursor_whose_picture_is_gone_is_hidden(void **state)
{
	struct twin *twin = *state;

	twin_set_cursor(twin);
	assert_int_equal(seat_stage_unref(twin->first, CURSOR), OK);
	twin_move(twin, true);
	seat_stage_watch(twin->second, true);
	assert_int_equal(twin->second->peer->scanouts[0].cursor.visible, 0);
	/* another picture has its number now, which is no cursor */
	state_twin_resume(twin->first->fake, twin->first->root);
	assert_int_equal(seat_stage_create(twin->first, CURSOR, BGRX, WIDTH, HEIGHT), OK);
	twin_move(twin, true);
	seat_stage_settle(twin->second);
	assert_int_equal(twin->second->peer->scanouts[0].cursor.visible, 0);
}

/* What the first client asked for: the guest knows it already, and finds it again. */
static void
test_seat_state__monitors_keep_their_size(void **state)
{
	const struct virtio_gpu_ctrl_hdr command = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	const struct source_size size = { .scanout = 1, .width = 800, .height = 600 };
	struct twin *twin = *state;
	struct virtio_gpu_resp_display_info info = { 0 };

	seat_stage_watch(twin->first, true);
	assert_int_equal(display_peer_send(twin->first->peer, SOURCE_SIZE, &size, sizeof(size)), 0);
	seat_stage_settle(twin->first);
	twin_move(twin, true);
	state_twin_resume(twin->second->fake, twin->second->root);
	assert_int_equal(virtio_driver_get_config(&twin->second->gpu, 0, 4),
			 VIRTIO_GPU_EVENT_DISPLAY);
	assert_true(virtio_driver_transfer(&twin->second->gpu, 0, &command, sizeof(command), &info,
					   sizeof(info)) > 0);
	assert_int_equal(info.pmodes[0].r.width, 1024);
	assert_int_equal(info.pmodes[1].r.width, 800);
	assert_int_equal(info.pmodes[1].r.height, 600);
}

static void
expect_refusals(struct twin *twin, const struct state_twin_forgery *forgeries, size_t count)
{
	const struct state_twin source = twin_get(twin->first);
	const struct state_twin target = twin_get(twin->second);
	const char *problem = state_twin_forge(&target, &source, forgeries, count);

	if (problem)
		fail_msg("%s", problem);
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
test_seat_state__forged_pictures_are_refused(void **state)
{
	static const struct state_twin_forgery forgeries[] = {
		{ GPU, GPU_EVENTS, 2, 4 },
		{ GPU, GPU_N_RESOURCES, GPU_MAX_RESOURCES + 1, 4 },
		{ GPU, GPU_N_RESOURCES, 2, 4 },
		{ GPU, GPU_N_RESOURCES, 0, 4 },
		{ GPU, RESOURCE_ID, 0, 4 },
		{ GPU, RESOURCE_ID, 2, 4 }, /* and another is shown */
		{ GPU, RESOURCE_FORMAT, 9999, 4 },
		{ GPU, RESOURCE_WIDTH, 0, 4 },
		{ GPU, RESOURCE_WIDTH, GPU_MAX_SIDE + 1, 4 },
		{ GPU, RESOURCE_WIDTH, WIDTH - 1, 4 }, /* less than is shown */
		{ GPU, RESOURCE_COUNT, GPU_MAX_ENTRIES + 1, 4 },
		{ GPU, RESOURCE_COUNT, GPU_MAX_ENTRIES, 4 },
		{ GPU, RESOURCE_GPA, UINT64_MAX - 100, 8 },
		{ GPU, RESOURCE_GPA, 2 * FAKE_PLATFORM_RAM_BYTES - 100, 8 },
		{ GPU, RESOURCE_BYTES, 0, 4 },
		{ GPU, RESOURCE_BYTES, UINT32_MAX, 4 },
	};

	twin_draw(*state);
	expect_refusals(*state, forgeries, COUNT(forgeries));
}

static void
test_seat_state__forged_monitors_are_refused(void **state)
{
	struct state_twin_forgery forgeries[] = {
		{ GPU, -4, 1, 4 }, /* how many */
		{ GPU, -4, UINT32_MAX, 4 },
		{ GPU, SCANOUT_WANTED, SOURCE_MAX_WIDTH + 1, 4 },
		{ GPU, SCANOUT_WANTED, 0, 4 },
		{ GPU, SCANOUT_RESOURCE, 7, 4 },
		{ GPU, SCANOUT_RESOURCE, 0, 4 },
		{ GPU, SCANOUT_X, UINT32_MAX, 4 },
		{ GPU, SCANOUT_X, 3, 4 },
		{ GPU, SCANOUT_WIDTH, 0, 4 },
		{ GPU, SCANOUT_CURSOR_X, (uint32_t)INT32_MIN, 4 },
		{ GPU, SCANOUT_CURSOR_X, 2 * GPU_MAX_SIDE + 1, 4 },
	};
	struct twin *twin = *state;
	int fd;

	twin_draw(twin);
	fd = state_twin_save(twin->first->fake, twin->first->root);
	for (size_t i = 0; i < COUNT(forgeries); i++)
		forgeries[i].offset += state_edit_measure(fd, GPU) - 2 * SCANOUT_BYTES;
	close(fd);
	expect_refusals(twin, forgeries, COUNT(forgeries));
}

/* Keyboard and tablet */

static void
start(struct virtio_driver *driver)
{
	assert_int_equal(virtio_driver_start(driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
}

static void
send_key(struct seat_stage *stage, uint32_t qnum, bool down)
{
	const struct source_key key = { qnum, down };

	assert_int_equal(display_peer_send(stage->peer, SOURCE_KEY, &key, sizeof(key)), 0);
	seat_stage_settle(stage);
}

/* The driver gives as many buffers as it takes: what waits comes, as a list. */
static size_t
collect(struct seat_stage *stage, struct virtio_driver *driver,
	struct virtio_input_event ret_events[MAX_EVENTS])
{
	uint64_t gpa = fake_platform_alloc(stage->fake, MAX_EVENTS * EVENT_BYTES, 8);
	struct driver_ring *ring = driver->rings[EVENT_QUEUE];
	uint32_t written;
	uint16_t head;
	size_t n = 0;

	for (uint32_t i = 0; i < MAX_EVENTS; i++) {
		struct driver_buffer buffer = { gpa + i * EVENT_BYTES, EVENT_BYTES, true };

		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	}
	virtio_driver_kick(driver, EVENT_QUEUE);
	while (driver_ring_get_used(ring, &head, &written))
		n++;
	memcpy(ret_events, fake_platform_map(stage->fake, gpa, n * EVENT_BYTES), n * EVENT_BYTES);
	return n;
}

static void
expect_event(const struct virtio_input_event *event, uint16_t type, uint16_t code, uint32_t value)
{
	assert_int_equal(event->type, type);
	assert_int_equal(event->code, code);
	assert_int_equal(event->value, value);
}

static void
test_seat_state__what_was_typed_arrives(void **state)
{
	struct twin *twin = *state;
	struct virtio_input_event events[MAX_EVENTS];

	start(&twin->first->keyboard);
	seat_stage_watch(twin->first, true);
	send_key(twin->first, 0x1e, true);
	send_key(twin->first, 0x1e, false);
	twin_move(twin, true);
	state_twin_resume(twin->second->fake, twin->second->root);
	assert_int_equal(collect(twin->second, &twin->second->keyboard, events), 4);
	expect_event(&events[0], EV_KEY, KEY_A, 1);
	expect_event(&events[1], EV_SYN, SYN_REPORT, 0);
	expect_event(&events[2], EV_KEY, KEY_A, 0);
	expect_event(&events[3], EV_SYN, SYN_REPORT, 0);
}

/* Who held it is a client of the first machine. */
static void
test_seat_state__a_key_that_was_held_is_released(void **state)
{
	struct twin *twin = *state;
	struct virtio_input_event events[MAX_EVENTS];

	start(&twin->first->keyboard);
	seat_stage_watch(twin->first, true);
	send_key(twin->first, 0x1e, true);
	twin_move(twin, false);
	state_twin_resume(twin->second->fake, twin->second->root);
	assert_int_equal(collect(twin->second, &twin->second->keyboard, events), 4);
	expect_event(&events[0], EV_KEY, KEY_A, 1);
	expect_event(&events[2], EV_KEY, KEY_A, 0);
	/* the machine that was saved still has it down */
	state_twin_resume(twin->first->fake, twin->first->root);
	assert_int_equal(collect(twin->first, &twin->first->keyboard, events), 2);
}

static void
test_seat_state__the_pointer_and_the_lights_are_kept(void **state)
{
	const struct virtio_input_event caps = { EV_LED, LED_CAPSL, 1 };
	const struct source_pointer pointer = { 0, 100, 200, 0 };
	struct twin *twin = *state;
	struct virtio_input_event events[MAX_EVENTS];

	start(&twin->first->keyboard);
	start(&twin->first->tablet);
	seat_stage_watch(twin->first, true);
	assert_int_equal(virtio_driver_transfer(&twin->first->keyboard, STATUS_QUEUE, &caps,
						sizeof(caps), NULL, 0),
			 0);
	virtio_driver_set_config(&twin->first->tablet, 0, 1, VIRTIO_INPUT_CFG_ID_NAME);
	twin_draw(twin); /* there is something to point at */
	assert_int_equal(
		display_peer_send(twin->first->peer, SOURCE_POINTER, &pointer, sizeof(pointer)), 0);
	seat_stage_settle(twin->first);
	twin_move(twin, true);
	state_twin_resume(twin->second->fake, twin->second->root);
	assert_int_equal(virtio_driver_get_config(&twin->second->tablet, 2, 1),
			 strlen("Carrel tablet"));
	assert_int_equal(collect(twin->second, &twin->second->tablet, events), 3);
	expect_event(&events[2], EV_SYN, SYN_REPORT, 0);
	assert_int_equal(events[0].type, EV_ABS);
	seat_stage_watch(twin->second, true);
	assert_int_equal(twin->second->peer->leds, twin->first->peer->leds);
	assert_int_not_equal(twin->second->peer->leds, 0);
}

static void
test_seat_state__forged_keys_are_refused(void **state)
{
	static const struct state_twin_forgery forgeries[] = {
		{ INPUT, INPUT_LEDS, 8, 4 },
		{ INPUT, INPUT_DOWN + BTN_LEFT / 8, 1, 1 }, /* no keyboard has it */
		{ INPUT, INPUT_TOLD + KEY_CNT / 8 - 1, 0x80, 1 },
		{ INPUT, INPUT_LOST, 2, 1 },
		{ INPUT, INPUT_COUNT, INPUT_EVENTS_MAX + 1, 4 },
		{ INPUT, INPUT_COUNT, UINT32_MAX, 4 },
		{ INPUT, INPUT_COUNT, 1, 4 },
		{ INPUT, INPUT_EVENTS, EV_ABS, 2 },
		{ INPUT, INPUT_EVENTS, UINT16_MAX, 2 },
		{ INPUT, INPUT_EVENTS + 2, UINT16_MAX, 2 },
		{ INPUT, INPUT_EVENTS + 8 + 2, SYN_DROPPED, 2 },
	};
	struct twin *twin = *state;

	start(&twin->first->keyboard);
	seat_stage_watch(twin->first, true);
	send_key(twin->first, 0x1e, true);
	expect_refusals(twin, forgeries, COUNT(forgeries));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_seat_state__##name, twin_open, twin_close)
	const struct CMUnitTest tests[] = {
		TEST(a_display_sees_the_same_picture),
		TEST(a_display_that_watches_already_is_told),
		TEST(a_cursor_whose_picture_is_gone_is_hidden),
		TEST(monitors_keep_their_size),
		TEST(forged_pictures_are_refused),
		TEST(forged_monitors_are_refused),
		TEST(what_was_typed_arrives),
		TEST(a_key_that_was_held_is_released),
		TEST(the_pointer_and_the_lights_are_kept),
		TEST(forged_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
