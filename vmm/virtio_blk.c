/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_blk.c - a disk (virtio 1.2 section 5.2), or a slot for one: the device's life and its
 * configuration
 *
 * In carrel-vmm, with the machine's lock held. What the guest asks of it is virtio_blk_request.c's.
 *
 * How it works: a reset waits for what the kernel has in its hands, because it writes to guest
 * memory, and cancels what is kept for lack of space; the device is not active by then, which keeps
 * completions away from the queues.
 *
 * A slot without a medium has capacity 0 and fails what it is asked; virtio_blk_attach() changes
 * the capacity.
 */
#include "vmm/virtio_blk.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "vmm/overlay_file.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"
#include "vmm/virtio_blk_request.h"

#define VIRTIO_BLK_STATE_VERSION 2
#define VIRTIO_BLK_QUEUE_SIZE	 256
/* A full queue's longest request: header and status take a descriptor each */
#define VIRTIO_BLK_MAX_SEGMENTS	     (VIRTIO_BLK_QUEUE_SIZE - 2)
#define VIRTIO_BLK_MAX_SEGMENT_BYTES (4U << 20)
#define VIRTIO_BLK_PAGE_SECTORS	     8	 /* what file systems below are made of */
#define VIRTIO_BLK_CLUSTER_SECTORS   128 /* of the overlay */

#define VIRTIO_BLK_FEATURE(name) (UINT64_C(1) << VIRTIO_BLK_F_##name)

/* Configuration space, section 5.2.4 */

static void
virtio_blk_read_config(struct virtio_device *device, uint32_t offset, void *target, uint32_t bytes)
{
	const struct virtio_blk *blk = virtio_blk_from(device);
	struct virtio_blk_config config = {
		.capacity = htole64(blk->capacity_sectors),
		.size_max = htole32(VIRTIO_BLK_MAX_SEGMENT_BYTES),
		.seg_max = htole32(VIRTIO_BLK_MAX_SEGMENTS),
		.blk_size = htole32(VIRTIO_BLK_SECTOR),
		.physical_block_exp = 3, /* 4096 bytes */
		.min_io_size = htole16(VIRTIO_BLK_PAGE_SECTORS),
		.opt_io_size = htole32(VIRTIO_BLK_CLUSTER_SECTORS),
		.wce = blk->state.write_cache,
		.num_queues = htole16((uint16_t)device->n_queues),
		.max_discard_sectors = htole32(VIRTIO_BLK_MAX_HOLE_SECTORS),
		.max_discard_seg = htole32(1),
		.discard_sector_alignment = htole32(VIRTIO_BLK_PAGE_SECTORS),
		.max_write_zeroes_sectors = htole32(VIRTIO_BLK_MAX_HOLE_SECTORS),
		.max_write_zeroes_seg = htole32(1),
		.write_zeroes_may_unmap = 1,
	};

	memcpy(target, (const char *)&config + offset, bytes);
}

static void
virtio_blk_write_config(struct virtio_device *device, uint32_t offset, const void *source,
			uint32_t bytes)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	if (offset == offsetof(struct virtio_blk_config, wce) && bytes == 1 &&
	    virtio_has_feature(device, VIRTIO_BLK_F_CONFIG_WCE))
		blk->state.write_cache = *(const uint8_t *)source & 1;
}

/* Life */

static void
virtio_blk_handle_space(void *context, bool lacks)
{
	struct virtio_blk *blk = context;

	/* what a reset is about to cancel need not pause anybody */
	if (lacks == blk->told_lack || (lacks && !blk->device.active))
		return;
	blk->told_lack = lacks;
	blk->lacks_space(blk->context, lacks);
}

static int
virtio_blk_activate(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	/* section 5.2.5.2: without FLUSH there is no cache at first */
	blk->state.write_cache = virtio_has_feature(device, VIRTIO_BLK_F_FLUSH);
	return 0;
}

/* Afterwards no request is in use. */
static void
virtio_blk_cancel(struct virtio_blk *blk)
{
	while (disk_io_drain(blk->io) < 0)
		disk_io_cancel_kept(blk->io);
}

static void
virtio_blk_reset(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	blk->starved = 0;
	virtio_blk_cancel(blk);
	blk->state.write_cache = 1;
}

/*
 * Pausing has ended all requests but those that the host has no room for: these are half done on a
 * disk that is not saved. The statistics are this process's, and which queues wait for a free
 * request is seen when all are looked at.
 */
static void
virtio_blk_save(struct virtio_device *device, struct state_writer *writer)
{
	const struct virtio_blk *blk = virtio_blk_from(device);

	if (blk->n_free < VIRTIO_BLK_REQUESTS)
		state_writer_fail(writer, -EBUSY);
	state_put_u8(writer, blk->state.write_cache);
}

/*
 * The medium is this machine's own, a copy of what the saved one had when it was saved; devices_load()
 * has compared their sizes.
 */
static int
virtio_blk_load(struct virtio_device *device, struct state_reader *reader)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	blk->state.write_cache = state_take_bool(reader);
	return state_reader_check(reader);
}

static void
virtio_blk_free(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	/* nobody is there any more to be told */
	blk->told_lack = false;
	device->active = false;
	if (blk->io)
		virtio_blk_reset(device);
	disk_close(blk->disk);
	disk_io_free(blk->io);
	free(blk);
}

static const struct virtio_ops virtio_blk_ops = {
	.name = "virtio-blk",
	.type = VIRTIO_ID_BLOCK,
	.activate = virtio_blk_activate,
	.reset = virtio_blk_reset,
	.handle_queue = virtio_blk_handle_queue,
	.read_config = virtio_blk_read_config,
	.write_config = virtio_blk_write_config,
	.free = virtio_blk_free,
	.state_version = VIRTIO_BLK_STATE_VERSION,
	.save = virtio_blk_save,
	.load = virtio_blk_load,
};

static int
virtio_blk_open_medium(struct virtio_blk *blk, int base_fd, int overlay_fd)
{
	int result = disk_open(blk->name, blk->io, base_fd, overlay_fd, &blk->disk);

	if (result == 0)
		blk->capacity_sectors = disk_get_bytes(blk->disk) / VIRTIO_BLK_SECTOR;
	return result;
}

static void
virtio_blk_set_up_device(struct virtio_blk *blk, struct platform *platform, uint32_t n_queues)
{
	struct virtio_device *device = &blk->device;

	device->ops = &virtio_blk_ops;
	device->platform = platform;
	device->config_bytes = sizeof(struct virtio_blk_config);
	device->n_queues = n_queues < VIRTIO_BLK_MAX_QUEUES ? n_queues : VIRTIO_BLK_MAX_QUEUES;
	device->polled_queues = (UINT64_C(1) << device->n_queues) - 1;
	for (uint32_t i = 0; i < device->n_queues; i++)
		device->queue_sizes[i] = VIRTIO_BLK_QUEUE_SIZE;
	device->device_features = VIRTIO_BLK_FEATURE(SIZE_MAX) | VIRTIO_BLK_FEATURE(SEG_MAX) |
				  VIRTIO_BLK_FEATURE(BLK_SIZE) | VIRTIO_BLK_FEATURE(TOPOLOGY) |
				  VIRTIO_BLK_FEATURE(FLUSH) | VIRTIO_BLK_FEATURE(CONFIG_WCE);
	if (device->n_queues > 1)
		device->device_features |= VIRTIO_BLK_FEATURE(MQ);
	if (blk->disk && disk_is_read_only(blk->disk))
		device->device_features |= VIRTIO_BLK_FEATURE(RO);
	else
		device->device_features |=
			VIRTIO_BLK_FEATURE(DISCARD) | VIRTIO_BLK_FEATURE(WRITE_ZEROES);
}

int
virtio_blk_new(struct platform *platform, const struct virtio_blk_options *options,
	       struct virtio_device **ret_device)
{
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	struct disk_io_events events = { virtio_blk_end_batch, virtio_blk_handle_space, blk };
	int result;

	if (!blk)
		return -ENOMEM;
	blk->name = options->name;
	blk->lacks_space = options->lacks_space;
	blk->context = options->context;
	blk->state.write_cache = 1;
	memcpy(blk->serial, options->serial, strnlen(options->serial, sizeof(blk->serial)));
	while (blk->n_free < VIRTIO_BLK_REQUESTS) {
		blk->free_requests[blk->n_free] = (uint8_t)(VIRTIO_BLK_REQUESTS - 1 - blk->n_free);
		blk->n_free++;
	}
	result = disk_io_new(platform->loop, options->name, &events, &blk->io);
	if (result == 0 && options->overlay_fd >= 0)
		overlay_file_await(options->overlay_fd);
	if (result == 0 && (options->base_fd >= 0 || options->overlay_fd >= 0))
		result = virtio_blk_open_medium(blk, options->base_fd, options->overlay_fd);
	if (result < 0) {
		virtio_blk_free(&blk->device);
		return result;
	}
	virtio_blk_set_up_device(blk, platform, options->n_queues);
	*ret_device = &blk->device;
	return 0;
}

int
virtio_blk_attach(struct virtio_device *device, int base_fd, int overlay_fd)
{
	struct virtio_blk *blk = virtio_blk_from(device);
	int result;

	if (blk->disk)
		return -EBUSY;
	result = virtio_blk_open_medium(blk, base_fd, overlay_fd);
	if (result == 0)
		virtio_signal_config(device);
	return result;
}

int
virtio_blk_detach(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);
	int result;

	if (!blk->disk)
		return -ENOENT;
	/* nobody tries again what a device keeps that has failed, and nobody waits for it */
	if (!device->active)
		virtio_blk_cancel(blk);
	result = disk_io_drain(blk->io);
	if (result < 0)
		return result;
	result = disk_sync(blk->disk);
	disk_close(blk->disk);
	blk->disk = NULL;
	blk->capacity_sectors = 0;
	virtio_signal_config(device);
	return result;
}

bool
virtio_blk_has_medium(const struct virtio_device *device)
{
	return ((const struct virtio_blk *)device)->disk != NULL;
}

uint64_t
virtio_blk_get_bytes(const struct virtio_device *device)
{
	const struct virtio_blk *blk = (const struct virtio_blk *)device;

	return blk->capacity_sectors * VIRTIO_BLK_SECTOR;
}

bool
virtio_blk_is_kept_in(const struct virtio_device *device, int fd)
{
	const struct virtio_blk *blk = (const struct virtio_blk *)device;

	return blk->disk && disk_is_kept_in(blk->disk, fd);
}

bool
virtio_blk_is_over(const struct virtio_device *device, int fd)
{
	const struct virtio_blk *blk = (const struct virtio_blk *)device;

	return blk->disk && disk_is_over(blk->disk, fd);
}

void
virtio_blk_rest(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	if (blk->disk)
		disk_rest(blk->disk);
}

bool
virtio_blk_is_idle(const struct virtio_device *device)
{
	return disk_io_is_idle(((const struct virtio_blk *)device)->io);
}

int
virtio_blk_drain(struct virtio_device *device)
{
	return disk_io_drain(virtio_blk_from(device)->io);
}

int
virtio_blk_sync(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);
	int result = virtio_blk_drain(device);

	return result < 0 || !blk->disk ? result : disk_sync(blk->disk);
}

int
virtio_blk_finish(struct virtio_device *device)
{
	struct virtio_blk *blk = virtio_blk_from(device);

	virtio_blk_cancel(blk);
	return blk->disk ? disk_sync(blk->disk) : 0;
}

void
virtio_blk_retry(struct virtio_device *device)
{
	disk_io_retry(virtio_blk_from(device)->io);
}

void
virtio_blk_get_statistics(const struct virtio_device *device,
			  struct virtio_blk_statistics *ret_statistics)
{
	*ret_statistics = ((const struct virtio_blk *)device)->statistics;
}
