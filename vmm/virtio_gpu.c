/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_gpu.c - a graphics card without 3D (carrel-vmm, under the machine's lock)
 *
 * gpu_command.c has the commands, gpu_resource.c the pictures; here are the queues, the
 * configuration and what the machine wants of the card.
 */
#include "vmm/virtio_gpu.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "base/proto_vmm.h"
#include "vmm/gpu_command.h"
#include "vmm/gpu_state.h"
#include "vmm/picture_file.h"
#include "vmm/platform.h"
#include "vmm/virtio.h"

#define CONTROL_QUEUE	   0
#define CURSOR_QUEUE	   1
#define CONTROL_QUEUE_SIZE 256
#define CURSOR_QUEUE_SIZE  16
#define MAX_CHAINS_A_KICK  64

struct virtio_gpu {
	struct virtio_device device;
	struct gpu gpu;
};

static int
virtio_gpu_activate(struct virtio_device *device)
{
	(void)device;
	return 0;
}

static void
virtio_gpu_reset(struct virtio_device *device)
{
	gpu_command_reset(&((struct virtio_gpu *)device)->gpu);
}

static const char *
virtio_gpu_explain(int error)
{
	return error == -EBADMSG ? "a command without a whole header"
				 : "a command without room for its answer";
}

static void
virtio_gpu_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct gpu *gpu = &((struct virtio_gpu *)device)->gpu;
	struct virtqueue_chain chain;
	int handled = 0;

	while (handled < MAX_CHAINS_A_KICK && virtio_pop(device, queue, &chain)) {
		uint32_t written;
		int error = queue == CONTROL_QUEUE ? gpu_command_control(gpu, &chain, &written)
						   : gpu_command_cursor(gpu, &chain, &written);

		if (error < 0) {
			virtio_fail(device, virtio_gpu_explain(error));
			return;
		}
		virtqueue_push(&device->queues[queue], chain.head, written);
		handled++;
	}
	if (handled > 0)
		virtio_signal_queue(device, queue);
	if (handled == MAX_CHAINS_A_KICK)
		virtio_kick_again(device, queue);
}

static void
virtio_gpu_read_config(struct virtio_device *device, uint32_t offset, void *target, uint32_t bytes)
{
	const struct gpu_state *state = &((struct virtio_gpu *)device)->gpu.state;
	const struct virtio_gpu_config config = {
		.events_read = state->events_read,
		.num_scanouts = state->n_scanouts,
	};

	memcpy(target, (const uint8_t *)&config + offset, bytes);
}

/* Only events_clear can be written, as a whole. */
static void
virtio_gpu_write_config(struct virtio_device *device, uint32_t offset, const void *source,
			uint32_t bytes)
{
	struct gpu_state *state = &((struct virtio_gpu *)device)->gpu.state;
	uint32_t events;

	if (offset != offsetof(struct virtio_gpu_config, events_clear) || bytes != sizeof(events))
		return;
	memcpy(&events, source, sizeof(events));
	state->events_read &= ~events;
}

static void
virtio_gpu_free(struct virtio_device *device)
{
	gpu_resource_clear(&((struct virtio_gpu *)device)->gpu.table);
	free(device);
}

static void
virtio_gpu_save(struct virtio_device *device, struct state_writer *writer)
{
	gpu_state_save(&((struct virtio_gpu *)device)->gpu, writer);
}

static int
virtio_gpu_load(struct virtio_device *device, struct state_reader *reader)
{
	return gpu_state_load(&((struct virtio_gpu *)device)->gpu, reader);
}

static const struct virtio_ops virtio_gpu_ops = {
	.name = "virtio-gpu",
	.type = VIRTIO_ID_GPU,
	.activate = virtio_gpu_activate,
	.reset = virtio_gpu_reset,
	.handle_queue = virtio_gpu_handle_queue,
	.read_config = virtio_gpu_read_config,
	.write_config = virtio_gpu_write_config,
	.free = virtio_gpu_free,
	.state_version = GPU_STATE_VERSION,
	.save = virtio_gpu_save,
	.load = virtio_gpu_load,
};

int
virtio_gpu_new(struct platform *platform, const struct virtio_gpu_setup *setup,
	       struct virtio_device **ret_device)
{
	struct virtio_gpu *self;

	if (setup->n_scanouts < 1 || setup->n_scanouts > SOURCE_MAX_SCANOUTS)
		return -EINVAL;
	self = calloc(1, sizeof(*self));
	if (!self)
		return -ENOMEM;
	self->device.ops = &virtio_gpu_ops;
	self->device.platform = platform;
	self->device.device_features = UINT64_C(1) << VIRTIO_GPU_F_EDID;
	self->device.config_bytes = sizeof(struct virtio_gpu_config);
	self->device.n_queues = 2;
	self->device.queue_sizes[CONTROL_QUEUE] = CONTROL_QUEUE_SIZE;
	self->device.queue_sizes[CURSOR_QUEUE] = CURSOR_QUEUE_SIZE;
	self->gpu.memory = platform->memory;
	self->gpu.link = setup->link;
	self->gpu.state.n_scanouts = setup->n_scanouts;
	self->gpu.state.scanouts[0].wanted_width = setup->width;
	self->gpu.state.scanouts[0].wanted_height = setup->height;
	*ret_device = &self->device;
	return 0;
}

void
virtio_gpu_draw(struct virtio_device *device, uint32_t i, const struct damage_rect *rect,
		uint8_t *target, uint32_t stride)
{
	struct gpu *gpu = &((struct virtio_gpu *)device)->gpu;
	const struct gpu_scanout_state *scanout = &gpu->state.scanouts[i];
	const struct gpu_resource *resource = gpu_resource_find(&gpu->table, scanout->resource_id);
	struct damage_rect part = *rect;

	if (!resource)
		return;
	part.x += scanout->rect.x;
	part.y += scanout->rect.y;
	gpu_resource_copy(resource, gpu->memory, &part,
			  target + (size_t)rect->y * stride + (size_t)rect->x * PICTURE_PIXEL_BYTES,
			  stride);
}

void
virtio_gpu_set_size(struct virtio_device *device, uint32_t i, uint32_t width, uint32_t height)
{
	struct gpu_state *state = &((struct virtio_gpu *)device)->gpu.state;
	struct gpu_scanout_state *scanout = &state->scanouts[i];

	if (width == scanout->wanted_width && height == scanout->wanted_height)
		return;
	scanout->wanted_width = width;
	scanout->wanted_height = height;
	state->events_read |= VIRTIO_GPU_EVENT_DISPLAY;
	if (device->active)
		virtio_signal_config(device);
}

int
virtio_gpu_screenshot(struct virtio_device *device, int fd, struct vmm_picture *ret_picture)
{
	const struct gpu_scanout_state *scanout =
		&((struct virtio_gpu *)device)->gpu.state.scanouts[0];
	struct damage_rect all = { 0, 0, scanout->rect.width, scanout->rect.height };
	struct picture_file file;
	int error;

	if (scanout->resource_id == 0)
		return -ENODATA;
	error = picture_file_map(fd, all.width, all.height, &file);
	if (error < 0)
		return error;
	virtio_gpu_draw(device, 0, &all, file.pixels, file.stride);
	*ret_picture = (struct vmm_picture){ all.width, all.height, file.stride };
	picture_file_close(&file);
	return 0;
}
