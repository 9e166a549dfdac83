/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_blk.h - requests to a virtio disk, of a guest without an operating system (virtio 1.2 section 5.2)
 */
#ifndef TESTS_GUESTS_BARE_BLK_H
#define TESTS_GUESTS_BARE_BLK_H

#include <stdint.h>

#include <linux/virtio_blk.h>

#define BARE_BLK_SECTOR_BYTES 512
#define BARE_BLK_LOST	      0xff

struct bare_virtio;

/*
 * One request, one after the other: its status, or BARE_BLK_LOST. "type": VIRTIO_BLK_T_..., of which bit 0 says that the
 * device reads the data; there may be none. That a request that went well says how much it has written is checked.
 */
uint8_t bare_blk_request(struct bare_virtio *disk, uint32_t type, uint64_t sector, void *data,
			 uint32_t bytes);

/* The first word of a sector; all ones when it cannot be read. */
uint64_t bare_blk_read_first(struct bare_virtio *disk, uint64_t sector);

#endif
