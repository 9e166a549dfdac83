/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpu_command.h - the commands of a virtio-gpu without 3D (virtio 1.2 section 5.7.6)
 */
#ifndef VMM_GPU_COMMAND_H
#define VMM_GPU_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/damage.h"
#include "base/proto_source.h"
#include "vmm/gpu_resource.h"

struct seat_link;
struct virtqueue_chain;

struct gpu_scanout_state {
	uint32_t wanted_width; /* what the monitor says that it is; 0: not plugged in */
	uint32_t wanted_height;
	uint32_t resource_id;	 /* 0: nothing is shown */
	struct damage_rect rect; /* of the resource */
	uint32_t cursor_id;	 /* the resource that the cursor was read from; 0: hidden */
	uint32_t cursor_hot_x;
	uint32_t cursor_hot_y;
	int32_t cursor_x;
	int32_t cursor_y;
};

struct gpu_state {
	uint32_t n_scanouts;
	uint32_t events_read; /* VIRTIO_GPU_EVENT_* */
	struct gpu_scanout_state scanouts[SOURCE_MAX_SCANOUTS];
};

struct gpu {
	struct gpu_state state;
	struct gpu_resource_table table;
	const struct guest_memory *memory;
	struct seat_link *link;
};

/*
 * Carries out one chain of the control queue or of the cursor queue and writes the answer into it.
 * 0 and the bytes written; -EBADMSG for one without a whole header, -ENOSPC for one without room
 * for its answer.
 */
int gpu_command_control(struct gpu *gpu, const struct virtqueue_chain *chain,
			uint32_t *ret_written);
int gpu_command_cursor(struct gpu *gpu, const struct virtqueue_chain *chain, uint32_t *ret_written);

/* All that the driver has made is gone. */
void gpu_command_reset(struct gpu *gpu);
/* Tells the link all that is shown, as if the driver had set it now. */
void gpu_command_show(struct gpu *gpu);
/* Can a cursor be there? */
bool gpu_command_is_place(int32_t x, int32_t y);

#endif
