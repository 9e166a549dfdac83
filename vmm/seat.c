/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat.c - graphics card, keyboard and tablet, and the link to the display, sound included (carrel-vmm)
 */
#include "vmm/seat.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "vmm/seat_link.h"
#include "vmm/platform.h"
#include "vmm/slots.h"
#include "vmm/sound_sink.h"
#include "vmm/virtio.h"
#include "vmm/virtio_gpu.h"
#include "vmm/virtio_input.h"

#define DEVICE_ADDRESS "pci/0000/01.0" /* SLOT_GPU, as the guest's agent names it */

enum seat_device {
	SEAT_GPU,
	SEAT_KEYBOARD,
	SEAT_TABLET,
	SEAT_COUNT,
};

struct seat {
	struct seat_link *link;
	struct sound_sink sound;
	struct virtio_device *devices[SEAT_COUNT];
	size_t n_plugged; /* of these, from the first on, the PCI root has and frees */
};

struct seat_place {
	uint32_t slot;
	uint32_t class_code;
};

static const struct seat_place place_table[] = {
	[SEAT_GPU] = { SLOT_GPU, 0x038000 },	       /* a display controller that is no VGA */
	[SEAT_KEYBOARD] = { SLOT_KEYBOARD, 0x090000 }, /* a keyboard */
	[SEAT_TABLET] = { SLOT_TABLET, 0x090200 },     /* a mouse */
};

static_assert(sizeof(place_table) / sizeof(place_table[0]) == SEAT_COUNT, "a place a device");

static void
seat_draw(void *context, uint32_t scanout, const struct damage_rect *rect, uint8_t *target,
	  uint32_t stride)
{
	virtio_gpu_draw(((struct seat *)context)->devices[SEAT_GPU], scanout, rect, target, stride);
}

static void
seat_set_size(void *context, uint32_t scanout, uint32_t width, uint32_t height)
{
	virtio_gpu_set_size(((struct seat *)context)->devices[SEAT_GPU], scanout, width, height);
}

static void
seat_send_key(void *context, uint32_t qnum, bool down)
{
	virtio_input_send_key(((struct seat *)context)->devices[SEAT_KEYBOARD], qnum, down);
}

static void
seat_send_pointer(void *context, uint32_t x, uint32_t y, uint32_t buttons)
{
	virtio_input_send_pointer(((struct seat *)context)->devices[SEAT_TABLET], x, y, buttons);
}

static void
seat_turn_wheel(void *context, int32_t steps)
{
	virtio_input_turn_wheel(((struct seat *)context)->devices[SEAT_TABLET], steps);
}

static void
seat_release_all(void *context)
{
	struct seat *seat = context;

	virtio_input_release_all(seat->devices[SEAT_KEYBOARD]);
	virtio_input_release_all(seat->devices[SEAT_TABLET]);
}

static const struct seat_link_ops seat_ops = {
	.draw = seat_draw,
	.set_size = seat_set_size,
	.send_key = seat_send_key,
	.send_pointer = seat_send_pointer,
	.turn_wheel = seat_turn_wheel,
	.release_all = seat_release_all,
};

static void
seat_change_sound(void *context, enum sound_direction direction, bool moves)
{
	seat_link_change_sound(context, direction, moves);
}

static void
seat_play(void *context, const int16_t *samples, uint32_t n_frames)
{
	seat_link_play(context, samples, n_frames);
}

static uint32_t
seat_record(void *context, int16_t *samples, uint32_t n_frames)
{
	return seat_link_record(context, samples, n_frames);
}

int
seat_new(struct platform *platform, const struct seat_setup *setup, struct seat **ret_seat)
{
	struct seat *seat = calloc(1, sizeof(*seat));
	struct virtio_gpu_setup gpu = { NULL, setup->n_scanouts, setup->width, setup->height };
	const struct seat_link_setup link = {
		.listen_fd = setup->listen_fd,
		.uid = setup->uid,
		.n_scanouts = setup->n_scanouts,
		.device_address = DEVICE_ADDRESS,
		.ops = &seat_ops,
		.context = seat,
	};
	int error;

	if (!seat)
		return -ENOMEM;
	error = seat_link_new(platform->loop, &link, &seat->link);
	gpu.link = seat->link;
	seat->sound = (struct sound_sink){ seat_change_sound, seat_play, seat_record, seat->link };
	if (error == 0)
		error = virtio_gpu_new(platform, &gpu, &seat->devices[SEAT_GPU]);
	if (error == 0)
		error = virtio_input_new(platform, VIRTIO_INPUT_KEYBOARD, seat->link,
					 &seat->devices[SEAT_KEYBOARD]);
	if (error == 0)
		error = virtio_input_new(platform, VIRTIO_INPUT_TABLET, seat->link,
					 &seat->devices[SEAT_TABLET]);
	if (error < 0) {
		seat_free(seat);
		return error;
	}
	*ret_seat = seat;
	return 0;
}

int
seat_plug_in(struct seat *seat, struct pci_root *root)
{
	while (seat->n_plugged < SEAT_COUNT) {
		const struct seat_place *place = &place_table[seat->n_plugged];
		int error = virtio_pci_new(root, place->slot, place->class_code,
					   seat->devices[seat->n_plugged]);

		if (error < 0)
			return error;
		seat->n_plugged++;
	}
	return 0;
}

void
seat_free(struct seat *seat)
{
	if (!seat)
		return;
	for (size_t i = seat->n_plugged; i < SEAT_COUNT; i++)
		if (seat->devices[i])
			seat->devices[i]->ops->free(seat->devices[i]);
	seat_link_free(seat->link);
	free(seat);
}

const struct sound_sink *
seat_get_sound(const struct seat *seat)
{
	return &seat->sound;
}

int
seat_screenshot(struct seat *seat, int fd, struct vmm_picture *ret_picture)
{
	return virtio_gpu_screenshot(seat->devices[SEAT_GPU], fd, ret_picture);
}
