/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_blk.c - a disk under any driver: requests, configuration, resets, a medium that comes and goes, a full host
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/fake_platform.h"
#include "vmm/virtio_blk.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"

#define BASE_BYTES (5 * 65536 + 512)
#define ROOM	   (8 * 65536)
#define LITTLE	   (2 * 65536)

struct stage {
	struct virtio_device *device;
	int base_fd;
	int overlay_fd;
	int filler; /* -1: the host is never full, for others than root */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
handle_space(void *context, bool lacks)
{
	(void)context;
	(void)lacks;
}

static void
fill_host(struct stage *stage, bool full)
{
	if (stage->filler < 0)
		return;
	if (ftruncate(stage->filler, 0) < 0)
		abort();
	/* what does not fit any more is full as well */
	if (full && fallocate(stage->filler, 0, 0, ROOM - LITTLE) < 0)
		return;
}

/* Each input finds the same disk. */
static void
start_over(struct stage *stage)
{
	fill_host(stage, false);
	virtio_blk_detach(stage->device);
	if (ftruncate(stage->overlay_fd, 0) < 0 ||
	    virtio_blk_attach(stage->device, stage->base_fd, stage->overlay_fd) < 0)
		abort();
}

static void
act(void *context, struct fuzz_input *input)
{
	struct stage *stage = context;

	switch (fuzz_input_take(input, 1) % 8) {
	case 0:
		virtio_blk_detach(stage->device);
		break;
	case 1:
		virtio_blk_attach(stage->device, stage->base_fd, stage->overlay_fd);
		break;
	case 2:
		virtio_blk_attach(stage->device, stage->base_fd, -1);
		break;
	case 3:
		virtio_blk_drain(stage->device);
		break;
	case 4:
		virtio_blk_sync(stage->device);
		break;
	case 5:
		fill_host(stage, true);
		break;
	case 6:
		fill_host(stage, false);
		break;
	default:
		virtio_blk_retry(stage->device);
		break;
	}
}

static void
plug(struct stage *stage, struct virtio_fuzzer *fuzzer)
{
	struct virtio_blk_options options = {
		.name = "fuzz",
		.serial = "fuzz",
		.base_fd = -1,
		.overlay_fd = -1,
		.n_queues = 2,
		.lacks_space = handle_space,
	};
	int base = disk_stage_make_file(BASE_BYTES, 1);

	stage->filler = -1;
	stage->base_fd = disk_stage_reopen_read_only(base);
	if (disk_stage_make_tight(ROOM, ROOM, &stage->overlay_fd, &stage->filler) < 0)
		stage->overlay_fd = disk_stage_make_file(0, 0);
	virtio_fuzzer_init(fuzzer);
	if (stage->base_fd < 0 || stage->overlay_fd < 0 ||
	    virtio_blk_new(&fuzzer->fake->platform, &options, &stage->device) < 0 ||
	    virtio_pci_new(fuzzer->root, SLOT_DISK, VIRTIO_BLK_CLASS_CODE, stage->device) < 0)
		abort();
	virtio_fuzzer_ready(fuzzer, SLOT_DISK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_fuzzer fuzzer;
	static struct stage stage;

	if (!fuzzer.root)
		plug(&stage, &fuzzer);
	start_over(&stage);
	virtio_fuzzer_run(&fuzzer, data, size, act, &stage);
	return 0;
}
