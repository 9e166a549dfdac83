/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_input.h - a keyboard, and a tablet with five buttons and a wheel (virtio 1.2 section 5.8)
 */
#ifndef VMM_VIRTIO_INPUT_H
#define VMM_VIRTIO_INPUT_H

#include <stdbool.h>
#include <stdint.h>

struct seat_link;
struct platform;
struct virtio_device;

enum virtio_input_kind {
	VIRTIO_INPUT_KEYBOARD,
	VIRTIO_INPUT_TABLET,
	VIRTIO_INPUT_COUNT,
};

/* "link" is told the keyboard's lights, and outlives the device. */
int virtio_input_new(struct platform *platform, enum virtio_input_kind kind, struct seat_link *link,
		     struct virtio_device **ret_device);

/* As in struct seat_link_ops: the first of a keyboard, the next two of a tablet. */
void virtio_input_send_key(struct virtio_device *device, uint32_t qnum, bool down);
void virtio_input_send_pointer(struct virtio_device *device, uint32_t x, uint32_t y,
			       uint32_t buttons);
void virtio_input_turn_wheel(struct virtio_device *device, int32_t steps);
void virtio_input_release_all(struct virtio_device *device);

#endif
