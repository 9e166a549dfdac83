/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_home.c - an empty slot for a disk gets one, loses it and gets another (virtio 1.2 sections 2.5.1, 5.2.6)
 *
 * The host attaches after "note: empty", detaches after "note: written" and attaches again after "note: gone". The disk has
 * 2048 sectors, each beginning with its number.
 */
#include <linux/virtio_pci.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_blk.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	4
#define SECTORS 2048
#define MARK	UINT64_C(0x686f6d65)
#define WANTED	(UINT64_C(1) << VIRTIO_BLK_F_FLUSH)

static struct bare_virtio home;
static uint64_t data[BARE_BLK_SECTOR_BYTES / sizeof(uint64_t)];

/* Says where it stands, and waits for the configuration's interrupt: the capacity is another then. */
static bool
wait_for_change(const char *note, uint32_t sectors)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST);
	uint32_t generation = bare_virtio_get(&home, VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	bare_say("note: %s", note);
	return bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) > interrupts),
			  "the configuration's interrupt comes") &&
	       bare_check(bare_virtio_get(&home, VIRTIO_PCI_COMMON_CFGGENERATION, 1) != generation,
			  "its generation is another") &&
	       bare_check_equal(bare_virtio_get_config(&home, 0, 4), sectors, "the capacity");
}

static void
test_empty(void)
{
	bare_check_equal(bare_virtio_get_config(&home, 0, 4), 0, "an empty slot has no capacity");
	bare_check_equal(bare_blk_request(&home, VIRTIO_BLK_T_IN, 0, data, sizeof(data)),
			 VIRTIO_BLK_S_IOERR, "nothing can be read from it");
	bare_check_equal(bare_blk_request(&home, VIRTIO_BLK_T_OUT, 0, data, sizeof(data)),
			 VIRTIO_BLK_S_IOERR, "nothing can be written to it");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&home, SLOT) || !bare_virtio_start(&home, WANTED, 1))
		return;
	test_empty();
	if (!wait_for_change("empty", SECTORS))
		return;
	bare_check_equal(bare_blk_read_first(&home, SECTORS - 1), SECTORS - 1, "the disk is read");
	data[0] = MARK;
	bare_check_equal(bare_blk_request(&home, VIRTIO_BLK_T_OUT, 9, data, sizeof(data)),
			 VIRTIO_BLK_S_OK, "and written");
	if (!wait_for_change("written", 0))
		return;
	test_empty();
	if (!wait_for_change("gone", SECTORS))
		return;
	bare_check_equal(bare_blk_read_first(&home, 9), MARK,
			 "it comes again with what was written");
	bare_check_equal(bare_blk_read_first(&home, 8), 8, "its neighbour is as before");
}
