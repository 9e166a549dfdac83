/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_blk.c - a disk of 2048 sectors, each beginning with its number (virtio 1.2 section 5.2)
 *
 * Command line: "hostile" breaks rules, "readonly" says that the disk has no overlay.
 */
#include "tests/guests/bare.h"
#include "tests/guests/bare_blk.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	   3
#define SECTORS	   2048
#define SERIAL	   "root"
#define MANY	   5
#define MANY_BYTES UINT32_C(0x80000)
#define ELSEWHERE  UINT64_C(0x800000)
#define MARK	   UINT64_C(0x6b72616d)
#define WANTED                                                                \
	(UINT64_C(1) << VIRTIO_BLK_F_FLUSH | UINT64_C(1) << VIRTIO_BLK_F_RO | \
	 UINT64_C(1) << VIRTIO_BLK_F_DISCARD | UINT64_C(1) << VIRTIO_BLK_F_WRITE_ZEROES)

static struct bare_virtio disk;
static uint64_t data[4 * BARE_BLK_SECTOR_BYTES / sizeof(uint64_t)];

static bool
works_still(struct bare_virtio *device)
{
	return bare_blk_read_first(device, 7) == 7;
}

static bool
works(struct bare_virtio *device)
{
	return bare_virtio_start(device, WANTED, 1) && works_still(device);
}

/* Large ones, into memory of their own. */
static bool
offer_many(struct bare_virtio *device)
{
	static struct virtio_blk_outhdr head = { .type = VIRTIO_BLK_T_IN };
	static uint8_t status;

	if (!bare_virtio_start(device, WANTED, 1))
		return false;
	for (uint16_t i = 0; i < MANY; i++) {
		const struct bare_buffer buffers[] = {
			{ &head, sizeof(head), false },
			{ (void *)(ELSEWHERE + i * MANY_BYTES), MANY_BYTES, true },
			{ &status, 1, true },
		};

		bare_virtio_offer(device, 0, (uint16_t)(3 * i), buffers, 3);
	}
	return true;
}

static void
test_reset(void)
{
	bool good = true;

	bare_hostile_reset(&disk, offer_many, works);
	bare_check(offer_many(&disk), "it is given requests once more");
	bare_virtio_reset(&disk);
	for (uint64_t i = 0; i < MANY; i++)
		BARE_REGISTER(uint64_t, ELSEWHERE + i * MANY_BYTES) = MARK;
	bare_check(works(&disk), "the device works");
	for (uint64_t i = 0; i < MANY; i++)
		good = good && BARE_REGISTER(uint64_t, ELSEWHERE + i * MANY_BYTES) == MARK;
	bare_check(good, "what was in flight at the reset writes nothing after it");
}

static void
test_reading(void)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST + 1);
	char serial[VIRTIO_BLK_ID_BYTES] = "";
	bool good = true;

	bare_check_equal(bare_virtio_get_config(&disk, 0, 4), SECTORS, "the capacity");
	bare_check_equal(bare_blk_read_first(&disk, 0), 0, "the first sector");
	bare_check_equal(bare_blk_read_first(&disk, SECTORS - 1), SECTORS - 1, "the last sector");
	bare_check_equal(bare_blk_request(&disk, VIRTIO_BLK_T_IN, 100, data, sizeof(data)),
			 VIRTIO_BLK_S_OK, "four sectors at once");
	for (uint64_t i = 0; i < 4; i++)
		good = good && data[i * BARE_BLK_SECTOR_BYTES / sizeof(data[0])] == 100 + i;
	bare_check(good, "are the right ones");
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1) > interrupts),
		   "the queue's vector interrupts");
	bare_check_equal(bare_blk_request(&disk, VIRTIO_BLK_T_GET_ID, 0, serial, sizeof(serial)),
			 VIRTIO_BLK_S_OK, "it has a serial number");
	for (size_t i = 0; i < sizeof(SERIAL); i++)
		good = good && serial[i] == SERIAL[i];
	bare_check(good, "which is its own");
}

static void
test_writing(void)
{
	uint64_t sector = 9;

	data[0] = 0x1234;
	bare_check_equal(
		bare_blk_request(&disk, VIRTIO_BLK_T_OUT, sector, data, BARE_BLK_SECTOR_BYTES),
		VIRTIO_BLK_S_OK, "a sector is written");
	bare_check_equal(bare_blk_request(&disk, VIRTIO_BLK_T_FLUSH, 0, NULL, 0), VIRTIO_BLK_S_OK,
			 "a flush");
	bare_check_equal(bare_blk_read_first(&disk, sector), 0x1234, "what was written is read");
	bare_check_equal(bare_blk_read_first(&disk, sector + 1), sector + 1,
			 "its neighbour is as before");
}

static void
test_zeroes(void)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = 128, .num_sectors = 256 };

	bare_check_equal(
		bare_blk_request(&disk, VIRTIO_BLK_T_WRITE_ZEROES, 0, &range, sizeof(range)),
		VIRTIO_BLK_S_OK, "zeroes are written");
	bare_check_equal(bare_blk_read_first(&disk, 128), 0, "the first of them");
	bare_check_equal(bare_blk_read_first(&disk, 128 + 255), 0, "the last of them");
	bare_check_equal(bare_blk_read_first(&disk, 127), 127, "the sector before");
	bare_check_equal(bare_blk_read_first(&disk, 128 + 256), 128 + 256, "the sector behind");
	bare_check_equal(bare_blk_request(&disk, VIRTIO_BLK_T_DISCARD, 0, &range, sizeof(range)),
			 VIRTIO_BLK_S_OK, "a discard");
	range.sector = SECTORS - 1;
	bare_check_equal(bare_blk_request(&disk, VIRTIO_BLK_T_DISCARD, 0, &range, sizeof(range)),
			 VIRTIO_BLK_S_IOERR, "a discard over the end is refused");
}

static void
test_refusals(void)
{
	static const struct {
		const char *what;
		uint64_t sector;
	} table[] = {
		{ "a sector behind the end is refused", SECTORS },
		{ "a request over the end is refused", SECTORS - 3 },
		{ "a sector at the end of all numbers is refused", UINT64_MAX },
		{ "a sector whose bytes wrap is refused", UINT64_MAX / 512 + 1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		bare_check_equal(bare_blk_request(&disk, VIRTIO_BLK_T_IN, table[i].sector, data,
						  sizeof(data)),
				 VIRTIO_BLK_S_IOERR, table[i].what);
	bare_check_equal(bare_blk_request(&disk, 78, 0, data, BARE_BLK_SECTOR_BYTES),
			 VIRTIO_BLK_S_UNSUPP, "a request of no known type");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&disk, SLOT) || !bare_virtio_start(&disk, WANTED, 1))
		return;
	test_reading();
	test_refusals();
	if (bare_command_line_has("readonly")) {
		bare_check_equal(
			bare_blk_request(&disk, VIRTIO_BLK_T_OUT, 9, data, BARE_BLK_SECTOR_BYTES),
			VIRTIO_BLK_S_IOERR, "nothing is written without an overlay");
		return;
	}
	test_writing();
	test_zeroes();
	if (!bare_command_line_has("hostile"))
		return;
	bare_hostile_negotiate(&disk, works);
	test_reset();
	bare_hostile_write_late(&disk, 0, works, works_still);
	bare_hostile_break_queue(&disk, 0, works);
}
