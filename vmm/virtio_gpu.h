/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_gpu.h - a graphics card without 3D (virtio 1.2 section 5.7)
 */
#ifndef VMM_VIRTIO_GPU_H
#define VMM_VIRTIO_GPU_H

#include <stdint.h>

struct damage_rect;
struct seat_link;
struct platform;
struct virtio_device;
struct vmm_picture;

struct virtio_gpu_setup {
	struct seat_link *link; /* outlives it */
	uint32_t n_scanouts;	/* as the link's; only the first has a monitor at first */
	uint32_t width;
	uint32_t height;
};

int virtio_gpu_new(struct platform *platform, const struct virtio_gpu_setup *setup,
		   struct virtio_device **ret_device);

/* As in struct seat_link_ops. */
void virtio_gpu_draw(struct virtio_device *device, uint32_t scanout, const struct damage_rect *rect,
		     uint8_t *target, uint32_t stride);
void virtio_gpu_set_size(struct virtio_device *device, uint32_t scanout, uint32_t width,
			 uint32_t height);

/*
 * What the first scanout shows, into the file (made as long as needed). 0, -ENODATA when it shows
 * nothing, -errno.
 */
int virtio_gpu_screenshot(struct virtio_device *device, int fd, struct vmm_picture *ret_picture);

#endif
