/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * blk_stage.c - a machine without KVM that has one disk, and the guest's driver for it (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include "base/cleanup.h"
#include "tests/unit/blk_stage.h"
#include "tests/unit/disk_stage.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_blk.h"

static void
blk_stage_handle_space(void *context, bool lacks)
{
	struct blk_stage *stage = context;

	stage->lacks_space = lacks;
	stage->n_lacks += lacks;
}

void
blk_stage_plug(struct blk_stage *stage, int base_fd, int overlay_fd)
{
	struct virtio_blk_options options = {
		.name = "test",
		.serial = "carrel-disk-1",
		.base_fd = base_fd,
		.overlay_fd = overlay_fd,
		.n_queues = 2,
		.lacks_space = blk_stage_handle_space,
		.context = stage,
	};

	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(virtio_blk_new(&stage->fake->platform, &options, &stage->device), 0);
	assert_int_equal(
		virtio_pci_new(stage->root, SLOT_DISK, VIRTIO_BLK_CLASS_CODE, stage->device), 0);
	pci_root_reset(stage->root);
	assert_int_equal(virtio_driver_open(&stage->driver, stage->fake, SLOT_DISK), 0);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
}

void
blk_stage_unplug(struct blk_stage *stage)
{
	if (!stage->root)
		return;
	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	stage->root = NULL;
}

int
blk_stage_open_empty(void **state)
{
	struct blk_stage *stage = calloc(1, sizeof(*stage));
	CLEANUP_CLOSE int base = disk_stage_make_file(BLK_STAGE_BYTES, BLK_STAGE_SEED);

	if (!stage || base < 0)
		return -1;
	stage->base_fd = disk_stage_reopen_read_only(base);
	stage->overlay_fd = disk_stage_make_file(0, 0);
	disk_stage_fill(stage->content, BLK_STAGE_BYTES, BLK_STAGE_SEED);
	*state = stage;
	return fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake);
}

int
blk_stage_open(void **state)
{
	struct blk_stage *stage;

	if (blk_stage_open_empty(state) < 0)
		return -1;
	stage = *state;
	blk_stage_plug(stage, stage->base_fd, stage->overlay_fd);
	return 0;
}

int
blk_stage_close(void **state)
{
	struct blk_stage *stage = *state;

	blk_stage_unplug(stage);
	fake_platform_free(stage->fake);
	close(stage->base_fd);
	close(stage->overlay_fd);
	free(stage);
	return 0;
}

int
blk_stage_ask(struct blk_stage *stage, uint32_t type, uint64_t sector, const void *out,
	      size_t out_bytes, void *in, size_t in_bytes)
{
	static char request[16 + 65536], answer[65536 + 1];
	struct virtio_blk_outhdr header = { .type = htole32(type), .sector = htole64(sector) };
	int written;

	memcpy(request, &header, sizeof(header));
	if (out_bytes > 0)
		memcpy(request + sizeof(header), out, out_bytes);
	written = virtio_driver_transfer(&stage->driver, 0, request, sizeof(header) + out_bytes,
					 answer, in_bytes + 1);
	if (written < 0)
		return written;
	if (answer[in_bytes] == VIRTIO_BLK_S_OK)
		assert_int_equal(written, in_bytes + 1);
	if (in_bytes > 0)
		memcpy(in, answer, in_bytes);
	return answer[in_bytes];
}

int
blk_stage_ask_hole(struct blk_stage *stage, uint32_t type, uint64_t sector, uint32_t n,
		   uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = htole64(sector),
							 .num_sectors = htole32(n),
							 .flags = htole32(flags) };

	return blk_stage_ask(stage, type, 0, &range, sizeof(range), NULL, 0);
}
