/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpu_state.c - what the card's driver has made, in a machine's state (carrel-vmm, while the
 * machine is paused)
 *
 * How it works: resources are made again by the functions that the driver's commands go through, so
 * the same limits hold. Pictures are in guest memory, and so is the cursor's shape, which is read
 * again from its resource; one whose resource is gone is hidden until the guest sets another. At
 * the end the link is told all that is shown, for a display that connects to see it.
 */
#include "vmm/gpu_state.h"

#include <linux/virtio_gpu.h>

#include "vmm/gpu_command.h"
#include "vmm/state_file.h"

#define EVENT_BITS VIRTIO_GPU_EVENT_DISPLAY

static void
gpu_state_save_scanout(const struct gpu_scanout_state *scanout, struct state_writer *writer)
{
	state_put_u32(writer, scanout->wanted_width);
	state_put_u32(writer, scanout->wanted_height);
	state_put_u32(writer, scanout->resource_id);
	state_put_u32(writer, scanout->rect.x);
	state_put_u32(writer, scanout->rect.y);
	state_put_u32(writer, scanout->rect.width);
	state_put_u32(writer, scanout->rect.height);
	state_put_u32(writer, scanout->cursor_id);
	state_put_u32(writer, scanout->cursor_hot_x);
	state_put_u32(writer, scanout->cursor_hot_y);
	state_put_u32(writer, (uint32_t)scanout->cursor_x);
	state_put_u32(writer, (uint32_t)scanout->cursor_y);
}

void
gpu_state_save(const struct gpu *gpu, struct state_writer *writer)
{
	uint32_t n_resources = 0;

	state_put_u32(writer, gpu->state.events_read);
	for (size_t i = 0; i < GPU_MAX_RESOURCES; i++)
		n_resources += gpu->table.resources[i].state.id != 0;
	state_put_u32(writer, n_resources);
	for (size_t i = 0; i < GPU_MAX_RESOURCES; i++)
		if (gpu->table.resources[i].state.id != 0)
			gpu_resource_save(&gpu->table.resources[i], writer);
	state_put_u32(writer, gpu->state.n_scanouts);
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++)
		gpu_state_save_scanout(&gpu->state.scanouts[i], writer);
}

static void
gpu_state_check_scanout(struct gpu *gpu, const struct gpu_scanout_state *scanout,
			struct state_reader *reader)
{
	const struct gpu_resource *resource = gpu_resource_find(&gpu->table, scanout->resource_id);

	state_reader_want(reader,
			  scanout->wanted_width <= SOURCE_MAX_WIDTH &&
				  scanout->wanted_height <= SOURCE_MAX_HEIGHT &&
				  (scanout->wanted_width == 0) == (scanout->wanted_height == 0),
			  "a monitor of a size that there is not");
	if (scanout->resource_id != 0)
		state_reader_want(reader,
				  resource &&
					  damage_rect_fits(&scanout->rect, resource->state.width,
							   resource->state.height),
				  "a monitor shows what there is not");
	else
		state_reader_want(reader, scanout->rect.width == 0 && scanout->rect.height == 0,
				  "a monitor shows a part of nothing");
	state_reader_want(reader, gpu_command_is_place(scanout->cursor_x, scanout->cursor_y),
			  "a cursor too far away");
}

static void
gpu_state_load_scanout(struct gpu *gpu, uint32_t i, struct state_reader *reader)
{
	struct gpu_scanout_state *scanout = &gpu->state.scanouts[i];

	scanout->wanted_width = state_take_u32(reader);
	scanout->wanted_height = state_take_u32(reader);
	scanout->resource_id = state_take_u32(reader);
	scanout->rect.x = state_take_u32(reader);
	scanout->rect.y = state_take_u32(reader);
	scanout->rect.width = state_take_u32(reader);
	scanout->rect.height = state_take_u32(reader);
	scanout->cursor_id = state_take_u32(reader);
	scanout->cursor_hot_x = state_take_u32(reader);
	scanout->cursor_hot_y = state_take_u32(reader);
	scanout->cursor_x = (int32_t)state_take_u32(reader);
	scanout->cursor_y = (int32_t)state_take_u32(reader);
	gpu_state_check_scanout(gpu, scanout, reader);
}

int
gpu_state_load(struct gpu *gpu, struct state_reader *reader)
{
	uint32_t n_resources;

	gpu->state.events_read = state_take_u32(reader);
	state_reader_want(reader, (gpu->state.events_read & ~EVENT_BITS) == 0,
			  "an event that there is not");
	n_resources = state_take_count(reader, GPU_MAX_RESOURCES);
	for (uint32_t i = 0; i < n_resources && state_reader_check(reader) == 0; i++)
		gpu_resource_load(&gpu->table, gpu->memory, reader);
	state_reader_want(reader, state_take_u32(reader) == gpu->state.n_scanouts,
			  "another number of monitors");
	for (uint32_t i = 0; i < gpu->state.n_scanouts; i++)
		gpu_state_load_scanout(gpu, i, reader);
	if (state_reader_check(reader) < 0) {
		gpu_command_reset(gpu);
		return state_reader_check(reader);
	}
	gpu_command_show(gpu);
	return 0;
}
