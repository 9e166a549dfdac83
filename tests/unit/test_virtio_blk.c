/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_blk.c - a disk as a guest's driver sees it (virtio 1.2 section 5.2)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "base/cleanup.h"
#include "tests/unit/blk_stage.h"
#include "tests/unit/disk_stage.h"
#include "vmm/loop.h"
#include "vmm/virtio_blk.h"

#define CONFIG(field) \
	offsetof(struct virtio_blk_config, field), sizeof(((struct virtio_blk_config *)0)->field)
#define FEATURE(name) (UINT64_C(1) << VIRTIO_BLK_F_##name)

static void
test_virtio_blk__says_what_it_is(void **state)
{
	static const struct {
		size_t offset;
		size_t bytes;
		uint64_t value;
	} fields[] = {
		{ CONFIG(capacity), BLK_STAGE_SECTORS },
		{ CONFIG(seg_max), 254 },
		{ CONFIG(blk_size), 512 },
		{ CONFIG(physical_block_exp), 3 },
		{ CONFIG(wce), 1 },
		{ CONFIG(num_queues), 2 },
		{ CONFIG(max_discard_sectors), 524288 },
		{ CONFIG(max_discard_seg), 1 },
		{ CONFIG(max_write_zeroes_seg), 1 },
		{ CONFIG(write_zeroes_may_unmap), 1 },
	};
	struct blk_stage *stage = *state;
	uint64_t wanted = FEATURE(SEG_MAX) | FEATURE(SIZE_MAX) | FEATURE(BLK_SIZE) |
			  FEATURE(FLUSH) | FEATURE(TOPOLOGY) | FEATURE(CONFIG_WCE) |
			  FEATURE(DISCARD) | FEATURE(WRITE_ZEROES) | FEATURE(MQ);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(virtio_driver_get_config(&stage->driver,
							  (uint32_t)fields[i].offset,
							  (uint32_t)fields[i].bytes),
				 fields[i].value);
	assert_int_equal(stage->driver.features & 0xffffff, wanted);
}

static void
test_virtio_blk__reads_writes_and_names_itself(void **state)
{
	struct blk_stage *stage = *state;
	struct virtio_blk_statistics statistics;
	char data[4096], again[4096], id[20];

	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 100, NULL, 0, again, sizeof(again)),
			 0);
	assert_memory_equal(again, stage->content + 51200, sizeof(again));
	disk_stage_fill(data, sizeof(data), 77);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 101, data, sizeof(data), NULL, 0),
			 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 101, NULL, 0, again, sizeof(again)),
			 0);
	assert_memory_equal(again, data, sizeof(data));
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_GET_ID, 0, NULL, 0, id, sizeof(id)), 0);
	assert_memory_equal(id, "carrel-disk-1\0\0\0\0\0\0", sizeof(id));
	virtio_blk_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.reads, 2);
	assert_int_equal(statistics.read_bytes, 8192);
	assert_int_equal(statistics.written_bytes, 4096);
	assert_int_equal(statistics.flushes, 1);
	assert_true(virtio_driver_count_interrupts(&stage->driver, 0) > 0);
}

static void
test_virtio_blk__zeroes_and_discards(void **state)
{
	struct blk_stage *stage = *state;
	char data[1024], zeros[1024] = { 0 };

	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 10, 2, 0), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 10, NULL, 0, data, sizeof(data)), 0);
	assert_memory_equal(data, zeros, sizeof(data));
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 12, NULL, 0, data, sizeof(data)), 0);
	assert_memory_equal(data, stage->content + 12 * 512, sizeof(data));
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 128, 200,
					    VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP),
			 0);
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 256, 128, 0), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 380, NULL, 0, data, sizeof(data)),
			 0);
	assert_memory_equal(data, zeros, sizeof(data));
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 5, 0, 0), 0);
}

static void
test_virtio_blk__wrong_requests_get_their_status(void **state)
{
	struct blk_stage *stage = *state;
	char data[1024];

	assert_int_equal(
		blk_stage_ask(stage, VIRTIO_BLK_T_IN, BLK_STAGE_SECTORS, NULL, 0, data, 512),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		blk_stage_ask(stage, VIRTIO_BLK_T_OUT, BLK_STAGE_SECTORS - 1, data, 1024, NULL, 0),
		VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, UINT64_MAX, NULL, 0, data, 512),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 511),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 0, data, 513, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_GET_ID, 0, NULL, 0, data, 19),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_SCSI_CMD, 0, NULL, 0, data, 512),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_DISCARD, 0, data, 8, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 0, 8, 1),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_WRITE_ZEROES, 0, UINT32_MAX, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		blk_stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, BLK_STAGE_SECTORS - 1, 2, 0),
		VIRTIO_BLK_S_IOERR);
	/* and it goes on */
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512), 0);
	assert_false(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void
test_virtio_blk__without_header_or_status_it_needs_reset(void **state)
{
	struct blk_stage *stage = *state;
	char data[512];
	const struct driver_buffer cases[] = {
		{ fake_platform_alloc(stage->fake, 4096, 4096), 15, false },
		{ fake_platform_alloc(stage->fake, 4096, 4096), 512, true },
		{ fake_platform_alloc(stage->fake, 4096, 4096), 512, false },
	};

	for (int i = 0; i < 3; i++) {
		assert_true(driver_ring_add(stage->driver.rings[1], &cases[i], 1) >= 0);
		virtio_driver_kick(&stage->driver, 1);
		assert_true(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
		assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES),
				 0);
		assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512), 0);
	}
}

/* More at once than there are requests for. */
static void
test_virtio_blk__a_full_queue_is_worked_off(void **state)
{
	struct blk_stage *stage = *state;
	uint64_t gpa = fake_platform_alloc(stage->fake, 4096, 4096);
	struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_FLUSH) };
	const struct driver_buffer buffers[] = {
		{ gpa, sizeof(header), false },
		{ gpa + 512, 1, true },
	};
	struct driver_ring *ring = stage->driver.rings[0];
	uint32_t written, n = 0;
	uint16_t head;

	memcpy(fake_platform_map(stage->fake, gpa, 512), &header, sizeof(header));
	for (int i = 0; i < 200; i++)
		assert_true(driver_ring_add_indirect(ring, buffers, 2) >= 0);
	virtio_driver_kick(&stage->driver, 0);
	for (int i = 0; i < 1000 && n < 200; i++) {
		loop_step(stage->fake->platform.loop, 10);
		while (driver_ring_get_used(ring, &head, &written))
			n++;
	}
	assert_int_equal(n, 200);
}

static void
test_virtio_blk__medium_comes_and_goes(void **state)
{
	struct blk_stage *stage = *state;
	char data[512];

	blk_stage_plug(stage, -1, -1);
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 0, NULL, 0, data, 512),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(virtio_blk_detach(stage->device), -ENOENT);
	fake_platform_forget(stage->fake);
	assert_int_equal(virtio_blk_attach(stage->device, stage->base_fd, stage->overlay_fd), 0);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 1);
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), BLK_STAGE_SECTORS);
	assert_int_equal(virtio_blk_attach(stage->device, stage->base_fd, -1), -EBUSY);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0), 0);
	assert_int_equal(virtio_blk_detach(stage->device), 0);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 2);
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(virtio_blk_attach(stage->device, stage->base_fd, stage->overlay_fd), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 1, NULL, 0, stage->content, 512), 0);
	assert_memory_equal(stage->content, data, 512);
}

/* A raw image in the slot is written itself. */
/* A machine that was killed holds its files a moment longer than its process. */
static void
test_virtio_blk__waits_for_a_file_of_one_that_ends(void **state)
{
	const struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct blk_stage *stage = *state;
	char path[64];
	int other, status;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", stage->overlay_fd);
	other = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &whole), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		usleep(100000);
		_exit(0);
	}
	close(other);
	blk_stage_plug(stage, stage->base_fd, stage->overlay_fd);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static void
test_virtio_blk__raw_medium(void **state)
{
	struct blk_stage *stage = *state;
	CLEANUP_CLOSE int image = disk_stage_make_file(BLK_STAGE_BYTES / 2, BLK_STAGE_SEED);
	char data[512], again[512];

	blk_stage_plug(stage, -1, -1);
	assert_false(virtio_blk_has_medium(stage->device));
	assert_int_equal(virtio_blk_attach(stage->device, -1, image), 0);
	assert_true(virtio_blk_has_medium(stage->device));
	assert_int_equal(virtio_driver_get_config(&stage->driver, 0, 8), BLK_STAGE_SECTORS / 2);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 5, NULL, 0, data, 512), 0);
	assert_memory_equal(data, stage->content + 5 * 512, 512);
	disk_stage_fill(data, sizeof(data), 77);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 5, data, 512, NULL, 0), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(virtio_blk_detach(stage->device), 0);
	assert_int_equal(pread(image, again, 512, 5 * 512), 512);
	assert_memory_equal(again, data, 512);
}

static void
test_virtio_blk__read_only(void **state)
{
	struct blk_stage *stage = *state;
	char data[512];

	blk_stage_plug(stage, stage->base_fd, -1);
	assert_true(stage->driver.features & FEATURE(RO));
	assert_false(stage->driver.features & (FEATURE(DISCARD) | FEATURE(WRITE_ZEROES)));
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_stage_ask_hole(stage, VIRTIO_BLK_T_DISCARD, 0, 128, 0),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_IN, 1, NULL, 0, data, 512), 0);
	assert_memory_equal(data, stage->content + 512, 512);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0), 0);
}

/* The table in the file says whether the first cluster was written down. */
static bool
stage_is_written_down(const struct blk_stage *stage)
{
	char bits;

	assert_int_equal(pread(stage->overlay_fd, &bits, 1, 4096), 1);
	return bits & 1;
}

static void
test_virtio_blk__write_cache_is_the_drivers_choice(void **state)
{
	struct blk_stage *stage = *state;
	char data[512] = { 1 };

	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0), 0);
	assert_false(stage_is_written_down(stage));
	virtio_driver_set_config(&stage->driver, CONFIG(wce), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 2, data, 512, NULL, 0), 0);
	assert_true(stage_is_written_down(stage));
	/* a driver that cannot flush */
	blk_stage_unplug(stage);
	assert_int_equal(ftruncate(stage->overlay_fd, 0), 0);
	blk_stage_plug(stage, stage->base_fd, stage->overlay_fd);
	assert_int_equal(
		virtio_driver_start(&stage->driver, ~(FEATURE(FLUSH) | FEATURE(CONFIG_WCE))), 0);
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_OUT, 1, data, 512, NULL, 0), 0);
	assert_true(stage_is_written_down(stage));
	assert_int_equal(blk_stage_ask(stage, VIRTIO_BLK_T_FLUSH, 0, NULL, 0, NULL, 0),
			 VIRTIO_BLK_S_UNSUPP);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_virtio_blk__##name, blk_stage_open, blk_stage_close)
#define TEST_EMPTY(name)                                                               \
	cmocka_unit_test_setup_teardown(test_virtio_blk__##name, blk_stage_open_empty, \
					blk_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(says_what_it_is),
		TEST(reads_writes_and_names_itself),
		TEST(zeroes_and_discards),
		TEST(wrong_requests_get_their_status),
		TEST(without_header_or_status_it_needs_reset),
		TEST(a_full_queue_is_worked_off),
		TEST_EMPTY(medium_comes_and_goes),
		TEST_EMPTY(waits_for_a_file_of_one_that_ends),
		TEST_EMPTY(raw_medium),
		TEST_EMPTY(read_only),
		TEST(write_cache_is_the_drivers_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
