/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_display_path.c - a guest's pixels and sound all the way into carrel-display, and input back, in one process
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <linux/input.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "display/heads.h"
#include "display/source_vmm.h"
#include "display/surface.h"
#include "tests/unit/seat_stage.h"
#include "vmm/seat.h"
#include "vmm/sound_sink.h"

#define WIDTH  96
#define HEIGHT 64
#define OK     VIRTIO_GPU_RESP_OK_NODATA

struct stage {
	struct seat_stage *seat;
	struct surface *surfaces[HEADS_MAX];
	struct surface *surface; /* the first of them */
	struct source *source;
	uint64_t gpas[WIDTH * HEIGHT * 4 / 4096];
	guint n_ready;
	bool plays;
	bool records;
	guint n_played;
	uint32_t last_played;
};

static void
ignore_change(void *context)
{
	(void)context;
}

static void
handle_ready(void *context, const char *device_address, uint32_t n_heads)
{
	assert_string_equal(device_address, "pci/0000/01.0");
	assert_int_equal(n_heads, 2);
	((struct stage *)context)->n_ready++;
}

static void
handle_lost(void *context, const char *why)
{
	(void)context;
	fail_msg("lost: %s", why);
}

static void
handle_sound(void *context, bool plays, bool records)
{
	((struct stage *)context)->plays = plays;
	((struct stage *)context)->records = records;
}

static void
handle_played(void *context, const void *frames, uint32_t n_frames)
{
	struct stage *stage = context;

	memcpy(&stage->last_played, (const uint32_t *)frames + n_frames - 1, 4);
	stage->n_played += n_frames;
}

static const struct source_events events = {
	.ready = handle_ready,
	.sound = handle_sound,
	.played = handle_played,
	.lost = handle_lost,
};

static void
settle(struct stage *stage)
{
	for (int i = 0; i < 10; i++) {
		seat_stage_settle(stage->seat);
		while (g_main_context_iteration(NULL, FALSE))
			;
	}
}

static void
watch(struct stage *stage)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(getsockname(stage->seat->listen_fd, (struct sockaddr *)&address, &size),
			 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	stage->source = source_vmm_new(fd, stage->surfaces, &events, stage);
	settle(stage);
	assert_int_equal(stage->n_ready, 1);
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	stage->seat = seat_stage_new();
	for (guint i = 0; i < HEADS_MAX; i++)
		stage->surfaces[i] = surface_new(ignore_change, NULL);
	stage->surface = stage->surfaces[0];
	assert_int_equal(
		seat_stage_create(stage->seat, 1, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, WIDTH, HEIGHT),
		OK);
	assert_int_equal(seat_stage_attach(stage->seat, 1, G_N_ELEMENTS(stage->gpas), stage->gpas),
			 OK);
	assert_int_equal(seat_stage_set_scanout(stage->seat, 0, 1, 0, 0, WIDTH, HEIGHT), OK);
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	stage->source->ops->free(stage->source);
	for (guint i = 0; i < HEADS_MAX; i++)
		surface_free(stage->surfaces[i]);
	seat_stage_free(stage->seat);
	test_free(stage);
	return 0;
}

static uint32_t
pattern(uint32_t seed, uint32_t index)
{
	return ((index + 1) * 2654435761U ^ seed * 40503U) & 0xffffff;
}

static void
draw(struct stage *stage, uint32_t seed)
{
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
		seat_stage_set_pixel(stage->seat, stage->gpas, i, pattern(seed, i));
	assert_int_equal(seat_stage_flush(stage->seat, 1, 0, 0, WIDTH, HEIGHT), OK);
	settle(stage);
}

/* Takes what is new, as a sink does; what it would have sent is of this seed. */
static void
assert_takes(struct stage *stage, uint32_t seed)
{
	struct surface_info info = surface_get_info(stage->surface);
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	static uint32_t pixels[WIDTH * HEIGHT];

	assert_int_equal(
		surface_take_damage(stage->surface, SURFACE_READER_SPICE, info.generation, rects),
		1);
	assert_int_equal(rects[0].width * rects[0].height, WIDTH * HEIGHT);
	assert_int_equal(
		surface_copy_rect(stage->surface, info.generation, &rects[0], (uint8_t *)pixels),
		0);
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++)
		assert_int_equal(pixels[i] & 0xffffff, pattern(seed, i));
	settle(stage);
}

static void
test_display_path__carries_pixels(void **state)
{
	struct stage *stage = *state;

	draw(stage, 1);
	watch(stage);
	assert_takes(stage, 1);
	draw(stage, 2);
	assert_takes(stage, 2);
	draw(stage, 3);
	/* The sink is slow: the guest goes on, and what it drew last is what comes when the sink is back. */
	for (uint32_t seed = 4; seed < 50; seed++)
		draw(stage, seed);
	assert_takes(stage, 3);
	assert_takes(stage, 49);
}

static void
test_display_path__follows_the_size(void **state)
{
	struct stage *stage = *state;
	struct virtio_gpu_ctrl_hdr ask = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_resp_display_info modes;

	watch(stage);
	stage->source->ops->set_size(stage->source, 0, 1600, 904);
	settle(stage);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->seat->gpu), 1);
	virtio_driver_transfer(&stage->seat->gpu, 0, &ask, sizeof(ask), &modes, sizeof(modes));
	assert_int_equal(modes.pmodes[0].r.width, 1600);
	assert_int_equal(modes.pmodes[0].r.height, 904);
	assert_int_equal(
		seat_stage_create(stage->seat, 2, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 1600, 904), OK);
	assert_int_equal(seat_stage_set_scanout(stage->seat, 0, 2, 0, 0, 1600, 904), OK);
	settle(stage);
	assert_int_equal(surface_get_info(stage->surface).width, 1600);
	assert_int_equal(surface_get_info(stage->surface).height, 904);
}

/* The client has a second monitor: the guest gets one, shows something on it, and the client puts it away. */
static void
test_display_path__follows_a_second_head(void **state)
{
	struct stage *stage = *state;
	struct virtio_gpu_ctrl_hdr ask = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };
	struct virtio_gpu_resp_display_info modes;

	watch(stage);
	virtio_driver_transfer(&stage->seat->gpu, 0, &ask, sizeof(ask), &modes, sizeof(modes));
	assert_int_equal(modes.pmodes[1].enabled, 0);
	stage->source->ops->set_size(stage->source, 1, 800, 600);
	settle(stage);
	virtio_driver_transfer(&stage->seat->gpu, 0, &ask, sizeof(ask), &modes, sizeof(modes));
	assert_int_equal(modes.pmodes[1].enabled, 1);
	assert_int_equal(modes.pmodes[1].r.width, 800);
	assert_int_equal(modes.pmodes[1].r.x, modes.pmodes[0].r.width);
	assert_int_equal(
		seat_stage_create(stage->seat, 2, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 800, 600), OK);
	assert_int_equal(seat_stage_set_scanout(stage->seat, 1, 2, 0, 0, 800, 600), OK);
	settle(stage);
	assert_int_equal(surface_get_info(stage->surface).width, WIDTH);
	assert_int_equal(surface_get_info(stage->surfaces[1]).width, 800);
	stage->source->ops->set_size(stage->source, 1, 0, 0);
	assert_int_equal(seat_stage_set_scanout(stage->seat, 1, 0, 0, 0, 0, 0), OK);
	settle(stage);
	assert_int_equal(surface_get_info(stage->surfaces[1]).width, 0);
}

static void
test_display_path__carries_keys_and_lights(void **state)
{
	struct stage *stage = *state;
	struct virtio_driver *keyboard = &stage->seat->keyboard;
	const struct virtio_input_event light = { EV_LED, LED_CAPSL, 1 };
	struct virtio_input_event event;

	watch(stage);
	assert_int_equal(virtio_driver_start(keyboard, VIRTIO_DRIVER_ALL_FEATURES), 0);
	stage->source->ops->send_key(stage->source, 0x3a, true);
	settle(stage);
	assert_int_equal(virtio_driver_transfer(keyboard, 0, NULL, 0, &event, sizeof(event)),
			 sizeof(event));
	assert_int_equal(event.type, EV_KEY);
	assert_int_equal(event.code, KEY_CAPSLOCK);
	virtio_driver_transfer(keyboard, 1, &light, sizeof(light), NULL, 0);
	settle(stage);
	assert_int_equal(surface_get_info(stage->surface).leds, 4);
}

static void
test_display_path__carries_sound(void **state)
{
	struct stage *stage = *state;
	const struct sound_sink *sink = seat_get_sound(stage->seat->seat);
	uint32_t frames[SOUND_MAX_FRAMES];
	int16_t recorded[SOUND_MAX_FRAMES * SOUND_CHANNELS];

	watch(stage);
	stage->source->ops->listen(stage->source, true, true);
	settle(stage);
	sink->change(sink->context, SOUND_PLAY, true);
	for (uint32_t i = 0; i < 20 * SOUND_MAX_FRAMES; i++) {
		frames[i % SOUND_MAX_FRAMES] = i;
		if (i % SOUND_MAX_FRAMES < SOUND_MAX_FRAMES - 1)
			continue;
		sink->play(sink->context, (const int16_t *)frames, SOUND_MAX_FRAMES);
		settle(stage);
		assert_true(stage->plays);
		assert_int_equal(stage->n_played, i + 1);
		assert_int_equal(stage->last_played, i);
	}
	sink->change(sink->context, SOUND_PLAY, false);
	sink->change(sink->context, SOUND_RECORD, true);
	settle(stage);
	assert_true(!stage->plays && stage->records);
	stage->source->ops->speak(stage->source, frames, SOUND_MAX_FRAMES);
	settle(stage);
	assert_int_equal(sink->record(sink->context, recorded, SOUND_MAX_FRAMES), SOUND_MAX_FRAMES);
	assert_memory_equal(recorded, frames, sizeof(frames));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_display_path__carries_pixels),
		TEST(test_display_path__follows_the_size),
		TEST(test_display_path__follows_a_second_head),
		TEST(test_display_path__carries_keys_and_lights),
		TEST(test_display_path__carries_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
