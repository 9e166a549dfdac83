/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_storage.c - a disk whose host runs out of room, or whose storage fails (virtio 1.2 section 5.2)
 *
 * Command line: "full" fills the whole disk and reads it back; "broken" reads the last sector until that fails.
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_blk.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	      3
#define SECTORS	      2048
#define SECTOR_WORDS  (BARE_BLK_SECTOR_BYTES / sizeof(uint64_t))
#define CHUNK_SECTORS 128
#define WANTED	      (UINT64_C(1) << VIRTIO_BLK_F_FLUSH)
#define FAILING_READS 3

static struct bare_virtio disk;
static uint64_t data[CHUNK_SECTORS * SECTOR_WORDS];

static uint8_t
do_request(uint32_t type, uint64_t sector, uint32_t sectors)
{
	return bare_blk_request(&disk, type, sector, data, sectors * BARE_BLK_SECTOR_BYTES);
}

/* The first and the last word of each sector say where it is. */
static uint64_t
make_mark(uint64_t sector, uint64_t word)
{
	return ~(sector << 8 | word);
}

static bool
check_chunk(uint64_t first)
{
	for (uint64_t i = 0; i < CHUNK_SECTORS; i++)
		if (data[i * SECTOR_WORDS] != make_mark(first + i, 0) ||
		    data[(i + 1) * SECTOR_WORDS - 1] != make_mark(first + i, SECTOR_WORDS - 1))
			return false;
	return true;
}

static void
test_full(void)
{
	bool written = true;
	bool read = true;

	for (uint64_t first = 0; first < SECTORS; first += CHUNK_SECTORS) {
		for (uint64_t i = 0; i < CHUNK_SECTORS; i++) {
			data[i * SECTOR_WORDS] = make_mark(first + i, 0);
			data[(i + 1) * SECTOR_WORDS - 1] = make_mark(first + i, SECTOR_WORDS - 1);
		}
		written = written &&
			  do_request(VIRTIO_BLK_T_OUT, first, CHUNK_SECTORS) == VIRTIO_BLK_S_OK;
	}
	bare_check(written, "the whole disk is written");
	bare_check_equal(do_request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK, "and flushed");
	for (uint64_t first = 0; first < SECTORS; first += CHUNK_SECTORS)
		read = read &&
		       do_request(VIRTIO_BLK_T_IN, first, CHUNK_SECTORS) == VIRTIO_BLK_S_OK &&
		       check_chunk(first);
	bare_check(read, "everything is there");
}

static void
test_broken(void)
{
	bare_check_equal(do_request(VIRTIO_BLK_T_IN, SECTORS - 1, 1), VIRTIO_BLK_S_OK,
			 "the last sector is read");
	bare_say("note: reads");
	bare_check(BARE_WAIT(do_request(VIRTIO_BLK_T_IN, SECTORS - 1, 1) == VIRTIO_BLK_S_IOERR),
		   "a read is told to have failed");
	for (uint32_t i = 1; i < FAILING_READS; i++)
		bare_check_equal(do_request(VIRTIO_BLK_T_IN, SECTORS - 1, 1), VIRTIO_BLK_S_IOERR,
				 "so is the next");
	bare_check_equal(do_request(VIRTIO_BLK_T_IN, 0, 1), VIRTIO_BLK_S_OK,
			 "what has not failed is read still");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&disk, SLOT) || !bare_virtio_start(&disk, WANTED, 1))
		return;
	if (bare_command_line_has("full"))
		test_full();
	else
		test_broken();
}
