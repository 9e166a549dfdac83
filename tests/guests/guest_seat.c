/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_seat.c - a graphics card that shows a picture and a keyboard that types (virtio 1.2 sections 5.7, 5.8)
 *
 * Command line: a number, from which the picture is made, "hostile", and "alone". After "note: one monitor", which it does not say alone,
 * it waits for a second one, on which it shows the picture of the next number; after "note: drawn" for one key. At last it resets
 * the card.
 */
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define GPU_SLOT	1
#define KEYBOARD_SLOT	6
#define SIDE		64 /* pixels */
#define RESOURCE	1
#define SECOND_RESOURCE 9
#define N_SCANOUTS	2
#define N_EVENTS	4
#define EVENT_SYNC	0
#define NO_RAM		UINT64_C(0xd0000000)
#define MANY_PIECES	32768
#define PIECES_RESOURCE 10

struct attach_one {
	struct virtio_gpu_resource_attach_backing head;
	struct virtio_gpu_mem_entry entry;
};

static struct bare_virtio gpu, keyboard;
static uint32_t pixels[SIDE * SIDE], second_pixels[SIDE * SIDE];
static struct virtio_gpu_resp_display_info display_info;

/* The type of the answer, 0 when there was none. */
static uint32_t
do_command(const void *command, uint32_t bytes, void *answer, uint32_t answer_bytes)
{
	struct virtio_gpu_ctrl_hdr *head = answer;
	const struct bare_buffer buffers[] = {
		{ (void *)(uintptr_t)command, bytes, false },
		{ answer, answer_bytes, true },
	};

	head->type = 0;
	if (bare_virtio_transfer(&gpu, 0, buffers, 2) == BARE_VIRTIO_LOST)
		return 0;
	__asm__ volatile("" ::: "memory");
	return head->type;
}

static uint32_t
do_simple(const void *command, uint32_t bytes)
{
	struct virtio_gpu_ctrl_hdr answer;

	return do_command(command, bytes, &answer, sizeof(answer));
}

static uint32_t
create(uint32_t resource, uint32_t width, uint32_t height)
{
	struct virtio_gpu_resource_create_2d command = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = resource,
		.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
		.width = width,
		.height = height,
	};

	return do_simple(&command, sizeof(command));
}

static uint32_t
attach(uint32_t resource, uint64_t address, uint32_t bytes, uint32_t n_entries)
{
	struct attach_one command = {
		.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		.head.resource_id = resource,
		.head.nr_entries = n_entries,
		.entry = { .addr = address, .length = bytes },
	};

	return do_simple(&command, sizeof(command));
}

static uint32_t
set_scanout(uint32_t scanout, uint32_t resource, uint32_t x, uint32_t width)
{
	struct virtio_gpu_set_scanout command = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
		.r = { x, 0, width, SIDE },
		.scanout_id = scanout,
		.resource_id = resource,
	};

	return do_simple(&command, sizeof(command));
}

static uint32_t
transfer(uint32_t resource, uint32_t x, uint32_t width)
{
	struct virtio_gpu_transfer_to_host_2d command = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = { x, 0, width, SIDE },
		.resource_id = resource,
	};

	return do_simple(&command, sizeof(command));
}

static uint32_t
flush(uint32_t resource)
{
	struct virtio_gpu_resource_flush command = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		.r = { 0, 0, SIDE, SIDE },
		.resource_id = resource,
	};

	return do_simple(&command, sizeof(command));
}

static bool
works_still(struct bare_virtio *device)
{
	struct virtio_gpu_ctrl_hdr command = { .type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO };

	(void)device;
	return do_command(&command, sizeof(command), &display_info, sizeof(display_info)) ==
	       VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
}

static bool
works(struct bare_virtio *device)
{
	return bare_virtio_start(device, 0, 2) && works_still(device);
}

static void
draw(uint32_t scanout, uint32_t resource, uint32_t *target, uint32_t seed)
{
	for (uint32_t i = 0; i < SIDE * SIDE; i++)
		target[i] = seed * 1000 + i;
	bare_check_equal(create(resource, SIDE, SIDE), VIRTIO_GPU_RESP_OK_NODATA, "a resource");
	bare_check_equal(attach(resource, (uintptr_t)target, sizeof(pixels), 1),
			 VIRTIO_GPU_RESP_OK_NODATA, "its memory");
	bare_check_equal(set_scanout(scanout, resource, 0, SIDE), VIRTIO_GPU_RESP_OK_NODATA,
			 "is shown");
	bare_check_equal(transfer(resource, 0, SIDE), VIRTIO_GPU_RESP_OK_NODATA, "is transferred");
	bare_check_equal(flush(resource), VIRTIO_GPU_RESP_OK_NODATA, "is flushed");
}

/* The client puts up a second monitor: the card's configuration interrupts, and says so. */
static void
draw_second(uint32_t seed)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST);
	const struct virtio_gpu_display_one *second = &display_info.pmodes[1];

	bare_check_equal(second->enabled, 0, "there is no second monitor yet");
	bare_say("note: one monitor");
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) > interrupts),
		   "the card's configuration interrupts");
	bare_check(bare_virtio_get_config(&gpu, 0, 4) & VIRTIO_GPU_EVENT_DISPLAY,
		   "monitors have changed");
	works_still(&gpu);
	bare_check_equal(second->enabled, 1, "there is a second monitor");
	bare_say("note: second monitor %ux%u at %u", (uint64_t)second->r.width,
		 (uint64_t)second->r.height, (uint64_t)second->r.x);
	draw(1, SECOND_RESOURCE, second_pixels, seed);
}

/* A list that is large, and short once its pieces are put together where they touch. */
static void
test_many_pieces(void)
{
	static struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entries[MANY_PIECES];
	} command = {
		.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
		.head.resource_id = PIECES_RESOURCE,
		.head.nr_entries = MANY_PIECES,
	};

	for (uint32_t i = 0; i < MANY_PIECES; i++) {
		command.entries[i].addr = (uintptr_t)pixels + i % sizeof(pixels);
		command.entries[i].length = 1;
	}
	bare_check_equal(create(PIECES_RESOURCE, 2 * SIDE, SIDE), VIRTIO_GPU_RESP_OK_NODATA,
			 "a larger resource");
	bare_check_equal(do_simple(&command, sizeof(command)), VIRTIO_GPU_RESP_OK_NODATA,
			 "its memory in many pieces");
}

static void
test_refusals(void)
{
	struct virtio_gpu_ctrl_hdr nonsense = { .type = 0x7777 };

	bare_check(do_simple(&nonsense, sizeof(nonsense)) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "a command of no known type is refused");
	bare_check(create(2, UINT32_MAX, UINT32_MAX) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "a resource too large is refused");
	bare_check(create(0, SIDE, SIDE) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "a resource without a number is refused");
	bare_check(create(3, SIDE, SIDE) == VIRTIO_GPU_RESP_OK_NODATA, "a second resource");
	bare_check(create(3, SIDE, SIDE) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "the same again is refused");
	bare_check(attach(3, NO_RAM, sizeof(pixels), 1) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "memory that is no RAM is refused");
	bare_check(attach(3, (uintptr_t)pixels, sizeof(pixels), UINT32_MAX) >=
			   VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "more memory entries than were sent are refused");
	bare_check(set_scanout(0, 99, 0, SIDE) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "showing a resource that does not exist is refused");
	bare_check(set_scanout(N_SCANOUTS, 3, 0, SIDE) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "a scanout that does not exist is refused");
	bare_check(set_scanout(1, 3, UINT32_MAX, SIDE) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "showing what lies outside of it is refused");
	bare_check(transfer(3, UINT32_MAX - SIDE + 1, SIDE) >= VIRTIO_GPU_RESP_ERR_UNSPEC,
		   "a transfer outside of it is refused");
}

static void
read_key(void)
{
	static struct virtio_input_event events[N_EVENTS];
	uint16_t type = UINT16_MAX;

	for (uint16_t i = 0; i < N_EVENTS; i++) {
		const struct bare_buffer buffer = { &events[i], sizeof(events[i]), true };

		bare_virtio_offer(&keyboard, 0, i, &buffer, 1);
	}
	bare_say("note: drawn");
	for (uint16_t i = 0; i < N_EVENTS && type != EVENT_SYNC; i++) {
		if (!bare_check_equal(bare_virtio_wait(&keyboard, 0), sizeof(events[i]),
				      "an event"))
			return;
		type = events[i].type;
		bare_say("note: event %u %u %u", (uint64_t)type, (uint64_t)events[i].code,
			 (uint64_t)events[i].value);
	}
}

void
guest_main(void)
{
	uint32_t seed = bare_command_line_number();

	bare_irq_set_up();
	if (!bare_virtio_open(&gpu, GPU_SLOT) || !works(&gpu))
		return;
	bare_say("note: monitor %ux%u", (uint64_t)display_info.pmodes[0].r.width,
		 (uint64_t)display_info.pmodes[0].r.height);
	if (bare_command_line_has("hostile")) {
		test_refusals();
		bare_hostile_negotiate(&gpu, works);
		bare_hostile_write_late(&gpu, 0, works, works_still);
		bare_hostile_break_queue(&gpu, 0, works);
	}
	test_many_pieces();
	draw(0, RESOURCE, pixels, seed);
	if (!bare_command_line_has("alone"))
		draw_second(seed + 1);
	if (bare_virtio_open(&keyboard, KEYBOARD_SLOT) && bare_virtio_start(&keyboard, 0, 2))
		read_key();
	bare_check(works(&gpu), "the card works after a reset");
}
