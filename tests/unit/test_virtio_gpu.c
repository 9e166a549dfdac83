/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_gpu.c - a guest that draws: what it drew arrives at the display, pixel for pixel, and what is wrong is refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/proto_vmm.h"
#include "tests/unit/seat_stage.h"
#include "vmm/edid.h"
#include "vmm/gpu_resource.h"
#include "vmm/pci.h"
#include "vmm/seat.h"

#define WIDTH	301 /* rows that end in the middle of pages */
#define HEIGHT	203
#define N_PAGES ((WIDTH * HEIGHT * 4 + 4095) / 4096)
#define OK	VIRTIO_GPU_RESP_OK_NODATA
#define BGRX	VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM

static int
set_up(void **state)
{
	*state = seat_stage_new();
	return 0;
}

static int
tear_down(void **state)
{
	struct seat_stage *stage = *state;

	if (stage->peer)
		assert_false(stage->peer->wrong);
	seat_stage_free(stage);
	return 0;
}

static bool
needs_reset(struct seat_stage *stage)
{
	return virtio_driver_get_status(&stage->gpu) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* Another colour for each pixel and each picture. */
static uint32_t
pattern(uint32_t seed, uint32_t index)
{
	return (index * 2654435761U ^ seed * 40503U) & 0xffffff;
}

static void
paint(struct seat_stage *stage, const uint64_t *gpas, uint32_t seed)
{
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
		seat_stage_set_pixel(stage, gpas, i, pattern(seed, i));
}

/* Resource 1, with a backing, on scanout 0. */
static void
show(struct seat_stage *stage, uint64_t gpas[N_PAGES])
{
	assert_int_equal(seat_stage_create(stage, 1, BGRX, WIDTH, HEIGHT), OK);
	assert_int_equal(seat_stage_attach(stage, 1, N_PAGES, gpas), OK);
	assert_int_equal(seat_stage_set_scanout(stage, 0, 1, 0, 0, WIDTH, HEIGHT), OK);
}

static void
assert_shows(struct seat_stage *stage, uint32_t seed)
{
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
		assert_int_equal(display_peer_pixel(stage->peer, 0, i % WIDTH, i / WIDTH),
				 pattern(seed, i));
}

static void
test_virtio_gpu__shows_what_the_guest_draws(void **state)
{
	struct seat_stage *stage = *state;
	uint64_t gpas[N_PAGES];

	show(stage, gpas);
	paint(stage, gpas, 1);
	assert_int_equal(seat_stage_transfer(stage, 1, 0, 0, WIDTH, HEIGHT, 0), OK);
	assert_int_equal(seat_stage_flush(stage, 1, 0, 0, WIDTH, HEIGHT), OK);
	seat_stage_watch(stage, true); /* drawn before somebody came */
	assert_shows(stage, 1);
	paint(stage, gpas, 2);
	assert_int_equal(seat_stage_flush(stage, 1, 0, 0, WIDTH, HEIGHT), OK);
	seat_stage_settle(stage);
	assert_shows(stage, 2);
	assert_int_equal(stage->peer->scanouts[0].n_damages, 1);
}

static void
test_virtio_gpu__copies_only_what_was_flushed(void **state)
{
	struct seat_stage *stage = *state;
	struct source_damage *damage;
	uint64_t gpas[N_PAGES];

	show(stage, gpas);
	paint(stage, gpas, 1);
	seat_stage_watch(stage, true);
	paint(stage, gpas, 2);
	assert_int_equal(seat_stage_flush(stage, 1, 17, 100, 40, 9), OK);
	seat_stage_settle(stage);
	damage = &stage->peer->scanouts[0].damage;
	assert_int_equal(damage->n_boxes, 1);
	assert_memory_equal(&damage->boxes[0], ((uint32_t[]){ 17, 100, 40, 9 }), 16);
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		uint32_t x = i % WIDTH;
		uint32_t y = i / WIDTH;
		bool flushed = x >= 17 && x < 57 && y >= 100 && y < 109;

		assert_int_equal(display_peer_pixel(stage->peer, 0, x, y),
				 pattern(flushed ? 2 : 1, i));
	}
}

static void
test_virtio_gpu__shows_a_part_of_a_resource_on_each_scanout(void **state)
{
	struct seat_stage *stage = *state;
	uint64_t gpas[N_PAGES];

	show(stage, gpas);
	paint(stage, gpas, 1);
	assert_int_equal(seat_stage_set_scanout(stage, 0, 1, 0, 0, 100, HEIGHT), OK);
	assert_int_equal(seat_stage_set_scanout(stage, 1, 1, 100, 50, 80, 60), OK);
	seat_stage_watch(stage, true);
	assert_int_equal(stage->peer->scanouts[1].offer.height, 60);
	assert_int_equal(display_peer_pixel(stage->peer, 1, 79, 59),
			 pattern(1, (50 + 59) * WIDTH + 179));
	paint(stage, gpas, 2);
	assert_int_equal(seat_stage_flush(stage, 1, 90, 45, 20, 10), OK);
	seat_stage_settle(stage);
	assert_memory_equal(&stage->peer->scanouts[0].damage.boxes[0],
			    ((uint32_t[]){ 90, 45, 10, 10 }), 16);
	assert_memory_equal(&stage->peer->scanouts[1].damage.boxes[0],
			    ((uint32_t[]){ 0, 0, 10, 5 }), 16);
	assert_int_equal(display_peer_pixel(stage->peer, 1, 9, 4), pattern(2, 54 * WIDTH + 109));
	assert_int_equal(display_peer_pixel(stage->peer, 1, 10, 4), pattern(1, 54 * WIDTH + 110));
	/* Without its resource a scanout is off. */
	assert_int_equal(seat_stage_unref(stage, 1), OK);
	seat_stage_settle(stage);
	assert_null(stage->peer->scanouts[0].pixels);
	assert_null(stage->peer->scanouts[1].pixels);
}

/* Bytes in memory, and blue, green, red, alpha as they must come out. */
static const struct {
	uint32_t format;
	uint8_t in[4];
	uint8_t out[4];
} format_table[] = {
	{ VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, { 1, 2, 3, 4 }, { 1, 2, 3, 4 } },
	{ VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, { 1, 2, 3, 4 }, { 1, 2, 3, 255 } },
	{ VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, { 4, 3, 2, 1 }, { 1, 2, 3, 4 } },
	{ VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, { 4, 3, 2, 1 }, { 1, 2, 3, 255 } },
	{ VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, { 3, 2, 1, 4 }, { 1, 2, 3, 4 } },
	{ VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, { 3, 2, 1, 4 }, { 1, 2, 3, 255 } },
	{ VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, { 4, 1, 2, 3 }, { 1, 2, 3, 4 } },
	{ VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, { 4, 1, 2, 3 }, { 1, 2, 3, 255 } },
};

static void
test_virtio_gpu__converts_every_format(void **state)
{
	struct seat_stage *stage = *state;

	seat_stage_watch(stage, true);
	for (uint32_t i = 0; i < sizeof(format_table) / sizeof(format_table[0]); i++) {
		uint64_t gpa;
		uint32_t pixel;

		memcpy(&pixel, format_table[i].in, 4);
		assert_int_equal(seat_stage_create(stage, i + 1, format_table[i].format, 16, 16),
				 OK);
		assert_int_equal(seat_stage_attach(stage, i + 1, 1, &gpa), OK);
		seat_stage_set_pixel(stage, &gpa, 255, pixel);
		assert_int_equal(seat_stage_set_scanout(stage, 0, i + 1, 0, 0, 16, 16), OK);
		assert_int_equal(seat_stage_flush(stage, i + 1, 0, 0, 16, 16), OK);
		seat_stage_settle(stage);
		assert_memory_equal(stage->peer->scanouts[0].pixels + 255 * 4, format_table[i].out,
				    4);
	}
}

static void
move_cursor(struct seat_stage *stage, uint32_t type, uint32_t id, int32_t x, int32_t y)
{
	const struct virtio_gpu_update_cursor command = {
		.hdr.type = type,
		.pos = { .scanout_id = 0, .x = (uint32_t)x, .y = (uint32_t)y },
		.resource_id = id,
		.hot_x = 3,
		.hot_y = 500, /* outside of the shape */
	};

	/* Linux leaves no room for an answer. */
	assert_int_equal(virtio_driver_transfer(&stage->gpu, 1, &command, sizeof(command), NULL, 0),
			 0);
	seat_stage_settle(stage);
}

static void
test_virtio_gpu__shows_the_cursor(void **state)
{
	struct seat_stage *stage = *state;
	struct display_peer_scanout *seen;
	uint64_t gpas[4];

	seat_stage_watch(stage, true);
	seen = &stage->peer->scanouts[0];
	assert_int_equal(seat_stage_create(stage, 9, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64), OK);
	assert_int_equal(seat_stage_attach(stage, 9, 4, gpas), OK);
	seat_stage_set_pixel(stage, gpas, 64 * 64 - 1, 0x80112233);
	move_cursor(stage, VIRTIO_GPU_CMD_UPDATE_CURSOR, 9, -2, 40);
	assert_int_equal(seen->cursor.width, 64);
	assert_int_equal(seen->cursor.visible, 1);
	assert_int_equal(seen->cursor.hot_x, 3);
	assert_int_equal(seen->cursor.hot_y, 63);
	assert_int_equal(seen->cursor.x, -2);
	assert_memory_equal(seen->argb + sizeof(seen->argb) - 4, "\x33\x22\x11\x80", 4);
	move_cursor(stage, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 500, INT32_MAX);
	assert_int_equal(seen->cursor.x, 500);
	assert_int_equal(seen->cursor.y, 2 * GPU_MAX_SIDE);
	assert_int_equal(seen->cursor.visible, 1);
	move_cursor(stage, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 1);
	assert_int_equal(seen->cursor.visible, 0);
	assert_int_equal(seen->cursor.width, 0);
}

static void
test_virtio_gpu__plugs_in_the_monitor_that_is_wanted(void **state)
{
	struct seat_stage *stage = *state;
	const struct virtio_gpu_ctrl_hdr ask_modes = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	const struct virtio_gpu_cmd_get_edid ask_edid = { .hdr.type = VIRTIO_GPU_CMD_GET_EDID,
							  .scanout = 1 };
	const struct source_size size = { 1, 1608, 900 };
	struct virtio_gpu_resp_display_info modes;
	struct virtio_gpu_resp_edid edid;
	uint8_t expected[EDID_MAX_BYTES];

	assert_int_equal(virtio_driver_get_config(&stage->gpu, 8, 4), 2);
	virtio_driver_transfer(&stage->gpu, 0, &ask_modes, sizeof(ask_modes), &modes,
			       sizeof(modes));
	assert_int_equal(modes.hdr.type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(modes.pmodes[0].r.width, 1024);
	assert_true(modes.pmodes[0].enabled && !modes.pmodes[1].enabled);
	assert_int_equal(virtio_driver_get_config(&stage->gpu, 0, 4), 0);
	seat_stage_watch(stage, true);
	fake_platform_forget(stage->fake);
	display_peer_send(stage->peer, SOURCE_SIZE, &size, sizeof(size));
	display_peer_send(stage->peer, SOURCE_SIZE, &size, sizeof(size)); /* no news */
	seat_stage_settle(stage);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->gpu), 1);
	assert_int_equal(virtio_driver_get_config(&stage->gpu, 0, 4), VIRTIO_GPU_EVENT_DISPLAY);
	virtio_driver_set_config(&stage->gpu, 4, 4, VIRTIO_GPU_EVENT_DISPLAY);
	assert_int_equal(virtio_driver_get_config(&stage->gpu, 0, 4), 0);
	virtio_driver_transfer(&stage->gpu, 0, &ask_modes, sizeof(ask_modes), &modes,
			       sizeof(modes));
	assert_int_equal(modes.pmodes[1].enabled, 1);
	assert_int_equal(modes.pmodes[1].r.x, 1024);
	assert_int_equal(modes.pmodes[1].r.height, 900);
	virtio_driver_transfer(&stage->gpu, 0, &ask_edid, sizeof(ask_edid), &edid, sizeof(edid));
	assert_int_equal(edid.hdr.type, VIRTIO_GPU_RESP_OK_EDID);
	assert_int_equal(edid.size, edid_make(1608, 900, 1, expected));
	assert_memory_equal(edid.edid, expected, edid.size);
}

static void
test_virtio_gpu__answers_fences(void **state)
{
	struct seat_stage *stage = *state;
	const struct virtio_gpu_resource_unref command = {
		.hdr = { .type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
			 .flags = VIRTIO_GPU_FLAG_FENCE,
			 .fence_id = 0x1122334455667788,
			 .ctx_id = 7 },
	};
	struct virtio_gpu_ctrl_hdr answer;

	assert_int_equal(virtio_driver_transfer(&stage->gpu, 0, &command, sizeof(command), &answer,
						sizeof(answer)),
			 sizeof(answer));
	assert_int_equal(answer.type, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(answer.flags, VIRTIO_GPU_FLAG_FENCE);
	assert_true(answer.fence_id == command.hdr.fence_id);
	assert_int_equal(answer.ctx_id, 7);
}

static void
test_virtio_gpu__takes_a_screenshot(void **state)
{
	struct seat_stage *stage = *state;
	uint64_t gpas[N_PAGES];
	int fd = memfd_create("shot", MFD_CLOEXEC);
	struct vmm_picture picture;
	uint32_t pixel;

	assert_int_equal(seat_screenshot(stage->seat, fd, &picture), -ENODATA);
	show(stage, gpas);
	paint(stage, gpas, 5);
	assert_int_equal(seat_screenshot(stage->seat, -1, &picture), -EBADF);
	assert_int_equal(seat_screenshot(stage->seat, fd, &picture), 0);
	assert_int_equal(picture.width, WIDTH);
	assert_int_equal(picture.height, HEIGHT);
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		off_t at = (off_t)(i / WIDTH * picture.stride + i % WIDTH * 4);

		assert_int_equal(pread(fd, &pixel, 4, at), 4);
		assert_int_equal(pixel & 0xffffff, pattern(5, i));
	}
	close(fd);
}

static void
test_virtio_gpu__forgets_all_with_a_reset(void **state)
{
	struct seat_stage *stage = *state;
	uint64_t gpas[N_PAGES];

	show(stage, gpas);
	paint(stage, gpas, 1);
	seat_stage_watch(stage, true);
	virtio_driver_reset(&stage->gpu);
	seat_stage_settle(stage);
	assert_null(stage->peer->scanouts[0].pixels);
	assert_int_equal(virtio_driver_start(&stage->gpu, VIRTIO_DRIVER_ALL_FEATURES), 0);
	assert_int_equal(seat_stage_unref(stage, 1), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	show(stage, gpas);
	paint(stage, gpas, 3);
	assert_int_equal(seat_stage_flush(stage, 1, 0, 0, WIDTH, HEIGHT), OK);
	seat_stage_settle(stage);
	assert_shows(stage, 3);
}

static void
test_virtio_gpu__survives_a_backing_that_is_short_or_gone(void **state)
{
	struct seat_stage *stage = *state;
	const struct virtio_gpu_resource_detach_backing detach = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
		.resource_id = 1,
	};
	uint64_t gpas[2];

	seat_stage_watch(stage, true);
	assert_int_equal(seat_stage_create(stage, 1, BGRX, 1024, 768), OK);
	assert_int_equal(seat_stage_attach(stage, 1, 2, gpas), OK);
	seat_stage_set_pixel(stage, gpas, 2047, 0x0a0b0c);
	assert_int_equal(seat_stage_set_scanout(stage, 0, 1, 0, 0, 1024, 768), OK);
	seat_stage_settle(stage);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 1023, 1), 0x0a0b0c);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 0, 2), 0);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 1023, 767), 0);
	assert_int_equal(seat_stage_command(stage, &detach, sizeof(detach)), OK);
	assert_int_equal(seat_stage_flush(stage, 1, 0, 0, 1024, 768), OK);
	seat_stage_settle(stage);
	assert_int_equal(display_peer_pixel(stage->peer, 0, 1023, 1), 0);
	assert_int_equal(seat_stage_command(stage, &detach, sizeof(detach)),
			 VIRTIO_GPU_RESP_ERR_UNSPEC);
}

#define INVALID	 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define SCANOUT	 VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define HEADER	 6 /* words of struct virtio_gpu_ctrl_hdr */

/* Resource 1 is 301 x 203 and has a backing, 2 has none. */
static const struct {
	uint32_t type;
	uint32_t n_words;
	uint32_t words[8]; /* behind the header */
	uint32_t answer;
} hostile_table[] = {
	{ 0, 0, { 0 }, VIRTIO_GPU_RESP_ERR_UNSPEC },
	{ VIRTIO_GPU_CMD_SUBMIT_3D, 8, { 0 }, VIRTIO_GPU_RESP_ERR_UNSPEC },
	{ VIRTIO_GPU_CMD_UPDATE_CURSOR, 8, { 0 }, VIRTIO_GPU_RESP_ERR_UNSPEC }, /* wrong queue */
	{ VIRTIO_GPU_CMD_GET_EDID, 2, { 2 }, INVALID },
	{ VIRTIO_GPU_CMD_GET_EDID, 1, { 0 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4, { 0, 2, 16, 16 }, RESOURCE },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4, { 1, 2, 16, 16 }, RESOURCE },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4, { 9, 0, 16, 16 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4, { 9, 2, 0, 16 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4, { 9, 2, 8193, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 4, { 9, 2, 1, 0xffffffff }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 3, { 9, 2, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_UNREF, 2, { 0 }, RESOURCE },
	{ VIRTIO_GPU_CMD_RESOURCE_UNREF, 2, { 77 }, RESOURCE },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, 6, { 0, 0, 16, 16, 2, 1 }, SCANOUT },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, 6, { 0, 0, 16, 16, 0, 77 }, RESOURCE },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, 6, { 0, 0, 302, 203, 0, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, 6, { 1, 0, 0xffffffff, 203, 0, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_SET_SCANOUT, 6, { 0, 0, 0, 0, 0, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, 6, { 0, 0, 1, 1, 77 }, RESOURCE },
	{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, 6, { 0, 203, 1, 1, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_FLUSH, 6, { 0xfffffff0, 0, 0x20, 1, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 8, { 0, 0, 1, 1, 0, 0, 77 }, RESOURCE },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
	  8,
	  { 0, 0, 1, 1, 0, 0, 2 },
	  VIRTIO_GPU_RESP_ERR_UNSPEC },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 8, { 0, 0, 302, 1, 0, 0, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 8, { 1, 1, 1, 1, 0, 0, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 8, { 1, 1, 1, 1, 302 * 4, 0, 1 }, OK },
	{ VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 8, { 1, 1, 1, 1, 302 * 4, 1, 1 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 6, { 77, 1, 0x100000, 0, 4096 }, RESOURCE },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	  6,
	  { 1, 1, 0x100000, 0, 4096 },
	  VIRTIO_GPU_RESP_ERR_UNSPEC },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 6, { 2, 0, 0x100000, 0, 4096 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 6, { 2, 2, 0x100000, 0, 4096 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	  6,
	  { 2, 0xffffffff, 0x100000, 0, 4096 },
	  INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 6, { 2, 1, 0x100000, 0, 0 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 6, { 2, 1, 0x1fff000, 0, 4097 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	  6,
	  { 2, 1, 0xfffff000, 0xffffffff, 4096 },
	  INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 6, { 2, 1, 0xe0000000, 0, 4096 }, INVALID },
	{ VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 2, { 77 }, RESOURCE },
	{ VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 2, { 2 }, VIRTIO_GPU_RESP_ERR_UNSPEC },
};

static void
test_virtio_gpu__refuses_what_is_wrong(void **state)
{
	struct seat_stage *stage = *state;
	uint64_t gpas[N_PAGES];

	show(stage, gpas);
	paint(stage, gpas, 1);
	assert_int_equal(seat_stage_create(stage, 2, BGRX, 16, 16), OK);
	seat_stage_watch(stage, true);
	for (size_t i = 0; i < sizeof(hostile_table) / sizeof(hostile_table[0]); i++) {
		uint32_t words[HEADER + 8] = { hostile_table[i].type };

		memcpy(words + HEADER, hostile_table[i].words, sizeof(hostile_table[i].words));
		assert_int_equal(
			seat_stage_command(stage, words, (HEADER + hostile_table[i].n_words) * 4),
			hostile_table[i].answer);
	}
	seat_stage_settle(stage);
	assert_false(needs_reset(stage));
	assert_shows(stage, 1);
}

static void
test_virtio_gpu__keeps_to_its_maxima(void **state)
{
	struct seat_stage *stage = *state;
	uint32_t id;

	for (id = 1; id <= GPU_MAX_RESOURCES; id++)
		assert_int_equal(seat_stage_create(stage, id, BGRX, 1, 1), OK);
	assert_int_equal(seat_stage_create(stage, id, BGRX, 1, 1),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	for (id = 1; id <= 4; id++)
		assert_int_equal(seat_stage_unref(stage, id), OK);
	for (id = 1; id <= 3; id++)
		assert_int_equal(seat_stage_create(stage, id, BGRX, 8192, 8192), OK);
	assert_int_equal(seat_stage_create(stage, 4, BGRX, 8192, 8192),
			 VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	assert_int_equal(seat_stage_unref(stage, 3), OK);
	assert_int_equal(seat_stage_create(stage, 4, BGRX, 8192, 8192), OK);
	assert_false(needs_reset(stage));
}

/* A list of entries that costs the guest nothing: all name the same page, and it never joins. */
static void
test_virtio_gpu__bounds_lists_of_pages(void **state)
{
	struct seat_stage *stage = *state;
	const uint32_t n_entries = 20000;
	size_t bytes = sizeof(struct virtio_gpu_resource_attach_backing) +
		       n_entries * sizeof(struct virtio_gpu_mem_entry);
	struct virtio_gpu_resource_attach_backing *attach = test_calloc(1, bytes);
	struct virtio_gpu_mem_entry *entries = (struct virtio_gpu_mem_entry *)(attach + 1);
	uint32_t attached = 0;

	attach->hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
	attach->nr_entries = n_entries;
	for (uint32_t i = 0; i < n_entries; i++)
		entries[i] = (struct virtio_gpu_mem_entry){ .addr = 0x1000, .length = 4096 };
	for (uint32_t id = 1; id <= 20; id++) {
		assert_int_equal(seat_stage_create(stage, id, BGRX, 1, 1), OK);
		attach->resource_id = id;
		attached += seat_stage_command(stage, attach, bytes) == OK;
	}
	assert_int_equal(attached, GPU_MAX_TOTAL_EXTENTS / n_entries);
	/* More bytes than any picture has. */
	assert_int_equal(seat_stage_unref(stage, 1), OK);
	for (uint32_t i = 0; i < n_entries; i++)
		entries[i].length = 1 << 16;
	attach->resource_id = 20;
	assert_int_equal(seat_stage_command(stage, attach, bytes), INVALID);
	assert_false(needs_reset(stage));
	test_free(attach);
}

static void
test_virtio_gpu__fails_without_a_header_or_room_for_the_answer(void **state)
{
	struct seat_stage *stage = *state;
	const struct virtio_gpu_ctrl_hdr ask = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	const struct {
		uint32_t queue;
		size_t out_bytes;
		size_t in_bytes;
	} wrong[] = { { 0, 23, 1024 }, { 0, 0, 1024 }, { 0, 24, 0 }, { 0, 24, 24 }, { 1, 23, 0 } };
	uint8_t answer[1024];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct driver_buffer buffers[2];
		uint64_t gpa = fake_platform_alloc(stage->fake, 4096, 4096);
		size_t count = 0;

		memcpy(fake_platform_map(stage->fake, gpa, sizeof(ask)), &ask, sizeof(ask));
		if (wrong[i].out_bytes > 0)
			buffers[count++] =
				(struct driver_buffer){ gpa, (uint32_t)wrong[i].out_bytes, false };
		if (wrong[i].in_bytes > 0)
			buffers[count++] =
				(struct driver_buffer){ gpa + 2048, (uint32_t)wrong[i].in_bytes,
							true };
		assert_true(driver_ring_add(stage->gpu.rings[wrong[i].queue], buffers, count) >= 0);
		virtio_driver_kick(&stage->gpu, wrong[i].queue);
		assert_true(needs_reset(stage));
		assert_int_equal(virtio_driver_start(&stage->gpu, VIRTIO_DRIVER_ALL_FEATURES), 0);
		assert_int_equal(virtio_driver_transfer(&stage->gpu, 0, &ask, sizeof(ask), answer,
							sizeof(answer)),
				 sizeof(struct virtio_gpu_resp_display_info));
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_virtio_gpu__shows_what_the_guest_draws),
		TEST(test_virtio_gpu__copies_only_what_was_flushed),
		TEST(test_virtio_gpu__shows_a_part_of_a_resource_on_each_scanout),
		TEST(test_virtio_gpu__converts_every_format),
		TEST(test_virtio_gpu__shows_the_cursor),
		TEST(test_virtio_gpu__plugs_in_the_monitor_that_is_wanted),
		TEST(test_virtio_gpu__answers_fences),
		TEST(test_virtio_gpu__takes_a_screenshot),
		TEST(test_virtio_gpu__forgets_all_with_a_reset),
		TEST(test_virtio_gpu__survives_a_backing_that_is_short_or_gone),
		TEST(test_virtio_gpu__refuses_what_is_wrong),
		TEST(test_virtio_gpu__keeps_to_its_maxima),
		TEST(test_virtio_gpu__bounds_lists_of_pages),
		TEST(test_virtio_gpu__fails_without_a_header_or_room_for_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
