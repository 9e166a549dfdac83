/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_blk.c - requests to a virtio disk, of a guest without an operating system
 */
#include "tests/guests/bare_blk.h"

#include "tests/guests/bare.h"
#include "tests/guests/bare_virtio.h"

#define MAX_WAITS 4 /* the machine may stand for a while */

static uint32_t
bare_blk_transfer(struct bare_virtio *disk, const struct bare_buffer *buffers, uint16_t n_buffers)
{
	uint32_t written = BARE_VIRTIO_LOST;

	bare_virtio_offer(disk, 0, 0, buffers, n_buffers);
	for (uint32_t i = 0; i < MAX_WAITS && written == BARE_VIRTIO_LOST; i++)
		written = bare_virtio_wait(disk, 0);
	return written;
}

uint8_t
bare_blk_request(struct bare_virtio *disk, uint32_t type, uint64_t sector, void *data,
		 uint32_t bytes)
{
	struct virtio_blk_outhdr head = { .type = type, .sector = sector };
	bool device_writes = !(type & VIRTIO_BLK_T_OUT);
	uint8_t status = BARE_BLK_LOST;
	const struct bare_buffer buffers[] = {
		{ &head, sizeof(head), false },
		{ data, bytes, device_writes },
		{ &status, 1, true },
	};
	const struct bare_buffer short_buffers[] = { buffers[0], buffers[2] };
	uint32_t written = bytes ? bare_blk_transfer(disk, buffers, 3)
				 : bare_blk_transfer(disk, short_buffers, 2);

	__asm__ volatile("" ::: "memory");
	if (written == BARE_VIRTIO_LOST)
		return BARE_BLK_LOST;
	if (status == VIRTIO_BLK_S_OK && written != 1 + (device_writes ? bytes : 0))
		bare_check(false, "a request says how much it has written");
	return status;
}

uint64_t
bare_blk_read_first(struct bare_virtio *disk, uint64_t sector)
{
	uint64_t data[BARE_BLK_SECTOR_BYTES / sizeof(uint64_t)] = { ~UINT64_C(0) };

	if (bare_blk_request(disk, VIRTIO_BLK_T_IN, sector, data, sizeof(data)) != VIRTIO_BLK_S_OK)
		return ~UINT64_C(0);
	return data[0];
}
