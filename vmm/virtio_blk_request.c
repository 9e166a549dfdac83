/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_blk_request.c - a disk (virtio 1.2 section 5.2): what the guest asks of it
 *
 * In carrel-vmm, with the machine's lock held: queues on the loop's thread.
 *
 * How it works: each chain becomes one of a fixed number of requests, all made beforehand. Its
 * header is copied and checked, its data segments go to disk.c as they are (no copy), and when that
 * is done virtio_blk_end() writes the status byte and pushes the chain. Interrupts wait for the end
 * of a batch (virtio_blk_end_batch()). When all requests are in use the queue is left alone until
 * one is free again ("starved").
 *
 * What a guest asks wrongly is answered by a status (section 5.2.6.2); only what leaves no room for
 * a header or a status fails the device.
 *
 * Without a write cache (the driver has not accepted VIRTIO_BLK_F_FLUSH, or switched it off:
 * section 5.2.5.2) a request that changes anything is followed by a flush before it is answered.
 */
#include "vmm/virtio_blk_request.h"

#include <endian.h>
#include <string.h>

#include <linux/virtio_blk.h>

#define VIRTIO_BLK_CHAINS_A_KICK 64

static bool
virtio_blk_has_write_cache(const struct virtio_blk *blk)
{
	if (virtio_has_feature(&blk->device, VIRTIO_BLK_F_CONFIG_WCE))
		return blk->state.write_cache;
	return virtio_has_feature(&blk->device, VIRTIO_BLK_F_FLUSH);
}

static void
virtio_blk_count(struct virtio_blk *blk, const struct virtio_blk_request *request, uint8_t status)
{
	struct virtio_blk_statistics *statistics = &blk->statistics;

	if (status != VIRTIO_BLK_S_OK) {
		statistics->failed++;
		return;
	}
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		statistics->reads++;
		statistics->read_bytes += request->io.bytes;
		break;
	case VIRTIO_BLK_T_OUT:
		statistics->writes++;
		statistics->written_bytes += request->io.bytes;
		break;
	case VIRTIO_BLK_T_FLUSH:
		statistics->flushes++;
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		statistics->discards++;
		break;
	}
}

static void
virtio_blk_end(struct virtio_blk_request *request, uint8_t status)
{
	struct virtio_blk *blk = request->blk;
	/*
	 * bytes from the first on: without the data, the status at the end does not count (section
	 * 2.7.8)
	 */
	uint32_t written =
		status == VIRTIO_BLK_S_OK || request->in_bytes == 1 ? request->in_bytes : 0;

	blk->free_requests[blk->n_free++] = (uint8_t)(request - blk->requests);
	if (!blk->device.active)
		return;
	virtio_blk_count(blk, request, status);
	*request->status = status;
	virtqueue_push(&blk->device.queues[request->queue], request->head, written);
	blk->to_signal |= 1U << request->queue;
}

static void
virtio_blk_handle_done(struct disk_request *io, int result)
{
	struct virtio_blk_request *request = (struct virtio_blk_request *)io;

	if (result == 0 && request->flush_follows && request->blk->device.active) {
		request->flush_follows = false;
		io->kind = DISK_FLUSH;
		disk_submit(request->blk->disk, io);
		return;
	}
	virtio_blk_end(request, result == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

static void
virtio_blk_submit(struct virtio_blk_request *request, enum disk_kind kind)
{
	struct virtio_blk *blk = request->blk;

	request->io.kind = kind;
	request->io.done = virtio_blk_handle_done;
	request->flush_follows =
		kind != DISK_READ && kind != DISK_FLUSH && !virtio_blk_has_write_cache(blk);
	disk_submit(blk->disk, &request->io);
}

/* Is it on the disk, in whole sectors? Then io.offset and io.bytes say where. */
static bool
virtio_blk_place(struct virtio_blk_request *request, uint64_t sector, uint64_t bytes)
{
	uint64_t capacity = request->blk->capacity_sectors;

	if (bytes % VIRTIO_BLK_SECTOR != 0 || sector > capacity ||
	    bytes / VIRTIO_BLK_SECTOR > capacity - sector)
		return false;
	request->io.offset = sector * VIRTIO_BLK_SECTOR;
	request->io.bytes = bytes;
	return true;
}

static uint8_t
virtio_blk_read(struct virtio_blk_request *request, uint64_t sector)
{
	struct virtqueue_chain *chain = &request->blk->chain;
	int n;

	if (!virtio_blk_place(request, sector, chain->in_bytes - 1))
		return VIRTIO_BLK_S_IOERR;
	n = virtqueue_chain_slice_in(chain, 0, request->io.bytes, &request->io.segments[1]);
	if (n < 0)
		return VIRTIO_BLK_S_IOERR;
	request->io.n_segments = (uint32_t)n;
	virtio_blk_submit(request, DISK_READ);
	return VIRTIO_BLK_S_OK;
}

static uint8_t
virtio_blk_write(struct virtio_blk_request *request, uint64_t sector)
{
	struct virtqueue_chain *chain = &request->blk->chain;
	uint64_t bytes = chain->out_bytes - sizeof(struct virtio_blk_outhdr);
	int n;

	if (!virtio_blk_place(request, sector, bytes))
		return VIRTIO_BLK_S_IOERR;
	n = virtqueue_chain_slice_out(chain, sizeof(struct virtio_blk_outhdr), bytes,
				      &request->io.segments[1]);
	if (n < 0)
		return VIRTIO_BLK_S_IOERR;
	request->io.n_segments = (uint32_t)n;
	virtio_blk_submit(request, DISK_WRITE);
	return VIRTIO_BLK_S_OK;
}

static uint8_t
virtio_blk_flush(struct virtio_blk_request *request, uint64_t sector)
{
	(void)sector; /* must be 0, means nothing */
	virtio_blk_submit(request, DISK_FLUSH);
	return VIRTIO_BLK_S_OK;
}

static uint8_t
virtio_blk_make_hole(struct virtio_blk_request *request, enum disk_kind kind, uint32_t known_flags)
{
	struct virtqueue_chain *chain = &request->blk->chain;
	struct virtio_blk_discard_write_zeroes range;
	uint64_t sectors;

	/* one range a request, as the configuration says */
	if (chain->out_bytes != sizeof(struct virtio_blk_outhdr) + sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	virtqueue_chain_read(chain, sizeof(struct virtio_blk_outhdr), &range, sizeof(range));
	if (le32toh(range.flags) & ~known_flags)
		return VIRTIO_BLK_S_UNSUPP;
	sectors = le32toh(range.num_sectors);
	if (sectors > VIRTIO_BLK_MAX_HOLE_SECTORS ||
	    !virtio_blk_place(request, le64toh(range.sector), sectors * VIRTIO_BLK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	virtio_blk_submit(request, kind);
	return VIRTIO_BLK_S_OK;
}

static uint8_t
virtio_blk_discard(struct virtio_blk_request *request, uint64_t sector)
{
	(void)sector;
	return virtio_blk_make_hole(request, DISK_DISCARD, 0);
}

/*
 * The overlay never promises room, so it makes no difference whether the guest allows to give it
 * back.
 */
static uint8_t
virtio_blk_write_zeroes(struct virtio_blk_request *request, uint64_t sector)
{
	(void)sector;
	return virtio_blk_make_hole(request, DISK_ZERO, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
}

static uint8_t
virtio_blk_get_id(struct virtio_blk_request *request, uint64_t sector)
{
	struct virtio_blk *blk = request->blk;

	(void)sector;
	if (blk->chain.in_bytes - 1 < sizeof(blk->serial))
		return VIRTIO_BLK_S_IOERR;
	virtqueue_chain_write(&blk->chain, 0, blk->serial, sizeof(blk->serial));
	virtio_blk_end(request, VIRTIO_BLK_S_OK);
	return VIRTIO_BLK_S_OK;
}

struct virtio_blk_command {
	uint32_t type;
	int feature; /* that the driver must have accepted; -1: none */
	bool needs_medium;
	/* VIRTIO_BLK_S_OK: it is on its way, or done. Else it is to be answered so. */
	uint8_t (*start)(struct virtio_blk_request *request, uint64_t sector);
};

static const struct virtio_blk_command virtio_blk_commands[] = {
	{ VIRTIO_BLK_T_IN, -1, true, virtio_blk_read },
	{ VIRTIO_BLK_T_OUT, -1, true, virtio_blk_write },
	{ VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_F_FLUSH, true, virtio_blk_flush },
	{ VIRTIO_BLK_T_GET_ID, -1, false, virtio_blk_get_id },
	{ VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_F_DISCARD, true, virtio_blk_discard },
	{ VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES, true, virtio_blk_write_zeroes },
};

static uint8_t
virtio_blk_start(struct virtio_blk_request *request, const struct virtio_blk_outhdr *header)
{
	struct virtio_blk *blk = request->blk;

	request->type = le32toh(header->type);
	for (size_t i = 0; i < sizeof(virtio_blk_commands) / sizeof(virtio_blk_commands[0]); i++) {
		const struct virtio_blk_command *command = &virtio_blk_commands[i];

		if (command->type != request->type)
			continue;
		if (command->feature >= 0 &&
		    !virtio_has_feature(&blk->device, (unsigned int)command->feature))
			return VIRTIO_BLK_S_UNSUPP;
		if (command->needs_medium && !blk->disk)
			return VIRTIO_BLK_S_IOERR;
		return command->start(request, le64toh(header->sector));
	}
	return VIRTIO_BLK_S_UNSUPP;
}

/* The last byte that the device may write. */
static uint8_t *
virtio_blk_find_status(const struct virtqueue_chain *chain)
{
	const struct iovec *segment = &chain->segments[chain->n_out + chain->n_in - 1];

	while (segment->iov_len == 0)
		segment--;
	return (uint8_t *)segment->iov_base + segment->iov_len - 1;
}

/* Takes one chain; false when there is none, or no room for it. */
static bool
virtio_blk_take(struct virtio_blk *blk, uint32_t queue)
{
	struct virtqueue_chain *chain = &blk->chain;
	struct virtio_blk_request *request;
	struct virtio_blk_outhdr header;
	uint8_t status;

	if (blk->n_free == 0) {
		blk->starved |= 1U << queue;
		return false;
	}
	if (!virtio_pop(&blk->device, queue, chain))
		return false;
	if (virtqueue_chain_read(chain, 0, &header, sizeof(header)) < sizeof(header) ||
	    chain->in_bytes == 0) {
		virtio_fail(&blk->device, "a request has no room for its header or its status");
		return false;
	}
	request = &blk->requests[blk->free_requests[--blk->n_free]];
	request->blk = blk;
	request->queue = (uint16_t)queue;
	request->head = chain->head;
	request->in_bytes = (uint32_t)chain->in_bytes;
	request->status = virtio_blk_find_status(chain);
	status = virtio_blk_start(request, &header);
	if (status != VIRTIO_BLK_S_OK)
		virtio_blk_end(request, status);
	return true;
}

void
virtio_blk_end_batch(void *context)
{
	struct virtio_blk *blk = context;
	uint32_t starved = blk->n_free > 0 ? blk->starved : 0;

	for (uint32_t i = 0; blk->device.active && i < blk->device.n_queues; i++) {
		if (blk->to_signal >> i & 1)
			virtio_signal_queue(&blk->device, i);
		if (starved >> i & 1)
			virtio_kick_again(&blk->device, i);
	}
	blk->to_signal = 0;
	blk->starved &= ~starved;
}

void
virtio_blk_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_blk *blk = virtio_blk_from(device);
	uint32_t n = 0;

	while (n < VIRTIO_BLK_CHAINS_A_KICK && virtio_blk_take(blk, queue))
		n++;
	disk_io_kick(blk->io);
	virtio_blk_end_batch(blk);
	if (n == VIRTIO_BLK_CHAINS_A_KICK && device->active)
		virtio_kick_again(device, queue);
}
