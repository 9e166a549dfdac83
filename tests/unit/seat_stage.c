/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat_stage.c - a machine without KVM that has a seat, the guest's drivers for it, and somebody who watches
 */
#include "tests/unit/seat_stage.h"

#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/seat.h"
#include "vmm/slots.h"

#define PAGE_BYTES    4096
#define PIXELS_A_PAGE (PAGE_BYTES / 4)
#define MAX_PAGES     4096
#define CONTROL_QUEUE 0
#define QUIET_ROUNDS  3

static void
seat_stage_insist(bool well)
{
	if (!well)
		abort();
}

struct seat_stage *
seat_stage_new(void)
{
	struct seat_stage *stage = calloc(1, sizeof(*stage));
	struct seat_setup setup = {
		.uid = getuid(), .n_scanouts = 2, .width = 1024, .height = 768
	};

	seat_stage_insist(stage &&
			  fake_platform_new(2 * FAKE_PLATFORM_RAM_BYTES, &stage->fake) == 0);
	stage->listen_fd = display_peer_listen();
	seat_stage_insist(stage->listen_fd >= 0);
	setup.listen_fd = stage->listen_fd;
	seat_stage_insist(pci_root_new(&stage->fake->platform, &stage->root) == 0);
	seat_stage_insist(seat_new(&stage->fake->platform, &setup, &stage->seat) == 0);
	seat_stage_insist(seat_plug_in(stage->seat, stage->root) == 0);
	pci_root_reset(stage->root);
	seat_stage_insist(virtio_driver_open(&stage->gpu, stage->fake, SLOT_GPU) == 0);
	seat_stage_insist(virtio_driver_open(&stage->keyboard, stage->fake, SLOT_KEYBOARD) == 0);
	seat_stage_insist(virtio_driver_open(&stage->tablet, stage->fake, SLOT_TABLET) == 0);
	seat_stage_insist(virtio_driver_start(&stage->gpu, VIRTIO_DRIVER_ALL_FEATURES) == 0);
	return stage;
}

void
seat_stage_free(struct seat_stage *stage)
{
	virtio_driver_close(&stage->gpu);
	virtio_driver_close(&stage->keyboard);
	virtio_driver_close(&stage->tablet);
	pci_root_free(stage->root);
	seat_free(stage->seat);
	display_peer_close(stage->peer);
	close(stage->listen_fd);
	fake_platform_free(stage->fake);
	free(stage);
}

void
seat_stage_settle(struct seat_stage *stage)
{
	for (int quiet = 0; quiet < QUIET_ROUNDS; quiet++) {
		fake_platform_settle(stage->fake);
		if (stage->peer && display_peer_read(stage->peer) > 0)
			quiet = 0;
	}
}

void
seat_stage_watch(struct seat_stage *stage, bool answers)
{
	seat_stage_unwatch(stage);
	seat_stage_insist(display_peer_open(stage->listen_fd, answers, &stage->peer) == 0);
	seat_stage_settle(stage);
}

void
seat_stage_unwatch(struct seat_stage *stage)
{
	display_peer_close(stage->peer);
	stage->peer = NULL;
	seat_stage_settle(stage);
}

uint32_t
seat_stage_command(struct seat_stage *stage, const void *command, size_t bytes)
{
	struct virtio_gpu_resp_edid answer = { 0 }; /* the largest */
	int written = virtio_driver_transfer(&stage->gpu, CONTROL_QUEUE, command, bytes, &answer,
					     sizeof(answer));

	return written >= (int)sizeof(answer.hdr) ? answer.hdr.type : 0;
}

uint32_t
seat_stage_create(struct seat_stage *stage, uint32_t id, uint32_t format, uint32_t width,
		  uint32_t height)
{
	const struct virtio_gpu_resource_create_2d command = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = id,
		.format = format,
		.width = width,
		.height = height,
	};

	return seat_stage_command(stage, &command, sizeof(command));
}

uint32_t
seat_stage_attach(struct seat_stage *stage, uint32_t id, uint32_t n_pages, uint64_t *ret_gpas)
{
	struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entries[MAX_PAGES];
	} *command = calloc(1, sizeof(*command));
	uint64_t gpa =
		fake_platform_alloc(stage->fake, 2 * (uint64_t)n_pages * PAGE_BYTES, PAGE_BYTES);
	uint32_t type;

	seat_stage_insist(command && gpa != 0 && n_pages <= MAX_PAGES);
	command->head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
	command->head.resource_id = id;
	command->head.nr_entries = n_pages;
	for (uint32_t i = 0; i < n_pages; i++) {
		/* Some of them backwards, some side by side, most with a gap. */
		uint32_t place = i % 8 == 7 ? 2 * i - 1 : 2 * (n_pages - 1 - i);

		ret_gpas[i] = gpa + (uint64_t)place * PAGE_BYTES;
		command->entries[i].addr = ret_gpas[i];
		command->entries[i].length = PAGE_BYTES;
	}
	type = seat_stage_command(stage, command,
				  sizeof(command->head) + n_pages * sizeof(command->entries[0]));
	free(command);
	return type;
}

uint32_t
seat_stage_set_scanout(struct seat_stage *stage, uint32_t scanout, uint32_t id, uint32_t x,
		       uint32_t y, uint32_t width, uint32_t height)
{
	const struct virtio_gpu_set_scanout command = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
		.r = { x, y, width, height },
		.scanout_id = scanout,
		.resource_id = id,
	};

	return seat_stage_command(stage, &command, sizeof(command));
}

uint32_t
seat_stage_transfer(struct seat_stage *stage, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		    uint32_t height, uint64_t offset)
{
	const struct virtio_gpu_transfer_to_host_2d command = {
		.hdr.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
		.r = { x, y, width, height },
		.offset = offset,
		.resource_id = id,
	};

	return seat_stage_command(stage, &command, sizeof(command));
}

uint32_t
seat_stage_flush(struct seat_stage *stage, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		 uint32_t height)
{
	const struct virtio_gpu_resource_flush command = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
		.r = { x, y, width, height },
		.resource_id = id,
	};

	return seat_stage_command(stage, &command, sizeof(command));
}

uint32_t
seat_stage_unref(struct seat_stage *stage, uint32_t id)
{
	const struct virtio_gpu_resource_unref command = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
		.resource_id = id,
	};

	return seat_stage_command(stage, &command, sizeof(command));
}

void
seat_stage_set_pixel(struct seat_stage *stage, const uint64_t *gpas, size_t index, uint32_t pixel)
{
	uint64_t gpa = gpas[index / PIXELS_A_PAGE] + index % PIXELS_A_PAGE * 4;

	memcpy(fake_platform_map(stage->fake, gpa, 4), &pixel, 4);
}
